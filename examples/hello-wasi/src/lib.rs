//! The endpoints of `com.example.hello-wasi`, in the standard `wasi:http/proxy` world.
//!
//! The appliance calls `handle` once per request, in a fresh instance: nothing
//! kept in a `static` is there the next time.

use std::io::{self, Read, Write};

use serde_json::{Value, json};
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{
        Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
    },
};

const LONGEST_NAME: usize = 100;

struct Hello;

wasip2::http::proxy::export!(Hello);

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, body) = answer(&request);
        let headers = [("content-type".to_owned(), b"application/json".to_vec())];
        let response = OutgoingResponse::new(Fields::from_list(&headers).expect("valid headers"));
        response.set_status_code(status).expect("a valid status");
        let sink = response.body().expect("taken once");
        // From here on the host sends: what fails later can only break off the body.
        ResponseOutparam::set(out, Ok(response));
        if send(&sink, &body).is_ok() {
            let _broken_off = OutgoingBody::finish(sink, None);
        }
    }
}

fn send(sink: &OutgoingBody, body: &Value) -> io::Result<()> {
    let mut stream = sink.write().expect("taken once");
    stream.write_all(body.to_string().as_bytes())?;
    Write::flush(&mut stream)
}

fn answer(request: &IncomingRequest) -> (u16, Value) {
    let url = request.path_with_query().unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    match (request.method(), path) {
        (Method::Get, "/greeting") => greeting(request, query),
        (Method::Post, "/echo") => echo(request, &url),
        _ => refuse(404, "not_found", "There is no such endpoint."),
    }
}

/// `GET /greeting?name=Ada`
fn greeting(request: &IncomingRequest, query: &str) -> (u16, Value) {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let name = parameters.find(|(key, _)| key == "name").map(|(_, value)| value);
    let name = name.filter(|name| !name.is_empty()).unwrap_or("world".into());
    if name.len() > LONGEST_NAME {
        return refuse(400, "name_too_long", "A name may be at most 100 bytes long.");
    }
    // The appliance sets these headers itself; a caller cannot.
    let greeting = json!({
        "greeting": format!("Hello, {name}"),
        "tenant": header(request, "x-alga-tenant"),
        "extension": header(request, "x-alga-extension"),
        "request_id": header(request, "x-request-id"),
    });
    (200, greeting)
}

/// `POST /echo`: what of the request reached the handler.
fn echo(request: &IncomingRequest, url: &str) -> (u16, Value) {
    let Ok(body) = read_body(request) else {
        return refuse(400, "body_broken_off", "The body did not arrive to its end.");
    };
    let headers: Vec<Value> = request
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| json!({ "name": name, "value": String::from_utf8_lossy(&value) }))
        .collect();
    let body = String::from_utf8_lossy(&body);
    (200, json!({ "method": "POST", "url": url, "headers": headers, "body": body }))
}

fn read_body(request: &IncomingRequest) -> io::Result<Vec<u8>> {
    let incoming = request.consume().expect("taken once");
    let mut stream = incoming.stream().expect("taken once");
    let mut body = Vec::new();
    stream.read_to_end(&mut body)?;
    Ok(body)
}

fn header(request: &IncomingRequest, name: &str) -> Option<String> {
    let value = request.headers().get(name).into_iter().next()?;
    String::from_utf8(value).ok()
}

fn refuse(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({ "error": code, "message": message }))
}
