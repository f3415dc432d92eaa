//! `ui-proxy`: routes of the operator's own application.

use http::{HeaderName, HeaderValue, StatusCode};
use secrecy::ExposeSecret;

use super::Host;
use crate::callbacks::{Answer, CallbackError, Interface, Route};
use crate::model::Capability;
use crate::runner::bindings::{types::ProxyError, ui_proxy};
use crate::state::secrets::Lookup;

/// The secret of an install that the application knows it by, and the header it goes into.
const SECRET: &str = "api_key";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

impl ui_proxy::Host for Host {
    async fn call_route(
        &mut self,
        route: String,
        payload: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<Vec<u8>, ProxyError>> {
        if !self.admit(Capability::UiProxy)? {
            return Ok(Err(ProxyError::Denied));
        }
        let Some(application) = self.application(Interface::UiProxy) else {
            return Ok(Err(ProxyError::RouteNotFound));
        };
        let Ok(route) = Route::of_guest(&route, &self.context.install.extension) else {
            return Ok(Err(ProxyError::BadRequest));
        };
        let mut question = self.question(route, payload.map(Into::into));
        match self.api_key().await {
            Ok(key) => question.headers.extend(key.map(|key| (API_KEY, key))),
            Err(error) => return Ok(Err(error)),
        }
        Ok(match self.ask(&application, question).await {
            Ok(answer) => given(answer),
            Err(error) => Err(case(&error)),
        })
    }
}

impl Host {
    /// The key that the operator has given this install, if any. It goes to the application
    /// and not to the guest, and so needs no grant of `secrets`.
    async fn api_key(&mut self) -> Result<Option<HeaderValue>, ProxyError> {
        let Some(secrets) = self.secrets.clone() else { return Ok(None) };
        let name = SECRET.parse().expect("it is a name");
        match secrets.get(name).await {
            Ok(Lookup::Found(value)) => {
                // An application that quotes it must not put it into the log of its guest.
                self.log.keep_out(&value);
                let key = HeaderValue::from_str(value.expose_secret());
                let Ok(mut key) = key else {
                    self.tell_operator(
                        Interface::UiProxy,
                        "the secret `api_key` cannot be the value of a header",
                    );
                    return Err(ProxyError::Internal);
                };
                key.set_sensitive(true);
                Ok(Some(key))
            }
            // One that is bound to hosts goes to them, and to nobody else.
            Ok(Lookup::Bound | Lookup::Expired | Lookup::Missing) => Ok(None),
            Err(error) => {
                self.no_secret(&error);
                Err(ProxyError::Internal)
            }
        }
    }
}

/// Of an answer only its bytes are given.
fn given(answer: Answer) -> Result<Vec<u8>, ProxyError> {
    let status = answer.status;
    if status.is_success() {
        return Ok(answer.body.into());
    }
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            ProxyError::Denied
        }
        StatusCode::NOT_FOUND => ProxyError::RouteNotFound,
        status if status.is_client_error() => ProxyError::BadRequest,
        _ => ProxyError::Internal,
    })
}

const fn case(error: &CallbackError) -> ProxyError {
    match error {
        CallbackError::Route | CallbackError::QuestionTooLarge(_) => ProxyError::BadRequest,
        CallbackError::AnswerTooLarge(_)
        | CallbackError::Timeout(_)
        | CallbackError::Connect(_)
        | CallbackError::Broken(_)
        | CallbackError::Stopped => ProxyError::Internal,
    }
}
