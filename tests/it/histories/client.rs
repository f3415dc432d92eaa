//! One client: calls in a random order, and what each answer says about its keys.

use std::sync::Arc;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugboard::model::ContentHash;
use serde_json::json;

use super::models::{InstallStep, VersionStep};
use super::world::{CONTENTS, Span, TENANTS, VERSIONS, World, version_of};
use crate::support::random::Random;
use crate::support::test_app::Answer;

pub(super) struct Client {
    pub(super) world: Arc<World>,
    pub(super) random: Random,
}

impl Client {
    pub(super) async fn run(mut self, calls: usize) {
        for _ in 0..calls {
            let bundle = self.below(VERSIONS * CONTENTS);
            let tenant = self.below(TENANTS.len());
            match self.below(100) {
                0..14 => self.publish(bundle, true).await,
                14..23 => self.publish(bundle, false).await,
                23..29 => self.approve(bundle).await,
                29..33 => self.delete_quarantined(bundle).await,
                33..37 => self.world.look_at_quarantine(bundle).await,
                37..43 => self.world.look_at_version(bundle).await,
                43..49 => self.download(bundle).await,
                49..52 => self.yank(bundle).await,
                52..56 => self.unyank(bundle).await,
                56..60 => self.remove(bundle).await,
                60..66 => self.look_up(tenant, bundle).await,
                66..76 => self.install(tenant, bundle).await,
                kind => match self.world.id(tenant) {
                    Some(id) => self.change(kind, tenant, id, bundle).await,
                    None => self.install(tenant, bundle).await,
                },
            }
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound as u64)).unwrap()
    }

    async fn change(&self, kind: usize, tenant: usize, id: String, bundle: usize) {
        match kind {
            76..80 => self.switch(tenant, id, true).await,
            80..83 => self.switch(tenant, id, false).await,
            83..90 => self.upgrade(tenant, id, bundle).await,
            90..96 => self.go_back(tenant, id).await,
            _ => self.uninstall(tenant, id).await,
        }
    }

    async fn publish(&self, bundle: usize, signed: bool) {
        let Self { world, .. } = self;
        let sent = &world.bundles[bundle];
        let mut call = world.app.call(Method::PUT, "/api/v1/bundles").token(&world.tokens[0]);
        if signed {
            call = call.header("plugboard-signature", &STANDARD.encode(&sent.signature));
        }
        let (answer, span) = world.timed(call.body(sent.archive.clone()).send()).await;
        let content = content_of(bundle);
        let step = match outcome(&answer) {
            (201, _) => VersionStep::Created { content, signed },
            (200, _) => VersionStep::Unchanged(content),
            (202, _) if !signed => VersionStep::Quarantined(content),
            (409, "version_taken") => VersionStep::Taken(content),
            (409, "version_removed") => VersionStep::Refused,
            _ => return world.undocumented("publish", &answer),
        };
        world.note_version(bundle, span, step);
    }

    /// An approval counts for the future also where the version is taken.
    async fn approve(&self, bundle: usize) {
        let Self { world, .. } = self;
        let path = format!("/api/v1/quarantine/{}/approve", world.bundles[bundle].hash);
        let call = world.app.call(Method::POST, &path).token(&world.tokens[0]);
        let call = call.json(json!({"reason": "we know who made it"}));
        let (answer, span) = world.timed(call.send()).await;
        let content = content_of(bundle);
        let note = |step| world.note_version(bundle, span, step);
        let step = match outcome(&answer) {
            (404, "not_found") => return note(VersionStep::IsKept(content, false)),
            (201, _) => VersionStep::Created { content, signed: true },
            (200, _) => VersionStep::Unchanged(content),
            (409, "version_taken") => VersionStep::Taken(content),
            (409, "version_removed") => VersionStep::Refused,
            _ => return world.undocumented("approve", &answer),
        };
        for step in [VersionStep::IsKept(content, true), VersionStep::Approved(content), step] {
            note(step);
        }
    }

    async fn delete_quarantined(&self, bundle: usize) {
        let path = format!("/api/v1/quarantine/{}", self.world.bundles[bundle].hash);
        let (answer, span) = self.send(Method::DELETE, &path, 0).await;
        let step = match outcome(&answer) {
            (204, _) => VersionStep::Deleted(content_of(bundle)),
            (404, "not_found") => VersionStep::IsKept(content_of(bundle), false),
            _ => return self.world.undocumented("delete a quarantined bundle", &answer),
        };
        self.world.note_version(bundle, span, step);
    }

    async fn download(&self, bundle: usize) {
        let Self { world, .. } = self;
        let path = format!("{}/bundle", world.version_path(bundle));
        let (answer, span) = self.send(Method::GET, &path, 0).await;
        let hash = ContentHash::of(&answer.body).to_string();
        let step = match (outcome(&answer), world.bundle_with(&hash.into())) {
            ((404, "not_found"), _) => VersionStep::IsGone,
            ((200, _), Some(found)) => VersionStep::Has(content_of(found)),
            _ => return world.undocumented("download", &answer),
        };
        world.note_version(bundle, span, step);
    }

    async fn yank(&self, bundle: usize) {
        let path = self.world.version_path(bundle);
        let (answer, span) = self.send(Method::POST, &format!("{path}/yank"), 0).await;
        self.note_standing(bundle, (&answer, span), VersionStep::Yanked);
    }

    async fn unyank(&self, bundle: usize) {
        let path = self.world.version_path(bundle);
        let (answer, span) = self.send(Method::POST, &format!("{path}/unyank"), 0).await;
        self.note_standing(bundle, (&answer, span), VersionStep::Unyanked);
    }

    async fn remove(&self, bundle: usize) {
        let path = self.world.version_path(bundle);
        let (answer, span) = self.send(Method::DELETE, &path, 0).await;
        self.note_standing(bundle, (&answer, span), VersionStep::Removed);
        if answer.status.is_success() {
            for tenant in 0..TENANTS.len() {
                let step = InstallStep::IsFreeOf(version_of(bundle));
                self.world.note_install(tenant, span, step);
            }
        }
    }

    fn note_standing(&self, bundle: usize, (answer, span): (&Answer, Span), done: VersionStep) {
        let step = match outcome(answer) {
            (200 | 204, _) => done,
            (404, "not_found") => VersionStep::IsGone,
            (409, "version_in_use") => VersionStep::IsThere,
            _ => return self.world.undocumented("yank, unyank or remove", answer),
        };
        self.world.note_version(bundle, span, step);
    }

    async fn look_up(&self, tenant: usize, bundle: usize) {
        let path = format!("/api/ext/{}/", self.world.bundles[bundle].alias);
        let (answer, span) = self.send(Method::GET, &path, tenant).await;
        let found = match outcome(&answer) {
            (404, "not_installed") => false,
            // These extensions have no endpoints.
            (404, "endpoint_not_found") => true,
            _ => return self.world.undocumented("look up", &answer),
        };
        let step = InstallStep::IsFound(bundle, found);
        self.world.note_install(tenant, span, step);
    }

    async fn install(&self, tenant: usize, bundle: usize) {
        let Self { world, .. } = self;
        let version = format!("1.{}.0", version_of(bundle));
        let body = json!({"name": world.name, "version": version});
        let call = world.app.call(Method::POST, "/api/v1/installs").token(&world.tokens[tenant]);
        let (answer, span) = world.timed(call.json(body).send()).await;
        let (install, version) = match outcome(&answer) {
            (201, _) => {
                let row = world.row(&answer.json());
                let offered = VersionStep::IsOffered(content_of(row.bundle));
                (Some(InstallStep::Created(row)), offered)
            }
            (200, _) => {
                let row = world.row(&answer.json());
                let has = VersionStep::Has(content_of(row.bundle));
                (Some(InstallStep::Unchanged(row)), has)
            }
            (409, "already_installed") => {
                (Some(InstallStep::IsOther(version_of(bundle))), VersionStep::IsThere)
            }
            (409, "version_yanked") => (Some(InstallStep::IsAbsent), VersionStep::IsYanked),
            (404, "not_found") => (None, VersionStep::IsGone),
            _ => return world.undocumented("install", &answer),
        };
        if let Some(step) = install {
            world.note_install(tenant, span, step);
        }
        world.note_version(bundle, span, version);
    }

    async fn switch(&self, tenant: usize, id: String, on: bool) {
        let word = if on { "enable" } else { "disable" };
        let path = format!("/api/v1/installs/{id}/{word}");
        let (answer, span) = self.send(Method::POST, &path, tenant).await;
        let step = match outcome(&answer) {
            (200, _) if on => InstallStep::Enabled(self.world.row(&answer.json())),
            (200, _) => InstallStep::Disabled(self.world.row(&answer.json())),
            (404, "not_installed") => InstallStep::IsUnknown(id),
            _ => return self.world.undocumented(word, &answer),
        };
        self.world.note_install(tenant, span, step);
    }

    async fn upgrade(&self, tenant: usize, id: String, bundle: usize) {
        let Self { world, .. } = self;
        let path = format!("/api/v1/installs/{id}/version");
        let body = json!({"version": format!("1.{}.0", version_of(bundle))});
        let call = world.app.call(Method::PUT, &path).token(&world.tokens[tenant]).json(body);
        let (answer, span) = world.timed(call.send()).await;
        match outcome(&answer) {
            (200, _) => {
                let row = world.row(&answer.json());
                world.note_version(bundle, span, VersionStep::Has(content_of(row.bundle)));
                world.note_install(tenant, span, InstallStep::Upgraded(row));
            }
            (409, "version_yanked") => world.note_version(bundle, span, VersionStep::IsYanked),
            // Another client's change came first; what that made of it, its own answer says.
            (409, "install_changed") => {}
            (404, "not_found") => world.note_version(bundle, span, VersionStep::IsGone),
            (404, "not_installed") => world.note_install(tenant, span, InstallStep::IsUnknown(id)),
            _ => world.undocumented("upgrade", &answer),
        }
    }

    async fn go_back(&self, tenant: usize, id: String) {
        let Self { world, .. } = self;
        let path = format!("/api/v1/installs/{id}/version");
        let call = world.app.call(Method::PUT, &path).token(&world.tokens[tenant]);
        let (answer, span) = world.timed(call.json(json!({"back": true})).send()).await;
        let step = match outcome(&answer) {
            (200, _) => InstallStep::WentBack(world.row(&answer.json())),
            (409, "no_previous_version") => InstallStep::HasNoPrevious(id),
            (404, "not_installed") => InstallStep::IsUnknown(id),
            _ => return world.undocumented("go back", &answer),
        };
        world.note_install(tenant, span, step);
    }

    async fn uninstall(&self, tenant: usize, id: String) {
        let path = format!("/api/v1/installs/{id}");
        let (answer, span) = self.send(Method::DELETE, &path, tenant).await;
        let step = match outcome(&answer) {
            (204, _) => InstallStep::Uninstalled(id),
            (404, "not_installed") => InstallStep::IsUnknown(id),
            _ => return self.world.undocumented("uninstall", &answer),
        };
        self.world.note_install(tenant, span, step);
    }

    async fn send(&self, method: Method, path: &str, tenant: usize) -> (Answer, Span) {
        self.world.send(method, path, tenant).await
    }
}

