//! Every row of the contract, against a server that notes what it was asked.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tracing_subscriber::fmt::MakeWriter;

use super::super::Host;
use crate::callbacks::Callbacks;
use crate::config::{HostCallbacksConfig, RunnerConfig, Secret, StateConfig, TenantCallbacks};
use crate::model::{Capability, SystemClock};
use crate::runner::bindings::types::{
    ClientReadError, ClientsListInput, CreateManualInvoiceInput, CreateManualInvoiceResult,
    DiscountType, ManualInvoiceItemInput, ProxyError, ServiceBillingMethod, ServiceItemKind,
    ServiceReadError, ServicesListInput,
};
use crate::runner::bindings::{clients, invoicing, services, ui_proxy};
use crate::runner::invocation::{ExecutionContext, UserIdentity};
use crate::runner::limits::StoreLimits;
use crate::state::secrets::{NewSecret, Secrets, WrappingKey};
use crate::state::{Owner, State};

const TOKEN: &str = "a-token-of-the-application";

/// Answers every request in the same way, and notes it.
struct Recorder {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Recorder {
    async fn answering(status: u16, body: impl Into<String>) -> Self {
        Self::saying(status, "", &body.into()).await
    }

    async fn saying(status: u16, fields: &str, body: &str) -> Self {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Said\r\n{fields}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = request(&mut stream).await;
                noted.lock().unwrap().push(request);
                // Whoever hangs up has heard enough.
                stream.write_all(answer.as_bytes()).await.ok();
            }
        });
        Self { address, requests, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The one request there was: its first line, its head, its body.
    fn request(&self) -> (String, String, String) {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
        let (line, fields) = head.split_once("\r\n").unwrap();
        (line.to_owned(), format!("\r\n{fields}\r\n"), body.to_owned())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.request().2).unwrap()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn request(stream: &mut TcpStream) -> String {
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "the request ended early: {text}");
        request.extend_from_slice(&part[..read]);
    }
}

/// All four interfaces at one server.
fn at(server: &Recorder) -> HostCallbacksConfig {
    HostCallbacksConfig {
        ui_proxy_base_url: server.url("/base"),
        invoicing_url: server.url("/api/internal/ext-invoicing"),
        clients_url: server.url("/api/internal/ext-clients/"),
        services_url: server.url("/api/internal/ext-services"),
        token: Secret::from(TOKEN.to_owned()),
        ..HostCallbacksConfig::default()
    }
}

fn host_with(config: &HostCallbacksConfig, grants: &[Capability]) -> Host {
    let user = UserIdentity {
        id: "user-1".to_owned(),
        email: "ada@example.test".to_owned(),
        kind: "client".to_owned(),
        ..UserIdentity::default()
    };
    let host = Host::new(
        ExecutionContext::sample(),
        Arc::new(grants.iter().copied().collect()),
        Some(user),
        StoreLimits::new(&RunnerConfig::default()).per_call(),
    );
    host.asking(Some(Callbacks::new(config).unwrap()))
}

fn host(server: &Recorder) -> Host {
    host_with(&at(server), &Capability::ALL)
}

async fn route(host: &mut Host, route: &str, payload: Option<&str>) -> Result<Vec<u8>, ProxyError> {
    let payload = payload.map(|text| text.as_bytes().to_vec());
    ui_proxy::Host::call_route(host, route.to_owned(), payload).await.unwrap()
}

fn invoice(items: Vec<ManualInvoiceItemInput>) -> CreateManualInvoiceInput {
    CreateManualInvoiceInput {
        client_id: "client-1".to_owned(),
        items,
        invoice_date: None,
        due_date: None,
        po_number: None,
    }
}

fn item(quantity: f64) -> ManualInvoiceItemInput {
    ManualInvoiceItemInput {
        service_id: "service-1".to_owned(),
        quantity,
        description: "An hour".to_owned(),
        rate: 9900.0,
        is_discount: None,
        discount_type: None,
        applies_to_item_id: None,
        applies_to_service_id: None,
    }
}

