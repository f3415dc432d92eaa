//! Enforces the access column of the route table: default deny.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::access::Access;
use super::compat::{api_key, signed_address};
use super::cookie;
use super::error::{ApiError, is_page};
use super::server::{Peer, client_ip};
use crate::app::App;
use crate::app::dispatch::Caller;
use crate::app::rate_limits::{RateLimited, Rated};
use crate::app::sign_in::csrf_token_fits;
use crate::model::{Principal, ScopeKind};

/// The cookie of an authenticated session: what CSRF tokens derive from.
#[derive(Clone)]
pub(super) struct SessionCookie(pub(super) String);

/// Authenticates the caller, checks the route's access, and hands the caller on.
#[expect(clippy::result_large_err, reason = "the refusal is an answer that is sent as it is")]
pub(super) fn admit(app: &App, access: Access, request: &mut Request) -> Result<(), Response> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if access != Access::Always && !app.registry.live().is_set_up() {
        // The host itself can still be asked, so that the command line works.
        if !matches!(request.extensions().get::<Peer>(), Some(Peer::Unix { .. })) {
            // A person is led there, a program is told.
            return Err(if is_read && is_page(request.uri().path()) {
                Redirect::to("/setup").into_response()
            } else {
                ApiError::setup_required().into_response()
            });
        }
    }
    let caller = authenticate(app, access, request).map_err(IntoResponse::into_response)?;
    if let Err(error) = check(app, access, &caller, request) {
        if access == Access::Page && is_read && error.is_unauthenticated() {
            return Err(Redirect::to("/sign-in").into_response());
        }
        return Err(error.into_response());
    }
    if let Caller::Known(principal) = &caller {
        check_rate(app, access, principal, request)
            .map_err(|limited| ApiError::from(limited).into_response())?;
        if let Principal::Operator(_) = principal
            && let Some(cookie) = cookie::session(request.headers(), app.is_secure())
        {
            request.extensions_mut().insert(SessionCookie(cookie));
        }
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Counts a request that sends a bundle: by the access column and not in each
/// handler, so that a new way to publish cannot be forgotten.
fn check_rate(
    app: &App,
    access: Access,
    principal: &Principal,
    request: &Request,
) -> Result<(), RateLimited> {
    let is_page = access == Access::Page && request.uri().path() == "/admin/upload";
    let sends_bundles = [
        Access::Scope(ScopeKind::BundlePublish),
        Access::ApiKey(ScopeKind::BundlePublish),
        Access::SignedAddress,
    ];
    let is_publishing = sends_bundles.contains(&access) || is_page;
    let rated = match *request.method() {
        Method::POST | Method::PUT if is_publishing => Rated::Publish,
        Method::PATCH if is_publishing => Rated::Part,
        _ => return Ok(()),
    };
    let peer = request.extensions().get::<Peer>();
    let trusted = &app.config.server.trusted_proxies;
    let address = peer.and_then(|peer| client_ip(peer, request.headers(), trusted));
    app.check_rate(rated, principal, address)
}

/// A Bearer token, else the admin socket, else a session.
fn authenticate(app: &App, access: Access, request: &Request) -> Result<Caller, ApiError> {
    let headers = request.headers();
    if access == Access::SignedAddress {
        return signed_address::open(app, request).map(Caller::Known);
    }
    if matches!(access, Access::ApiKey(_)) {
        return api_key::authenticate(app, headers);
    }
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        // The setup route's Bearer is the setup token; the handler checks it.
        if access == Access::Always {
            return Ok(Caller::Anonymous);
        }
        return bearer(app, headers, value.to_str().unwrap_or_default());
    }
    if let Some(Peer::Unix { uid }) = request.extensions().get::<Peer>() {
        return Ok(Caller::Known(Principal::Local { uid: *uid }));
    }
    let cookie = cookie::session(headers, app.is_secure());
    let Some(session) = cookie.as_deref().and_then(|cookie| app.authenticate_session(cookie))
    else {
        return Ok(Caller::Anonymous);
    };
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let cookie = cookie.as_deref().unwrap_or_default();
    let from_us = is_same_origin(app, headers) && token_fits(access, headers, cookie);
    if !safe && !from_us {
        return Ok(Caller::CrossSite);
    }
    // A page of another site may embed a GET of an API or an endpoint; its
    // answer stays unreadable there, but it must not run with this session.
    if safe && access == Access::Endpoint && is_cross_site(headers) {
        return Ok(Caller::CrossSite);
    }
    Ok(Caller::Known(Principal::Operator(session)))
}

