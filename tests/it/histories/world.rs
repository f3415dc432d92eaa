//! What the clients of one round share: bundles, tokens, a count of moments, and the history.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use plugboard::model::ContentHash;
use serde_json::Value;

use super::checker::{Event, check};
use super::models::{InstallStep, Row, VersionStep};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::{ALL_SCOPES, TestApp};

pub(super) const VERSIONS: usize = 3;
pub(super) const CONTENTS: usize = 2;
pub(super) const TENANTS: [&str; 2] = ["default", "acme"];

/// Which version a bundle is.
pub(super) fn version_of(bundle: usize) -> usize {
    bundle / CONTENTS
}

/// One of the bundles that may be published.
pub(super) struct Bundle {
    pub(super) archive: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) hash: ContentHash,
    /// The name that the gateway knows it by, and no other bundle.
    pub(super) alias: String,
}

/// From when to when a call was under way.
#[derive(Clone, Copy)]
pub(super) struct Span {
    begin: u64,
    end: u64,
}

#[derive(Default)]
struct History {
    /// By version.
    versions: BTreeMap<usize, Vec<Event<VersionStep>>>,
    /// By tenant.
    installs: BTreeMap<usize, Vec<Event<InstallStep>>>,
    /// The id that an install had when it was last seen.
    ids: BTreeMap<usize, String>,
    /// Answers that nothing documents.
    problems: Vec<String>,
    calls: usize,
}

pub(super) struct World {
    pub(super) app: Arc<TestApp>,
    pub(super) tokens: Vec<String>,
    /// The extension that all of them are about.
    pub(super) name: String,
    /// By version, then content.
    pub(super) bundles: Vec<Bundle>,
    moment: AtomicU64,
    history: Mutex<History>,
}

impl World {
    /// The extension of a round, which no other has.
    pub(super) async fn new(app: &Arc<TestApp>, round: u32) -> Self {
        let mut tokens = Vec::new();
        for tenant in TENANTS {
            tokens.push(app.make_token(tenant, &ALL_SCOPES).await);
        }
        let name = format!("com.example.r{round}");
        let bundle = |number: usize| {
            let publisher = format!("p{number}");
            let builder = BundleBuilder::new(&name, &number_of(version_of(number)))
                .manifest("publisher", publisher.clone().into())
                .page(&format!("<p>{number}</p>"));
            let archive = builder.build();
            Bundle {
                signature: app.sign(&archive),
                hash: ContentHash::of(&archive),
                alias: format!("{publisher}.{name}"),
                archive,
            }
        };
        let bundles = (0..VERSIONS * CONTENTS).map(bundle).collect();
        let (moment, history) = (AtomicU64::new(0), Mutex::default());
        Self { app: Arc::clone(app), tokens, name, bundles, moment, history }
    }

    /// The address of the version that a bundle is of.
    pub(super) fn version_path(&self, bundle: usize) -> String {
        let number = number_of(version_of(bundle));
        format!("/api/v1/extensions/{}/versions/{number}", self.name)
    }

    /// The bundle with this hash, as JSON has it.
    pub(super) fn bundle_with(&self, hash: &Value) -> Option<usize> {
        let hash = hash.as_str()?;
        self.bundles.iter().position(|bundle| bundle.hash.to_string() == hash)
    }

    pub(super) fn row(&self, json: &Value) -> Row {
        Row {
            id: json["id"].as_str().unwrap().to_owned(),
            bundle: self.bundle_with(&json["content_hash"]).unwrap(),
            enabled: json["enabled"] == true,
            previous: self.bundle_with(&json["previous"]["content_hash"]),
        }
    }

    /// Waits for a call; gives its answer, and when it was.
    pub(super) async fn timed<T>(&self, call: impl Future<Output = T>) -> (T, Span) {
        let begin = self.moment.fetch_add(1, Ordering::SeqCst);
        let answer = call.await;
        let end = self.moment.fetch_add(1, Ordering::SeqCst);
        self.history.lock().unwrap().calls += 1;
        (answer, Span { begin, end })
    }

    pub(super) fn note_version(&self, bundle: usize, span: Span, step: VersionStep) {
        let version = version_of(bundle);
        let event = Event { begin: span.begin, end: span.end, step };
        self.history.lock().unwrap().versions.entry(version).or_default().push(event);
    }

    pub(super) fn note_install(&self, tenant: usize, span: Span, step: InstallStep) {
        let event = Event { begin: span.begin, end: span.end, step };
        let mut history = self.history.lock().unwrap();
        if let InstallStep::Created(row) = &event.step {
            history.ids.insert(tenant, row.id.clone());
        }
        history.installs.entry(tenant).or_default().push(event);
    }

    pub(super) fn note_problem(&self, problem: String) {
        self.history.lock().unwrap().problems.push(problem);
    }

    /// The id of the newest install that anybody knows of.
    pub(super) fn id(&self, tenant: usize) -> Option<String> {
        self.history.lock().unwrap().ids.get(&tenant).cloned()
    }

    /// Refuses the history unless an order explains it, key by key; gives the number of calls.
    pub(super) fn check(&self, seed: u64) -> usize {
        let history = std::mem::take(&mut *self.history.lock().unwrap());
        let mut problems = history.problems;
        for (version, events) in history.versions {
            let refusal = check(events).err();
            problems.extend(refusal.map(|refusal| format!("version {version}: {refusal}")));
        }
        for (tenant, events) in history.installs {
            let refusal = check(events).err();
            problems.extend(refusal.map(|refusal| format!("install of {tenant}: {refusal}")));
        }
        assert!(problems.is_empty(), "seed {seed}: {}", problems.join("\n"));
        history.calls
    }
}

fn number_of(version: usize) -> String {
    format!("1.{version}.0")
}
