//! Extractors whose rejections are problem responses.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

use super::digest::DigestCheck;
use super::error::ApiError;
use super::guard::{SessionCookie, is_same_origin};
use crate::app::App;
use crate::app::dispatch::Caller;
use crate::app::sign_in::csrf_token_fits;
use crate::model::{Principal, Session};

/// What the parser found, without axum's words for it.
fn cause(rejection: &(dyn std::error::Error + 'static)) -> String {
    let deepest = std::iter::successors(rejection.source(), |error| error.source()).last();
    deepest.unwrap_or(rejection).to_string()
}

/// The most bytes of a JSON or form body.
const MAX_BODY_BYTES: u64 = 256 * 1024;

/// Path parameters, decoded.
pub(super) struct Path<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        #[expect(clippy::disallowed_types, reason = "this is the wrapper that replaces it")]
        let path =
            <axum::extract::Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        // What is no well-formed name, hash or id names nothing here.
        path.map(|path| Self(path.0))
            .map_err(|_| ApiError::not_found("there is nothing at this address"))
    }
}

/// Query parameters.
pub(super) struct Query<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|error| {
            let detail = format!("the query does not fit: {}", cause(&error));
            ApiError::malformed(detail)
        })
    }
}

/// A JSON body of at most 256 KiB.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S, T> FromRequest<S> for JsonBody<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let request = limited(request).await?;
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::malformed(
                "the body must be JSON, with `content-type: application/json`",
            )),
            Err(JsonRejection::JsonSyntaxError(error)) => {
                Err(ApiError::malformed(format!("the body is no JSON: {}", cause(&error))))
            }
            Err(error) => {
                Err(ApiError::malformed(format!("the body does not fit: {}", cause(&error))))
            }
        }
    }
}

/// A form of a page, with the session's CSRF token in `csrf_token`.
pub(super) struct CsrfForm<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for CsrfForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &Arc<App>) -> Result<Self, ApiError> {
        let cookie = request.extensions().get::<SessionCookie>().cloned();
        let body = read_form(request).await?;
        let sent = field(&body, "csrf_token").unwrap_or_default();
        match cookie {
            Some(SessionCookie(cookie)) if csrf_token_fits(&cookie, &sent) => {}
            _ => return Err(ApiError::cross_site()),
        }
        parse_form(&body).map(Self)
    }
}

/// A form before there is a session: sign-in and set-up. Only the same-origin
/// rule protects it, and it needs no more: there is no session to abuse.
pub(super) struct PublicForm<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for PublicForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        if !is_same_origin(app, request.headers()) {
            return Err(ApiError::cross_site());
        }
        parse_form(&read_form(request).await?).map(Self)
    }
}

/// Any body of at most 256 KiB.
pub(super) struct SmallBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for SmallBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        read_body(request).await.map(Self)
    }
}

/// The pairs of a form, in the order they were sent; unknown names stay.
pub(super) type FormPairs = Vec<(String, String)>;

async fn read_form(request: Request) -> Result<Vec<u8>, ApiError> {
    let content_type = request.headers().get("content-type");
    let is_form = content_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(ApiError::malformed("the body must be a form"));
    }
    Ok(read_body(request).await?.to_vec())
}

async fn read_body(request: Request) -> Result<Bytes, ApiError> {
    let (parts, body) = request.into_parts();
    read_up_to(&parts, body, MAX_BODY_BYTES).await
}

/// A body of at most `limit` bytes that has the digests its sender gives.
pub(super) async fn read_up_to(parts: &Parts, body: Body, limit: u64) -> Result<Bytes, ApiError> {
    let digests = DigestCheck::of(&parts.headers)?;
    let announced = http_body::Body::size_hint(&body).lower();
    if announced > limit {
        return Err(ApiError::too_large("the body", limit, Some(announced)));
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let bytes = axum::body::to_bytes(body, most).await.map_err(|error| {
        let over = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error + 'static>::is::<http_body_util::LengthLimitError>);
        if over {
            ApiError::too_large("the body", limit, None)
        } else {
            ApiError::malformed("the body broke off")
        }
    })?;
    digests.check_bytes(&bytes)?;
    Ok(bytes)
}

async fn limited(request: Request) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    let body = read_up_to(&parts, body, MAX_BODY_BYTES).await?;
    Ok(Request::from_parts(parts, body.into()))
}

fn field(body: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into())
}

fn parse_form<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_html_form::from_bytes(body)
        .map_err(|error| ApiError::malformed(format!("the form is not complete: {error}")))
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    /// The guard has put it there, or has refused the request.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Known(principal)) => Ok(principal.clone()),
            _ => Err(ApiError::unauthenticated("sign in, or send an API token")),
        }
    }
}

/// The signed-in operator of a page, with what its forms need.
pub(super) struct SignedIn {
    pub(super) principal: Principal,
    pub(super) session: Arc<Session>,
    pub(super) csrf_token: String,
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let cookie = parts.extensions.get::<SessionCookie>();
        match (parts.extensions.get::<Caller>(), cookie) {
            (Some(Caller::Known(Principal::Operator(session))), Some(SessionCookie(cookie))) => {
                Ok(Self {
                    principal: Principal::Operator(Arc::clone(session)),
                    session: Arc::clone(session),
                    csrf_token: crate::app::sign_in::csrf_token(cookie),
                })
            }
            _ => Err(ApiError::unauthenticated("sign in first")),
        }
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, ApiError> {
        Ok(<Self as FromRequestParts<S>>::from_request_parts(parts, state).await.ok())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self::Anonymous))
    }
}

/// The address a request came from, as far as proxies can be believed.
pub(super) struct ClientAddress(pub(super) Option<std::net::IpAddr>);

impl FromRequestParts<Arc<App>> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<super::server::Peer>();
        let trusted = &app.config.server.trusted_proxies;
        let ip = peer.and_then(|peer| super::server::client_ip(peer, &parts.headers, trusted));
        Ok(Self(ip))
    }
}

/// A response that a handler has made up itself.
pub(super) type Answer = Result<Response, ApiError>;
