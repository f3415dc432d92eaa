//! Calls of extensions to servers: what goes out, what comes back, and what never does.

mod forbidden;
mod granting;
mod guests;
mod interfaces;
mod learning;
mod limits;
mod own_hosts;
mod wire;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::{BodyExt, Full};
use plugboard::config::EgressConfig;
use plugboard::egress::{
    Call, Caller, Destination, Egress, EgressError, EgressParts, OutgoingBody, ReceivedBody,
};
use plugboard::model::{Allowance, EgressRule, InstallId, InstallLabels, TenantId};
use serde_json::json;

use crate::support::bundle_builder::BundleBuilder;
use crate::support::internet::Internet;
use crate::support::test_app::{FixedClock, TestApp};

/// A way out, with an internet of its own.
struct Door {
    egress: Egress,
    internet: Arc<Internet>,
    install: Arc<InstallLabels>,
    clock: Arc<FixedClock>,
    /// One line for each call that ended: destination, verdict.
    ended: Arc<Mutex<Vec<String>>>,
}

impl Door {
    fn new(change: impl FnOnce(&mut EgressConfig)) -> Self {
        Self::with_own_hosts(&[], change)
    }

    /// The appliance lets everything through that the others name, unless `change` says less.
    fn with_own_hosts(own: &[&str], change: impl FnOnce(&mut EgressConfig)) -> Self {
        let mut config = EgressConfig { dangerous_allow_all: true, ..EgressConfig::default() };
        change(&mut config);
        let (internet, ended) = (Arc::<Internet>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (lines, clock) = (Arc::clone(&ended), Arc::new(FixedClock::new()));
        let parts = EgressParts {
            resolver: internet.clone(),
            clock: clock.clone(),
            own_hosts: own.iter().map(ToString::to_string).collect(),
            stand_ins: Internet::stand_ins(),
            learner: Arc::new(|_, _| false),
            observer: Arc::new(move |ended| {
                let error = ended.error.map_or("answered".to_owned(), ToString::to_string);
                lines.lock().unwrap().push(format!("{}: {error}", ended.destination.entry()));
            }),
        };
        let install = InstallLabels::of(
            TenantId::default_tenant(),
            "com.example.guest".parse().unwrap(),
            InstallId::random(),
            &"1.0.0".parse().unwrap(),
        );
        let egress = Egress::new(&config, parts).unwrap();
        Self { egress, internet, install: Arc::new(install), clock, ended }
    }

    /// The same way out, for another install.
    fn of_another_install(&self) -> Self {
        let (tenant, name) = (TenantId::default_tenant(), "com.example.guest".parse().unwrap());
        let install =
            InstallLabels::of(tenant, name, InstallId::random(), &"1.0.0".parse().unwrap());
        Self {
            egress: self.egress.clone(),
            internet: Arc::clone(&self.internet),
            install: Arc::new(install),
            clock: Arc::clone(&self.clock),
            ended: Arc::clone(&self.ended),
        }
    }

    /// GET, by an install that was granted these entries.
    async fn get(
        &self,
        url: &str,
        granted: &[&str],
    ) -> Result<Response<ReceivedBody>, EgressError> {
        self.call(get(Destination::parse(url)?), granted).await
    }

    async fn call(
        &self,
        call: Call,
        granted: &[&str],
    ) -> Result<Response<ReceivedBody>, EgressError> {
        let granted: Vec<EgressRule> = granted.iter().map(|entry| entry.parse().unwrap()).collect();
        let caller = Caller {
            request_id: "request-1".into(),
            install: Arc::clone(&self.install),
            allowance: Arc::new(Allowance { requested: None, granted }),
        };
        self.egress.call(caller, call).await
    }

    /// The lines about calls that have ended.
    fn ended(&self) -> Vec<String> {
        self.ended.lock().unwrap().clone()
    }
}

fn get(to: Destination) -> Call {
    let (method, headers) = (Method::GET, HeaderMap::new());
    Call {
        to,
        method,
        headers,
        body: body(""),
        patience: None,
        credentials: Ok(Vec::new()),
        parent: None,
    }
}

fn body(text: &'static str) -> OutgoingBody {
    Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed_unsync()
}

/// Publishes, installs with these grants and enables; gives the install's id.
async fn install(app: &TestApp, bundle: &BundleBuilder, grants: &[&str]) -> String {
    let published = app.publish(bundle).await;
    assert!(published.status.is_success(), "{}", published.text());
    app.install_published("com.example.guest", json!(grants)).await
}

/// The body as text.
async fn text(response: Response<ReceivedBody>) -> String {
    String::from_utf8(response.into_body().whole().await.unwrap()).unwrap()
}