impl World {
    async fn send(&self, method: Method, path: &str, tenant: usize) -> (Answer, Span) {
        let mut call = self.app.call(method.clone(), path).token(&self.tokens[tenant]);
        if method == Method::POST {
            call = call.json(json!({}));
        }
        self.timed(call.send()).await
    }

    async fn look_at_quarantine(&self, bundle: usize) {
        let path = format!("/api/v1/quarantine/{}", self.bundles[bundle].hash);
        let (answer, span) = self.send(Method::GET, &path, 0).await;
        let kept = match outcome(&answer) {
            (200, _) => true,
            (404, "not_found") => false,
            _ => return self.undocumented("look at a quarantined bundle", &answer),
        };
        self.note_version(bundle, span, VersionStep::IsKept(content_of(bundle), kept));
    }

    async fn look_at_version(&self, bundle: usize) {
        let path = self.version_path(bundle);
        let (answer, span) = self.send(Method::GET, &path, 0).await;
        match outcome(&answer) {
            (200, _) => {}
            (404, "not_found") => return self.note_version(bundle, span, VersionStep::IsGone),
            _ => return self.undocumented("look at a version", &answer),
        }
        let body = answer.json();
        let Some(found) = self.bundle_with(&body["content_hash"]) else {
            return self.undocumented("look at a version", &answer);
        };
        self.note_version(bundle, span, VersionStep::Has(content_of(found)));
        let is_yanked = body.get("yanked").is_some();
        let standing = if is_yanked { VersionStep::IsYanked } else { VersionStep::IsNotYanked };
        self.note_version(bundle, span, standing);
    }

