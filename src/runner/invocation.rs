//! What one execution is about: the request and all the guest may know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::ending::Observer;
use super::request_body::RequestBody;
use crate::model::{Allowance, Capability, ContentHash, InstallLabels, SettingTexts, TargetWorld};
use crate::state::secrets::InstallSecrets;
use crate::traces::Trace;

/// One execution: which component, for whom, on what, within which limits.
#[derive(Debug)]
pub struct Invocation {
    pub content_hash: ContentHash,
    pub world: TargetWorld,
    pub context: ExecutionContext,
    pub request: Box<GuestRequest>,
    /// The install's effective grants: nothing is added here.
    pub grants: Arc<BTreeSet<Capability>>,
    /// What it may call, if its grants let it call anything.
    pub allowance: Arc<Allowance>,
    /// What its operator has set, as of now.
    pub settings: Arc<SettingTexts>,
    /// What it may read in confidence: the secrets of this install. `None`: there are none.
    pub secrets: Option<InstallSecrets>,
    /// Who is asking; `None` for anonymous and unattended calls.
    pub user: Option<Box<UserIdentity>>,
    /// Wall time until the response begins, from the moment a slot is free; what the client
    /// takes to send a body that is read meanwhile is not counted.
    pub deadline: Duration,
    /// For a response that goes on after it has begun.
    pub stream: StreamLimits,
    pub max_response_bytes: u64,
    /// Who is told how it ended.
    pub observer: Observer,
}

/// How long an execution may stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Wall time of the whole execution, from the moment a slot is free.
    pub total: Duration,
    /// Wall time without a byte of the response, while its reader waits for one.
    pub idle: Duration,
}

/// Whose execution it is. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct ExecutionContext {
    pub request_id: Arc<str>,
    pub install: Arc<InstallLabels>,
    pub trace: Trace,
}

/// The request as the guest sees it: filtered by the caller, passed on as it is.
#[derive(Debug)]
pub struct GuestRequest {
    pub method: Method,
    /// Starts with `/`.
    pub path_and_query: String,
    /// The host and port the caller was addressed by.
    pub authority: String,
    pub headers: HeaderMap,
    pub body: RequestBody,
}

/// Who is using the extension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserIdentity {
    pub id: String,
    pub email: String,
    pub name: String,
    /// `internal` for operators; who makes a token can say another.
    pub kind: String,
    pub client_name: String,
    pub client_id: Option<String>,
    pub additional: BTreeMap<String, String>,
}

#[cfg(test)]
impl ExecutionContext {
    /// One of an install of the default tenant.
    pub(super) fn sample() -> Self {
        use crate::model::{InstallId, TenantId};
        let extension = "com.example.a".parse().unwrap();
        let (tenant, id) = (TenantId::default_tenant(), InstallId::random());
        let install = InstallLabels::of(tenant, extension, id, &semver::Version::new(1, 0, 0));
        Self { request_id: "r".into(), install: Arc::new(install), trace: Trace::default() }
    }
}