pub(super) fn bearer(app: &App, headers: &HeaderMap, value: &str) -> Result<Caller, ApiError> {
    // A token typed into an address bar ends up in histories and logs.
    let navigating = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let token = value
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer") && !navigating)
        .and_then(|(_, text)| app.authenticate_token(text.trim()));
    match token {
        Some(token) => Ok(Caller::Known(Principal::Token(token))),
        None => Err(ApiError::unknown_token()),
    }
}

/// The first rule against forged requests (docs/SECURITY.md, "Operators"). `same-site`
/// is not enough: another port on this host is same-site and may serve an
/// attacker's page.
pub(super) fn is_same_origin(app: &App, headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => headers.get(header::ORIGIN).is_some_and(|origin| {
            origin.to_str().is_ok_and(|origin| app.is_own_origin(origin, headers.get(header::HOST)))
        }),
    }
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// Pages carry the token in their forms, where the extractor checks it.
fn token_fits(access: Access, headers: &HeaderMap, cookie: &str) -> bool {
    access == Access::Page
        || access == Access::Public
        || headers
            .get("x-csrf-token")
            .and_then(|token| token.to_str().ok())
            .is_some_and(|token| csrf_token_fits(cookie, token))
}

fn check(app: &App, access: Access, caller: &Caller, request: &Request) -> Result<(), ApiError> {
    match access {
        Access::Always | Access::Public | Access::Endpoint => Ok(()),
        // Authenticating it was all.
        Access::SignedAddress => known(caller).map(drop),
        Access::ApiKey(kind) => {
            check_scope(caller, kind)?;
            api_key::check_tenant(known(caller)?, request.headers())
        }
        Access::Scope(kind) => check_scope(caller, kind),
        Access::ScopeStepUp(kind) => {
            check_scope(caller, kind)?;
            check_step_up(app, caller)
        }
        Access::OperatorStepUp => match known(caller)? {
            Principal::Token(_) => Err(ApiError::forbidden(
                "no token may do this; sign in, or use the command line on the host",
            )),
            Principal::Operator(_) | Principal::Local { .. } => check_step_up(app, caller),
        },
        Access::Page => match known(caller)? {
            Principal::Operator(_) => Ok(()),
            Principal::Token(_) | Principal::Local { .. } => {
                Err(ApiError::forbidden("pages are for signed-in operators"))
            }
        },
        Access::Metrics => check_metrics(caller, request),
    }
}

fn known(caller: &Caller) -> Result<&Principal, ApiError> {
    match caller {
        Caller::Known(principal) => Ok(principal),
        Caller::Anonymous => Err(ApiError::unauthenticated("sign in, or send an API token")),
        Caller::CrossSite => Err(ApiError::cross_site()),
    }
}

fn check_scope(caller: &Caller, kind: ScopeKind) -> Result<(), ApiError> {
    let allowed = match known(caller)? {
        // For which names is the use case's to check: it knows the name.
        Principal::Token(token) => token.scopes.iter().any(|scope| scope.kind == kind),
        Principal::Operator(_) | Principal::Local { .. } => true,
    };
    if allowed {
        Ok(())
    } else {
        let scope = kind.as_str();
        Err(ApiError::lacks_scope(scope, format!("this token does not have the scope {scope}")))
    }
}

fn check_step_up(app: &App, caller: &Caller) -> Result<(), ApiError> {
    if let Caller::Known(Principal::Operator(session)) = caller
        && !app.is_stepped_up(session)
    {
        return Err(ApiError::step_up_required(app.config.auth.step_up_s / 60));
    }
    Ok(())
}

fn check_metrics(caller: &Caller, request: &Request) -> Result<(), ApiError> {
    let local = match request.extensions().get::<Peer>() {
        // Behind a proxy every peer is loopback: a forwarded request is not local.
        Some(Peer::Tcp(address)) => {
            address.ip().to_canonical().is_loopback()
                && !request.headers().contains_key("x-forwarded-for")
                && !request.headers().contains_key(header::FORWARDED)
        }
        Some(Peer::Unix { .. }) => true,
        None => false,
    };
    match caller {
        Caller::Known(principal) if principal.allows(ScopeKind::MetricsRead, None) => Ok(()),
        _ if local => Ok(()),
        Caller::Known(_) => {
            let scope = ScopeKind::MetricsRead.as_str();
            Err(ApiError::lacks_scope(scope, format!("this needs the scope {scope}")))
        }
        Caller::Anonymous | Caller::CrossSite => {
            Err(ApiError::unauthenticated("send a token with the scope metrics:read"))
        }
    }
}
