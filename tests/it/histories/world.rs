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

pub(super) const NAMES: usize = 1;
pub(super) const VERSIONS: usize = 3;
pub(super) const CONTENTS: usize = 2;
pub(super) const TENANTS: [&str; 2] = ["default", "acme"];

/// Which version of its name a bundle is.
pub(super) fn version_of(bundle: usize) -> usize {
    bundle / CONTENTS % VERSIONS
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
    /// By name and version.
    versions: BTreeMap<(usize, usize), Vec<Event<VersionStep>>>,
    /// By tenant and name.
    installs: BTreeMap<(usize, usize), Vec<Event<InstallStep>>>,
    /// The id that an install had when it was last seen.
    ids: BTreeMap<(usize, usize), String>,
    /// Answers that nothing documents.
    problems: Vec<String>,
    calls: usize,
}

pub(super) struct World {
    pub(super) app: Arc<TestApp>,
    pub(super) tokens: Vec<String>,
    /// By name, then version, then content.
    pub(super) bundles: Vec<Bundle>,
    names: Vec<String>,
    moment: AtomicU64,
    history: Mutex<History>,
}

impl World {
    /// The extensions of a round, which no other has.
    pub(super) async fn new(app: &Arc<TestApp>, round: u32) -> Self {
        let mut tokens = Vec::new();
        for tenant in TENANTS {
            tokens.push(app.make_token(tenant, &ALL_SCOPES).await);
        }
        let names: Vec<_> = (0..NAMES).map(|name| format!("com.example.r{round}n{name}")).collect();
        let bundle = |number: usize| {
            let name = &names[number / CONTENTS / VERSIONS];
            let publisher = format!("p{number}");
            let builder = BundleBuilder::new(name, &number_of(version_of(number)))
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
        let bundles = (0..NAMES * VERSIONS * CONTENTS).map(bundle).collect();
        let (moment, history) = (AtomicU64::new(0), Mutex::default());
        Self { app: Arc::clone(app), tokens, bundles, names, moment, history }
    }

    pub(super) fn name(&self, name: usize) -> &str {
        &self.names[name]
    }

    /// The address of a version.
    pub(super) fn version_path(&self, name: usize, version: usize) -> String {
        let (name, number) = (&self.names[name], number_of(version));
        format!("/api/v1/extensions/{name}/versions/{number}")
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
        let key = (bundle / CONTENTS / VERSIONS, version_of(bundle));
        let event = Event { begin: span.begin, end: span.end, step };
        self.history.lock().unwrap().versions.entry(key).or_default().push(event);
    }

    pub(super) fn note_install(&self, key: (usize, usize), span: Span, step: InstallStep) {
        let event = Event { begin: span.begin, end: span.end, step };
        let mut history = self.history.lock().unwrap();
        if let InstallStep::Created(row) = &event.step {
            history.ids.insert(key, row.id.clone());
        }
        history.installs.entry(key).or_default().push(event);
    }

    pub(super) fn note_problem(&self, problem: String) {
        self.history.lock().unwrap().problems.push(problem);
    }

    /// The id of the newest install that anybody knows of.
    pub(super) fn id(&self, key: (usize, usize)) -> Option<String> {
        self.history.lock().unwrap().ids.get(&key).cloned()
    }

    /// Refuses the history unless an order explains it, key by key; gives the number of calls.
    pub(super) fn check(&self, seed: u64) -> usize {
        let history = std::mem::take(&mut *self.history.lock().unwrap());
        let mut problems = history.problems;
        for (key, events) in history.versions {
            let refusal = check(events).err();
            problems.extend(refusal.map(|refusal| format!("version {key:?}: {refusal}")));
        }
        for (key, events) in history.installs {
            let refusal = check(events).err();
            problems.extend(refusal.map(|refusal| format!("install {key:?}: {refusal}")));
        }
        assert!(problems.is_empty(), "seed {seed}: {}", problems.join("\n"));
        history.calls
    }
}

fn number_of(version: usize) -> String {
    format!("1.{version}.0")
}
