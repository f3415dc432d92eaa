//! Which endpoint is called, and whether this caller may call it.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;

use super::{Caller, DispatchError, FoundEndpoint, Route, failing, lower, streams};
use crate::app::App;
use crate::model::{
    ClaimedUser, Endpoint, EndpointAuth, EndpointMethod, ExtensionName, InstallId, Principal,
    ScopeKind, TenantId,
};
use crate::registry::{Live, LiveInstall};
use crate::runner::UserIdentity;
use crate::traces::Trace;

impl App {
    /// Decides on the head of a call, and counts it if it may be made.
    pub fn find_endpoint(
        &self,
        caller: &Caller,
        extension: &str,
        method: &Method,
        path: &str,
    ) -> Result<Route, DispatchError> {
        let install = self.find_enabled(caller, extension)?;
        let fitting: Vec<_> = fitting(&install.version.manifest.endpoints, path).collect();
        let Some((index, endpoint)) = choose(&fitting, method) else {
            return not_declared(caller, &install, &fitting, method);
        };
        let name = &install.install.name;
        let user = check_caller(caller, endpoint, name)?;
        self.usages.check(&install.install).map_err(|held| failing(name, held))?;
        // Last of all: a call that is refused for another reason is not counted.
        let counted = self.call_rates.count(&install, index, &*self.clock);
        let standings = counted.map_err(DispatchError::TooManyCalls)?;
        let max_body_bytes = self.max_body_bytes(&install, endpoint);
        let trace = Trace::default();
        let found = FoundEndpoint { install, index, user, max_body_bytes, standings, trace };
        Ok(Route::Found(Box::new(found)))
    }

    /// Decides on a call whose body has yet to say its method: refuses what would be refused
    /// with every method, and says how long the body may be at most.
    pub fn find_path(
        &self,
        caller: &Caller,
        extension: &str,
        path: &str,
    ) -> Result<u64, DispatchError> {
        let install = self.find_enabled(caller, extension)?;
        let name = &install.install.name;
        let (mut longest, mut refusal) = (None, None);
        for (_, endpoint) in fitting(&install.version.manifest.endpoints, path) {
            match check_caller(caller, endpoint, name) {
                Ok(_) => longest = longest.max(Some(self.max_body_bytes(&install, endpoint))),
                Err(refused) => refusal = Some(refused),
            }
        }
        let Some(longest) = longest else {
            let refusal = refusal.or_else(|| check_session(caller, name).err());
            return Err(refusal.unwrap_or_else(|| DispatchError::EndpointNotFound(name.clone())));
        };
        self.usages.check(&install.install).map_err(|held| failing(name, held))?;
        Ok(longest)
    }

    fn find_enabled(
        &self,
        caller: &Caller,
        extension: &str,
    ) -> Result<Arc<LiveInstall>, DispatchError> {
        let live = self.registry.live();
        let tenant = match caller {
            Caller::Known(principal) => principal.tenant(),
            Caller::Anonymous | Caller::CrossSite => TenantId::default_tenant(),
        };
        let install = find_install(&live, caller, &tenant, extension);
        install.filter(|row| row.install.enabled).ok_or_else(|| unknown(caller, extension))
    }

    fn max_body_bytes(&self, install: &LiveInstall, endpoint: &Endpoint) -> u64 {
        let gateway = &self.config.gateway;
        let most =
            if streams(install) { gateway.max_body_bytes } else { gateway.max_whole_body_bytes() };
        lower(most, endpoint.max_body_bytes)
    }
}

/// By name or alias in the caller's tenant; by id only in the caller's own tenant.
fn find_install(
    live: &Live,
    caller: &Caller,
    tenant: &TenantId,
    extension: &str,
) -> Option<Arc<LiveInstall>> {
    if let Ok(name) = extension.parse::<ExtensionName>()
        && let Some(install) =
            live.install(tenant, &name).or_else(|| live.install_by_alias(tenant, extension))
    {
        return Some(Arc::clone(install));
    }
    let id: InstallId = extension.parse().ok()?;
    let install = live.install_by_id(&id)?;
    let anonymous = matches!(caller, Caller::Anonymous);
    (anonymous || install.install.tenant == *tenant).then(|| Arc::clone(install))
}

/// Whoever is not signed in learns nothing about what is installed.
fn unknown(caller: &Caller, extension: &str) -> DispatchError {
    match caller {
        Caller::Known(_) => DispatchError::NotInstalled(extension.to_owned()),
        Caller::Anonymous => DispatchError::Unauthenticated,
        Caller::CrossSite => DispatchError::CrossSite,
    }
}