    /// Looks at everything once all clients are done, so that nothing can have been lost.
    pub(super) async fn look_at_all(&self) {
        for bundle in 0..self.bundles.len() {
            self.look_at_version(bundle).await;
            self.look_at_quarantine(bundle).await;
        }
        for tenant in 0..TENANTS.len() {
            let (answer, span) = self.send(Method::GET, "/api/v1/installs", tenant).await;
            let listed = answer.json()["installs"].as_array().unwrap().clone();
            let row = listed.iter().find(|row| row["name"] == self.name);
            let has = |row| InstallStep::Has(self.row(row));
            let step = row.map_or(InstallStep::IsAbsent, has);
            self.note_install(tenant, span, step);
        }
    }

    fn undocumented(&self, call: &str, answer: &Answer) {
        self.note_problem(format!("{call}: {} {}", answer.status, answer.text()));
    }
}

fn outcome(answer: &Answer) -> (u16, &'static str) {
    const CODES: [&str; 10] = [
        "version_taken",
        "version_removed",
        "not_found",
        "version_in_use",
        "not_installed",
        "endpoint_not_found",
        "already_installed",
        "version_yanked",
        "install_changed",
        "no_previous_version",
    ];
    let status = answer.status.as_u16();
    if status < 400 {
        return (status, "");
    }
    let code = answer.code();
    (status, CODES.into_iter().find(|known| *known == code).unwrap_or("another"))
}

fn content_of(bundle: usize) -> usize {
    bundle % CONTENTS
}
