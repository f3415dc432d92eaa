//! The trace of a call to an extension.

use http::Method;

use super::App;
use super::dispatch::{Caller, FoundEndpoint};
use crate::model::{EndpointMethod, IncomingTrace};
use crate::traces::{Kind, Span, Trace};

impl App {
    /// Begins the span of a call, in the trace that its request names.
    ///
    /// The route is the declared path, of which there are few, and never the one that was
    /// sent.
    pub fn begin_trace(
        &self,
        incoming: Option<IncomingTrace>,
        caller: &Caller,
        found: &FoundEndpoint,
        method: &Method,
    ) -> Trace {
        let is_known = matches!(caller, Caller::Known(_));
        self.traces.begin(incoming, is_known, || {
            let (labels, endpoint) = (found.labels(), found.endpoint());
            let method = EndpointMethod::parse(method.as_str()).unwrap_or(endpoint.method).as_str();
            let extension = labels.extension.as_str();
            let route = format!("/api/ext/{extension}{}", endpoint.path.as_str());
            Span::new(Kind::Server, format!("{method} {route}"))
                .with("http.request.method", method)
                .with("http.route", route)
                .with("plugboard.tenant", labels.tenant.as_str().to_owned())
                .with("plugboard.extension", extension.to_owned())
                .with("plugboard.version", labels.version_text().to_owned())
                .with("plugboard.install", labels.install_text().to_owned())
        })
    }
}
