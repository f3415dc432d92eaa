//! Every row of the contract, against a server that notes what it was asked.

mod invoices;
mod reads;
mod refusals;
mod routes;

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
    let mut host = Host::new(
        ExecutionContext::sample(),
        Arc::new(grants.iter().copied().collect()),
        Some(Box::new(user)),
        StoreLimits::new(&RunnerConfig::default()).per_call(),
    );
    host.asking(Some(Callbacks::new(config, Arc::new(|_, _, _| ())).unwrap()));
    host
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
