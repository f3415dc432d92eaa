//! The operator's own application: what `ui-proxy`, `invoicing`, `clients` and `services`
//! have in common when they ask it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};

use super::Host;
use crate::callbacks::{Answer, Application, CallbackError, Interface, Question, Route};
use crate::model::Capability;
use crate::traces::{Kind, Part, Span};

/// The trace that a question belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What one page of a list has at the most, and if the guest does not say.
const MAX_PAGE_SIZE: u32 = 100;
const PAGE_SIZE: u32 = 25;

/// Why clients and services are not read: the cases that both interfaces have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadRefusal {
    NotAllowed,
    InvalidInput,
    Internal,
}

/// What is asked of clients and services.
#[derive(Serialize)]
struct Asked<'a, I> {
    operation: &'static str,
    input: I,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User<'a> {
    user_id: &'a str,
    user_type: &'a str,
}

/// A page of a list, as a guest may ask for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    page: u32,
    page_size: u32,
}

impl Page {
    /// `None`: there is no such page.
    pub(super) fn new(page: Option<u32>, size: Option<u32>) -> Option<Self> {
        let (page, page_size) = (page.unwrap_or(1), size.unwrap_or(PAGE_SIZE));
        let is_there = page >= 1 && (1..=MAX_PAGE_SIZE).contains(&page_size);
        is_there.then_some(Self { page, page_size })
    }
}

/// A page of a list as it comes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    pub(super) total_count: u32,
    pub(super) page: u32,
    pub(super) page_size: u32,
}

/// One of a list, or `null`. Without the key it is no answer.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(super) struct One<T> {
    #[serde(deserialize_with = "present")]
    pub(super) item: Option<T>,
}

/// With a function of its own, a key is not taken for `null` when it is absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

impl Host {
    /// Where `interface` leads for the tenant of this execution.
    pub(super) fn application(&self, interface: Interface) -> Option<Application> {
        self.callbacks.as_ref()?.find(&self.context.install.tenant, interface)
    }

    /// A question, with who asks.
    pub(super) fn question(&self, route: Route, body: Option<Bytes>) -> Question {
        let install = &*self.context.install;
        let user = self.user.as_ref();
        let said = [
            ("x-request-id", Some(&*self.context.request_id)),
            ("x-alga-tenant", Some(install.tenant.as_str())),
            ("x-alga-extension", Some(install.extension.as_str())),
            ("x-ext-install-id", Some(install.install_text())),
            ("x-ext-version-id", Some(install.version_text())),
            ("x-user-id", user.map(|user| &*user.id)),
            ("x-user-email", user.map(|user| &*user.email)),
        ];
        let mut headers = HeaderMap::with_capacity(said.len() + 4);
        for (name, text) in said {
            // What a header cannot say is not said: no text of a person ends a line.
            let value = text.filter(|text| !text.is_empty());
            let value = value.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok());
            headers.extend(value.map(|value| (HeaderName::from_static(name), value)));
        }
        Question { route, headers, body }
    }

    /// Asks, and tells the operator if there was no answer.
    pub(super) async fn ask(
        &mut self,
        application: &Application,
        mut question: Question,
    ) -> Result<Answer, CallbackError> {
        let part = self.asked_part(application, &question);
        self.add_trace(&part, &mut question.headers);
        let answer = application.ask(question).await;
        if let Ok(Answer { status, .. }) = &answer {
            part.note(|span| span.answered(status.as_u16()));
        }
        let answer = part.end(answer, CallbackError::word);
        if let Err(error) = &answer {
            self.tell_operator(application.interface(), &error.to_string());
        }
        answer
    }

    /// A question as a part of the call. The route is the guest's text, and not told.
    fn asked_part(&self, application: &Application, question: &Question) -> Part {
        self.context.trace.part(|| {
            let interface = application.interface().as_str();
            let method = if question.body.is_some() { "POST" } else { "GET" };
            let (host, port) = application.server();
            Span::new(Kind::Client, interface)
                .with("http.request.method", method)
                .with("server.address", host.to_owned())
                .with("server.port", port)
                .with("plugboard.host_call", interface)
        })
    }

    /// Tells the application which trace the question belongs to. It is the operator's own,
    /// so it also gets what others on the way have to say to it.
    fn add_trace(&self, part: &Part, headers: &mut HeaderMap) {
        let Some(context) = part.context() else { return };
        let state = self.context.trace.state().map(|state| state.as_str().to_owned());
        for (name, text) in [(TRACEPARENT, Some(context.to_string())), (TRACESTATE, state)] {
            let value = text.and_then(|text| HeaderValue::try_from(text).ok());
            headers.extend(value.map(|value| (name, value)));
        }
    }

    /// The guest learns that it failed, the operator why.
    pub(super) fn tell_operator(&self, interface: Interface, problem: &str) {
        let install = &*self.context.install;
        tracing::warn!(
            request.id = &*self.context.request_id,
            tenant.id = install.tenant.as_str(),
            extension.name = install.extension.as_str(),
            install.id = install.install_text(),
            "The host application was asked for {} in vain: {problem}",
            interface.as_str()
        );
    }

    /// Reads clients or services; without `input` what the guest wants is nothing that can be.
    pub(super) async fn read<I: Serialize, T: DeserializeOwned>(
        &mut self,
        (capability, interface): (Capability, Interface),
        operation: &'static str,
        input: Option<I>,
    ) -> wasmtime::Result<Result<T, ReadRefusal>> {
        if !self.admit(capability)? {
            return Ok(Err(ReadRefusal::NotAllowed));
        }
        let Some(application) = self.application(interface) else {
            return Ok(Err(ReadRefusal::NotAllowed));
        };
        let Some(input) = input else { return Ok(Err(ReadRefusal::InvalidInput)) };
        let user = self.user.as_ref();
        let user = user.map(|user| User { user_id: &user.id, user_type: &user.kind });
        let body = serde_json::to_vec(&Asked { operation, input, user })?;
        let route = Route::of_install(self.context.install.install);
        let question = self.question(route, Some(body.into()));
        let Ok(answer) = self.ask(&application, question).await else {
            return Ok(Err(ReadRefusal::Internal));
        };
        Ok(self.parsed(interface, &answer))
    }

    fn parsed<T: DeserializeOwned>(
        &self,
        interface: Interface,
        answer: &Answer,
    ) -> Result<T, ReadRefusal> {
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body).map_err(|error| {
                // Where it is, and not what is there.
                let place = format!("line {}, column {}", error.line(), error.column());
                self.tell_operator(interface, &format!("the answer is not as agreed: {place}"));
                ReadRefusal::Internal
            });
        }
        Err(match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ReadRefusal::NotAllowed,
            StatusCode::BAD_REQUEST => ReadRefusal::InvalidInput,
            status => {
                self.tell_operator(interface, &format!("it answered {status}"));
                ReadRefusal::Internal
            }
        })
    }
}

#[cfg(test)]
mod tests;