async fn make(host: &mut Host, input: CreateManualInvoiceInput) -> CreateManualInvoiceResult {
    invoicing::Host::create_manual_invoice(host, input).await.unwrap()
}

const ANY_CLIENTS: ClientsListInput =
    ClientsListInput { search: None, include_inactive: None, page: None, page_size: None };

const ANY_SERVICES: ServicesListInput = ServicesListInput {
    search: None,
    item_kind: None,
    is_active: None,
    billing_method: None,
    page: None,
    page_size: None,
};

#[tokio::test]
async fn a_route_is_asked_with_who_asks_and_only_its_bytes_come_back() {
    let server = Recorder::saying(201, "x-secret: 1\r\n", "\u{1}bytes").await;
    let mut host = host(&server);
    let install = host.context().install.install_text().to_owned();

    let got = route(&mut host, "tickets?open=1", None).await;

    assert_eq!(got.unwrap(), b"\x01bytes");
    let (line, head, body) = server.request();
    assert_eq!(line, "GET /base/com.example.a/tickets?open=1 HTTP/1.1");
    assert_eq!(body, "");
    for field in [
        format!("host: {}", server.address),
        "x-request-id: r".to_owned(),
        "x-alga-tenant: default".to_owned(),
        "x-alga-extension: com.example.a".to_owned(),
        format!("x-ext-install-id: {install}"),
        "x-ext-version-id: 1.0.0".to_owned(),
        "x-user-id: user-1".to_owned(),
        "x-user-email: ada@example.test".to_owned(),
        format!("x-runner-auth: {TOKEN}"),
    ] {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{field}: {head}");
    }
    assert!(!head.contains("x-api-key") && !head.contains("content-type"), "{head}");
}

#[tokio::test]
async fn a_payload_is_posted_as_json_and_api_routes_are_as_they_are() {
    let server = Recorder::answering(200, "").await;

    assert_eq!(route(&mut host(&server), "/api/v1/a", Some("{}")).await.unwrap(), b"");

    let (line, head, body) = server.request();
    assert_eq!((&*line, &*body), ("POST /base/api/v1/a HTTP/1.1", "{}"));
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
}

#[tokio::test]
async fn the_api_key_of_the_install_goes_to_its_application() {
    let server = Recorder::answering(200, "").await;
    let kept = State::in_memory(&StateConfig::default(), Arc::new(SystemClock)).unwrap();
    let secrets = Secrets::new(kept, WrappingKey::new([1; 32].into()));
    // Without the grant to read it: it is not the guest that gets it.
    let mut host = host_with(&at(&server), &[Capability::UiProxy]);
    let owner = Owner::of(&host.context().install);
    for (value, sent) in [("key-of-the-install", true), ("a\nb", false)] {
        let new = NewSecret {
            name: "api_key".parse().unwrap(),
            value: value.into(),
            set_at: jiff::Timestamp::UNIX_EPOCH,
            set_by: "operator ada".to_owned(),
            expires_at: None,
        };
        secrets.set(owner, new).await.unwrap();
        host = host.confiding(Some(secrets.of(owner)));

        assert_eq!(route(&mut host, "/a", None).await.is_ok(), sent, "{value:?}");
    }

    let (_, head, _) = server.request();
    assert!(head.contains("\r\nx-api-key: key-of-the-install\r\n"), "{head}");
}

