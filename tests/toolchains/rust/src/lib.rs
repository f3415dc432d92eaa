//! The handler of the toolchain tests, for `wit-bindgen`.
//!
//! Built with the whole of wit/extension; of its interfaces the linker keeps
//! those that are called.

use alga::extension::types::{
    ClientsListInput, CreateManualInvoiceInput, HttpHeader, HttpRequest,
};
use alga::extension::{
    clients, context, http, invoicing, logging, scheduler, secrets, services, storage, ui_proxy,
    user, user_v2,
};
use serde_json::{Value, json};

wit_bindgen::generate!({ world: "runner", path: "../../../wit/extension" });

struct Handler;

export!(Handler);

impl Guest for Handler {
    fn handler(request: ExecuteRequest) -> ExecuteResponse {
        let HttpRequest { method, url, body, .. } = request.http;
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let answer = match (method.as_str(), path) {
            ("GET", "/greeting") => greeting(query),
            ("POST", "/echo") => echo(&body.unwrap_or_default()),
            ("GET", "/refusals") => refusals(),
            _ => return ExecuteResponse { status: 404, headers: Vec::new(), body: None },
        };
        let kind = HttpHeader { name: "content-type".into(), value: "application/json".into() };
        let body = Some(answer.to_string().into_bytes());
        ExecuteResponse { status: 200, headers: vec![kind], body }
    }
}

fn greeting(query: &str) -> Value {
    let name = query.strip_prefix("name=").unwrap_or("nobody");
    logging::log_info(&format!("greets {name}"));
    let extension = context::get_context().extension_id;
    json!({ "greeting": format!("Hello, {name}"), "extension": extension })
}

fn echo(body: &[u8]) -> Value {
    let sent: Value = serde_json::from_slice(body).expect("the test sends JSON");
    json!({ "echo": sent })
}

/// What each host function says to an install that may not use it.
fn refusals() -> Value {
    let request = HttpRequest {
        method: "GET".into(),
        url: "https://example.com/".into(),
        headers: Vec::new(),
        body: None,
    };
    let invoice = CreateManualInvoiceInput {
        client_id: "c".into(),
        items: Vec::new(),
        invoice_date: None,
        due_date: None,
        po_number: None,
    };
    let every = ClientsListInput { search: None, include_inactive: None, page: None, page_size: None };
    json!({
        "secrets": secrets::get("key").err().map(|e| e.name()),
        "http": http::fetch(&request).err().map(|e| e.name()),
        "storage": storage::get("space", "key").err().map(|e| e.name()),
        "ui-proxy": ui_proxy::call_route("/route", None).err().map(|e| e.name()),
        "user": user::get_user().err().map(|e| e.name()),
        "user-v2": user_v2::get_user().err().map(|e| e.name()),
        "scheduler": scheduler::list_schedules().err().map(|e| e.name()),
        "invoicing": invoicing::create_manual_invoice(&invoice).success,
        "clients": clients::list_clients(&every).err().map(|e| e.name()),
        "services": services::get_service("s").err().map(|e| e.name()),
    })
}