/// The endpoints whose path fits; literal segments win over parameters.
fn fitting<'a>(
    endpoints: &'a [Endpoint],
    path: &str,
) -> impl Iterator<Item = (usize, &'a Endpoint)> {
    let mut found: Vec<_> =
        endpoints.iter().enumerate().filter(|(_, endpoint)| endpoint.path.matches(path)).collect();
    found.sort_by_key(|(_, endpoint)| endpoint.path.as_str().matches("/:").count());
    found.into_iter()
}

/// The endpoint for `method`; HEAD falls back to GET (RFC 9110 section 9.3.2).
fn choose<'a>(fitting: &[(usize, &'a Endpoint)], method: &Method) -> Option<(usize, &'a Endpoint)> {
    let wanted = EndpointMethod::parse(method.as_str())?;
    let declared = |wanted: EndpointMethod| {
        fitting.iter().copied().find(|(_, endpoint)| endpoint.method == wanted)
    };
    let fallback = (wanted == EndpointMethod::Head).then_some(EndpointMethod::Get);
    declared(wanted).or_else(|| declared(fallback?))
}

fn not_declared(
    caller: &Caller,
    install: &LiveInstall,
    fitting: &[(usize, &Endpoint)],
    method: &Method,
) -> Result<Route, DispatchError> {
    let name = &install.install.name;
    // Without a declared endpoint there is no `auth` to go by: the strictest
    // counts, but for a path that anyone may call in some way.
    let is_public = |(_, endpoint): &(usize, &Endpoint)| endpoint.auth == EndpointAuth::Public;
    if !fitting.iter().any(is_public) {
        check_session(caller, name)?;
    }
    if fitting.is_empty() {
        return Err(DispatchError::EndpointNotFound(name.clone()));
    }
    let mut methods: Vec<_> = fitting.iter().map(|(_, endpoint)| endpoint.method).collect();
    if methods.contains(&EndpointMethod::Get) {
        methods.push(EndpointMethod::Head);
    }
    methods.push(EndpointMethod::Options);
    methods.sort_unstable();
    methods.dedup();
    if method == Method::OPTIONS {
        Ok(Route::Options(methods))
    } else {
        Err(DispatchError::MethodNotAllowed(methods))
    }
}

/// Who the guest is told is calling.
fn check_caller(
    caller: &Caller,
    endpoint: &Endpoint,
    name: &ExtensionName,
) -> Result<Option<Box<UserIdentity>>, DispatchError> {
    match endpoint.auth {
        EndpointAuth::Public => match caller {
            Caller::Known(principal) => Ok(identity(principal, name)),
            Caller::Anonymous | Caller::CrossSite => Ok(None),
        },
        EndpointAuth::Token => {
            let principal = check_session(caller, name)?;
            match principal {
                Principal::Operator(_) => Err(DispatchError::Forbidden(name.clone())),
                Principal::Token(_) | Principal::Local { .. } => Ok(identity(principal, name)),
            }
        }
        EndpointAuth::Session => Ok(identity(check_session(caller, name)?, name)),
    }
}

fn check_session<'a>(
    caller: &'a Caller,
    name: &ExtensionName,
) -> Result<&'a Principal, DispatchError> {
    match caller {
        Caller::Anonymous => Err(DispatchError::Unauthenticated),
        Caller::CrossSite => Err(DispatchError::CrossSite),
        Caller::Known(principal) if principal.allows(ScopeKind::ExtInvoke, Some(name)) => {
            Ok(principal)
        }
        Caller::Known(_) => Err(DispatchError::Forbidden(name.clone())),
    }
}

/// A token is not a person, but it may have been made for one. Of that an extension learns
/// that the token may call, and not every one that answers everybody.
fn identity(principal: &Principal, name: &ExtensionName) -> Option<Box<UserIdentity>> {
    let identity = match principal {
        Principal::Operator(session) => UserIdentity {
            id: session.operator.to_string(),
            email: String::new(),
            name: session.operator.to_string(),
            kind: "internal".to_owned(),
            client_name: String::new(),
            client_id: None,
            additional: BTreeMap::new(),
        },
        Principal::Token(token) if token.allows(ScopeKind::ExtInvoke, Some(name)) => {
            claimed(token.user.as_ref()?.user())
        }
        Principal::Token(_) | Principal::Local { .. } => return None,
    };
    Some(Box::new(identity))
}

fn claimed(user: &ClaimedUser) -> UserIdentity {
    let ClaimedUser { id, name, email, kind, client_id, client_name, fields } = user.clone();
    UserIdentity { id, email, name, kind, client_name, client_id, additional: fields }
}