#[tokio::test]
async fn each_status_of_a_route_has_its_case() {
    for (status, case) in [
        (400, ProxyError::BadRequest),
        (401, ProxyError::Denied),
        (403, ProxyError::Denied),
        (404, ProxyError::RouteNotFound),
        (405, ProxyError::BadRequest),
        (422, ProxyError::BadRequest),
        (429, ProxyError::Denied),
        (304, ProxyError::Internal),
        (500, ProxyError::Internal),
        (503, ProxyError::Internal),
    ] {
        let server = Recorder::answering(status, "").await;
        assert_eq!(route(&mut host(&server), "/a", None).await, Err(case), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_stays() {
    let other = Recorder::answering(200, "").await;
    let field = format!("location: {}\r\n", other.url("/base/a"));
    let server = Recorder::saying(307, &field, "").await;

    assert_eq!(route(&mut host(&server), "/a", None).await, Err(ProxyError::Internal));
    assert_eq!((server.requests().len(), other.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_route_that_leads_elsewhere_is_not_asked() {
    let server = Recorder::answering(200, "").await;
    let mut host = host(&server);
    for text in ["", " ", "/a/../b", "/%2e%2E/b", "//other.test/", "\\\\other.test", "/a\r\nb: c"] {
        assert_eq!(route(&mut host, text, None).await, Err(ProxyError::BadRequest), "{text:?}");
    }
    let other = format!("http://{}/a", server.address);
    assert_eq!(route(&mut host, &other, None).await, Err(ProxyError::BadRequest));
    let large = "a".repeat(8 * 1024 * 1024 + 1);
    assert_eq!(route(&mut host, "/a", Some(&large)).await, Err(ProxyError::BadRequest));
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit() {
    const MIB: usize = 1024 * 1024;
    let most = Recorder::answering(200, "a".repeat(8 * MIB)).await;
    assert_eq!(route(&mut host(&most), "/a", None).await.unwrap().len(), 8 * MIB);
    let more = Recorder::answering(200, "a".repeat(8 * MIB + 1)).await;
    assert_eq!(route(&mut host(&more), "/a", None).await, Err(ProxyError::Internal));

    let filled = |bytes| format!("{{\"item\":null}}{}", " ".repeat(bytes));
    for (bytes, is_read) in [(MIB - 13, true), (MIB - 12, false)] {
        let server = Recorder::answering(200, filled(bytes)).await;
        let got = clients::Host::get_client(&mut host(&server), String::new()).await.unwrap();
        assert_eq!(got.is_ok(), is_read, "{bytes}");
    }
}

#[tokio::test]
async fn an_application_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (ui_proxy_base_url, clients_url) = (url.clone(), url);
    let config = HostCallbacksConfig {
        ui_proxy_base_url,
        clients_url,
        ui_proxy_timeout_ms: 1,
        timeout_ms: 1,
        ..HostCallbacksConfig::default()
    };
    let mut host = host_with(&config, &Capability::ALL);

    assert_eq!(route(&mut host, "/a", None).await, Err(ProxyError::Internal));
    let got = clients::Host::get_client(&mut host, String::new()).await.unwrap();
    assert_eq!(got.err(), Some(ClientReadError::Internal));
}

#[tokio::test]
async fn an_invoice_is_sent_with_what_the_guest_said_and_nothing_else() {
    let whole = json!({"invoiceId": "i", "invoiceNumber": "INV-1", "status": "draft",
        "subtotal": 1.5, "tax": 0, "total": 1.5});
    let answer = json!({"success": true, "invoice": whole});
    let server = Recorder::answering(201, answer.to_string()).await;
    let mut host = host(&server);
    let install = host.context().install.install_text().to_owned();

    let made = make(&mut host, invoice(vec![item(2.0)])).await;

    assert!(made.success && made.error.is_none() && made.field_errors.is_none());
    let texts = [&made.invoice_id, &made.invoice_number, &made.status];
    assert_eq!(texts.map(Option::as_deref), [Some("i"), Some("INV-1"), Some("draft")]);
    assert_eq!([made.subtotal, made.tax, made.total], [Some(1.5), Some(0.0), Some(1.5)]);
    let (line, head, _) = server.request();
    let path = format!("/api/internal/ext-invoicing/install/{install}");
    assert_eq!(line, format!("POST {path} HTTP/1.1"));
    assert!(head.contains(&format!("\r\nx-runner-auth: {TOKEN}\r\n")), "{head}");
    assert_eq!(
        server.json(),
        json!({"operation": "createManualInvoice", "clientId": "client-1", "items": [
            {"serviceId": "service-1", "quantity": 2.0, "description": "An hour", "rate": 9900.0}
        ]})
    );
}

#[tokio::test]
async fn every_option_of_an_invoice_has_its_name() {
    let server = Recorder::answering(201, "{}").await;
    let one = |kind, text: &str| ManualInvoiceItemInput {
        is_discount: Some(true),
        discount_type: Some(kind),
        applies_to_item_id: Some(format!("item-{text}")),
        applies_to_service_id: Some(format!("service-{text}")),
        ..item(1.0)
    };
    let input = CreateManualInvoiceInput {
        invoice_date: Some("2026-01-02".to_owned()),
        due_date: Some("2026-02-02".to_owned()),
        po_number: Some("PO".to_owned()),
        ..invoice(vec![one(DiscountType::Percentage, "a"), one(DiscountType::Fixed, "b")])
    };

    make(&mut host(&server), input).await;

    let item = |kind: &str, text: &str| {
        json!({"serviceId": "service-1", "quantity": 1.0, "description": "An hour", "rate": 9900.0,
            "isDiscount": true, "discountType": kind, "appliesToItemId": format!("item-{text}"),
            "appliesToServiceId": format!("service-{text}")})
    };
    assert_eq!(
        server.json(),
        json!({"operation": "createManualInvoice", "clientId": "client-1",
            "items": [item("percentage", "a"), item("fixed", "b")],
            "invoiceDate": "2026-01-02", "dueDate": "2026-02-02", "poNumber": "PO"})
    );
}

#[tokio::test]
async fn an_invoice_is_read_flat_and_with_other_names_too() {
    for answer in [
        json!({"success": true, "invoice": {"invoice_id": "i", "invoice_number": "n"}}),
        json!({"success": true, "invoiceId": "i", "invoiceNumber": "n", "total": null}),
        json!({"success": true, "invoice_id": "i", "invoice_number": "n", "invoice": null}),
    ] {
        let server = Recorder::answering(200, answer.to_string()).await;
        let made = make(&mut host(&server), invoice(vec![])).await;
        let texts = [made.invoice_id.as_deref(), made.invoice_number.as_deref()];
        assert_eq!(
            (made.success, texts, made.total),
            (true, [Some("i"), Some("n")], None),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_invoice_that_was_not_made_says_why() {
    let said = r#"{"success":false,"error":"no","fieldErrors":{"items":"none"}}"#;
    for (status, body, error, faults) in [
        (400, said, format!("http 400: {said}"), None),
        (500, "oh", "http 500: oh".to_owned(), None),
        (302, "", "http 302: ".to_owned(), None),
        (200, said, "no".to_owned(), Some(r#"{"items":"none"}"#)),
        (200, r#"{"success":false,"fieldErrors":"f"}"#, String::new(), Some("f")),
    ] {
        let server = Recorder::answering(status, body).await;
        let made = make(&mut host(&server), invoice(vec![])).await;
        assert!(!made.success && made.invoice_id.is_none(), "{body}");
        assert_eq!((made.error, made.field_errors.as_deref()), (Some(error), faults), "{body}");
    }
    for body in [
        "",
        "no JSON",
        "{}",
        "[]",
        r#"{"success":"true","invoice":{"invoiceId":"i"}}"#,
        r#"{"success":true}"#,
        r#"{"success":true,"invoice":"i"}"#,
        r#"{"success":true,"invoice":{"invoiceId":7}}"#,
        r#"{"success":true,"invoice":{"invoiceId":"i","total":"7"}}"#,
        r#"{"success":false,"error":7}"#,
    ] {
        let server = Recorder::answering(201, body).await;
        let made = make(&mut host(&server), invoice(vec![])).await;
        let error = "the host application's answer is not as agreed";
        assert_eq!((made.success, made.error.as_deref()), (false, Some(error)), "{body}");
    }
}

#[tokio::test]
async fn a_quantity_that_is_no_number_is_not_sent() {
    let server = Recorder::answering(201, "").await;
    for quantity in [f64::NAN, f64::INFINITY] {
        let made = make(&mut host(&server), invoice(vec![item(1.0), item(quantity)])).await;
        assert_eq!(made.error.as_deref(), Some("quantity and rate must be numbers"));
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn clients_are_listed_and_read() {
    let least =
        json!({"clientId": "c", "clientName": "C", "isInactive": false, "clientType": null});
    let most = json!({"clientId": "d", "clientName": "D", "isInactive": true, "clientType": "t",
        "defaultCurrencyCode": "EUR", "accountManagerId": "m", "accountManagerName": "M",
        "billingEmail": "b@example.test", "more": 1});
    let answer = json!({"items": [least, most], "totalCount": 9, "page": 2, "pageSize": 7});
    let server = Recorder::answering(200, answer.to_string()).await;
    let mut host = host(&server);
    let install = host.context().install.install_text().to_owned();
    let input = ClientsListInput {
        search: Some("x".to_owned()),
        include_inactive: Some(false),
        page: Some(2),
        page_size: Some(7),
    };

    let list = clients::Host::list_clients(&mut host, input).await.unwrap().unwrap();

    assert_eq!((list.total_count, list.page, list.page_size), (9, 2, 7));
    let [first, second] = &list.items[..] else { panic!("{:?}", list.items) };
    assert_eq!(
        (&*first.client_id, first.client_type.is_none(), first.is_inactive),
        ("c", true, false)
    );
    let texts = [&second.client_type, &second.default_currency_code, &second.account_manager_id];
    assert_eq!(texts.map(Option::as_deref), [Some("t"), Some("EUR"), Some("m")]);
    let texts = [&second.account_manager_name, &second.billing_email];
    assert_eq!(texts.map(Option::as_deref), [Some("M"), Some("b@example.test")]);
    let (line, ..) = server.request();
    assert_eq!(line, format!("POST /api/internal/ext-clients/install/{install} HTTP/1.1"));
    assert_eq!(
        server.json(),
        json!({"operation": "list", "user": {"userId": "user-1", "userType": "client"},
            "input": {"search": "x", "includeInactive": false, "page": 2, "pageSize": 7}})
    );

    let one = Recorder::answering(200, json!({"item": most}).to_string()).await;
    let got = clients::Host::get_client(&mut self::host(&one), "d".to_owned()).await;
    assert_eq!(got.unwrap().unwrap().unwrap().client_name, "D");
    assert_eq!(
        one.json(),
        json!({"operation": "get", "user": {"userId": "user-1", "userType": "client"},
            "input": {"clientId": "d"}})
    );
}

#[tokio::test]
async fn services_are_listed_and_read() {
    let service = json!({"serviceId": "s", "serviceName": "S", "itemKind": "product",
        "billingMethod": "usage", "serviceTypeId": "t", "serviceTypeName": "T", "defaultRate": 5,
        "unitOfMeasure": "hour", "isActive": true, "sku": "k"});
    let answer = json!({"items": [service], "totalCount": 1, "page": 1, "pageSize": 25});
    let server = Recorder::answering(200, answer.to_string()).await;
    let mut host = host(&server);
    let install = host.context().install.install_text().to_owned();
    let input = ServicesListInput {
        search: Some("x".to_owned()),
        item_kind: Some(ServiceItemKind::Service),
        is_active: Some(true),
        billing_method: Some(ServiceBillingMethod::Hourly),
        ..ANY_SERVICES
    };

    let list = services::Host::list_services(&mut host, input).await.unwrap().unwrap();

    let [got] = &list.items[..] else { panic!("{:?}", list.items) };
    assert_eq!(
        (got.item_kind, got.billing_method, got.sku.as_deref()),
        (ServiceItemKind::Product, ServiceBillingMethod::Usage, Some("k"))
    );
    assert!((got.default_rate - 5.0).abs() < f64::EPSILON && got.is_active);
    let (line, ..) = server.request();
    assert_eq!(line, format!("POST /api/internal/ext-services/install/{install} HTTP/1.1"));
    assert_eq!(
        server.json(),
        json!({"operation": "list", "user": {"userId": "user-1", "userType": "client"},
            "input": {"search": "x", "itemKind": "service", "isActive": true,
                "billingMethod": "hourly", "page": 1, "pageSize": 25}})
    );

    let none = Recorder::answering(200, r#"{"item":null}"#).await;
    // Nobody asks: nobody is named, in the body or in the head.
    let mut host = self::host(&none);
    host.user = None;
    let got = services::Host::get_service(&mut host, "s".to_owned()).await;
    assert!(got.unwrap().unwrap().is_none());
    assert_eq!(none.json(), json!({"operation": "get", "input": {"serviceId": "s"}}));
    assert!(!none.request().1.contains("x-user"), "{:?}", none.request());
}

#[tokio::test]
async fn what_was_not_said_is_not_sent_and_a_page_has_its_defaults() {
    let server = Recorder::answering(500, "").await;
    clients::Host::list_clients(&mut host(&server), ANY_CLIENTS).await.unwrap().unwrap_err();
    assert_eq!(server.json()["input"], json!({"page": 1, "pageSize": 25}));
    let server = Recorder::answering(500, "").await;
    services::Host::list_services(&mut host(&server), ANY_SERVICES).await.unwrap().unwrap_err();
    assert_eq!(server.json()["input"], json!({"page": 1, "pageSize": 25}));
}

#[tokio::test]
async fn a_page_that_cannot_be_is_not_asked_for() {
    let server = Recorder::answering(500, "").await;
    let mut host = host(&server);
    for (page, page_size) in [(Some(0), None), (None, Some(0)), (Some(1), Some(101))] {
        let input = ClientsListInput { page, page_size, ..ANY_CLIENTS };
        let got = clients::Host::list_clients(&mut host, input).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::InvalidInput), "{page:?} {page_size:?}");
        let input = ServicesListInput { page, page_size, ..ANY_SERVICES };
        let got = services::Host::list_services(&mut host, input).await.unwrap();
        assert_eq!(got.err(), Some(ServiceReadError::InvalidInput), "{page:?} {page_size:?}");
    }
    assert_eq!(server.requests().len(), 0);
    for page_size in [1, 100] {
        let input = ClientsListInput { page_size: Some(page_size), ..ANY_CLIENTS };
        let got = clients::Host::list_clients(&mut host, input).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::Internal), "{page_size}");
    }
}

#[tokio::test]
async fn each_status_of_a_read_has_its_case() {
    for (status, client, service) in [
        (400, ClientReadError::InvalidInput, ServiceReadError::InvalidInput),
        (401, ClientReadError::NotAllowed, ServiceReadError::NotAllowed),
        (403, ClientReadError::NotAllowed, ServiceReadError::NotAllowed),
        (404, ClientReadError::Internal, ServiceReadError::Internal),
        (307, ClientReadError::Internal, ServiceReadError::Internal),
        (422, ClientReadError::Internal, ServiceReadError::Internal),
        (500, ClientReadError::Internal, ServiceReadError::Internal),
    ] {
        let server = Recorder::answering(status, r#"{"item":null}"#).await;
        let mut host = host(&server);
        let got = clients::Host::get_client(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(client), "{status}");
        let got = services::Host::get_service(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(service), "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_as_agreed_is_internal() {
    let odd = json!({"serviceId": "s", "serviceName": "S", "itemKind": "odd",
        "billingMethod": "usage", "defaultRate": 5, "unitOfMeasure": "h", "isActive": true});
    for body in ["", "{}", "[]", r#"{"item":7}"#, &json!({"item": odd}).to_string()] {
        let server = Recorder::answering(200, body).await;
        let mut host = host(&server);
        let got = clients::Host::get_client(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::Internal), "{body}");
        let got = services::Host::get_service(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(ServiceReadError::Internal), "{body}");
        let got = clients::Host::list_clients(&mut host, ANY_CLIENTS).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::Internal), "{body}");
    }
}

#[tokio::test]
async fn nothing_is_asked_without_the_grant_or_the_setting() {
    let server = Recorder::answering(200, r#"{"item":null}"#).await;
    let unset = HostCallbacksConfig::default();
    for (config, grants, proxy, sentence) in [
        (
            &at(&server),
            &[][..],
            ProxyError::Denied,
            "Permission denied: cap:invoice.manual.create not granted",
        ),
        (
            &unset,
            &Capability::ALL,
            ProxyError::RouteNotFound,
            "invoicing is not available on this host",
        ),
    ] {
        let mut host = host_with(config, grants);
        assert_eq!(route(&mut host, "/a", None).await, Err(proxy));
        let made = make(&mut host, invoice(vec![])).await;
        assert_eq!((made.success, made.error.as_deref()), (false, Some(sentence)));
        let got = clients::Host::list_clients(&mut host, ANY_CLIENTS).await.unwrap();
        assert_eq!(got.err(), Some(ClientReadError::NotAllowed));
        let got = services::Host::get_service(&mut host, String::new()).await.unwrap();
        assert_eq!(got.err(), Some(ServiceReadError::NotAllowed));
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_tenant_with_a_table_of_its_own_has_that_and_nothing_of_the_others() {
    let (general, own) =
        (Recorder::answering(200, "general").await, Recorder::answering(200, "own").await);
    let mut config = at(&general);
    let table =
        TenantCallbacks { ui_proxy_base_url: own.url("/own"), ..TenantCallbacks::default() };
    config.tenants.insert("acme".parse().unwrap(), table.clone());
    assert_eq!(
        route(&mut host_with(&config, &Capability::ALL), "a", None).await.unwrap(),
        b"general"
    );
    config.tenants.insert("default".parse().unwrap(), table);

    let mut host = host_with(&config, &Capability::ALL);

    assert_eq!(route(&mut host, "/a", None).await.unwrap(), b"own");
    let (line, head, _) = own.request();
    assert_eq!(line, "GET /own/com.example.a/a HTTP/1.1");
    assert!(!head.contains("x-runner-auth"), "{head}");
    let got = clients::Host::list_clients(&mut host, ANY_CLIENTS).await.unwrap();
    assert_eq!(got.err(), Some(ClientReadError::NotAllowed));
    assert_eq!(general.requests().len(), 1);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_says_what_failed_and_neither_the_token_nor_what_was_said() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone());
    let subscriber = subscriber.with_max_level(tracing::Level::TRACE).finish();
    let _heard = tracing::subscriber::set_default(subscriber);
    let closed = Recorder::answering(200, "").await;
    let mut config = at(&closed);
    drop(closed);
    config.clients_url = "http://127.0.0.1:1".to_owned();
    let odd = Recorder::answering(200, r#"{"item":"said-by-it"}"#).await;
    config.services_url = odd.url("");
    let mut host = host_with(&config, &Capability::ALL);

    let got = clients::Host::get_client(&mut host, "asked-for".to_owned()).await.unwrap();
    assert_eq!(got.err(), Some(ClientReadError::Internal));
    let got = services::Host::get_service(&mut host, "asked-for".to_owned()).await.unwrap();
    assert_eq!(got.err(), Some(ServiceReadError::Internal));

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("asked for clients in vain: no connection"), "{log}");
    assert!(log.contains("asked for services in vain: the answer is not as agreed"), "{log}");
    for text in [TOKEN, "said-by-it", "asked-for in"] {
        assert!(!log.contains(text), "{text}: {log}");
    }
    assert!(!format!("{config:?}").contains(TOKEN));
}
