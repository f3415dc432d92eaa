//! `invoicing`: manual invoices in the operator's own application.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Host;
use crate::callbacks::{Answer, Interface, Route};
use crate::model::Capability;
use crate::runner::bindings::invoicing;
use crate::runner::bindings::types::{
    CreateManualInvoiceInput, CreateManualInvoiceResult, DiscountType, ManualInvoiceItemInput,
};

/// What a guest is told that the application could not be asked.
const NO_ANSWER: &str = "the host application gave no answer";
const NOT_AS_AGREED: &str = "the host application's answer is not as agreed";

/// What is asked. What the guest left out is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    operation: &'static str,
    client_id: String,
    items: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    po_number: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    service_id: String,
    quantity: f64,
    description: String,
    rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_discount: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applies_to_item_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applies_to_service_id: Option<String>,
}

impl invoicing::Host for Host {
    async fn create_manual_invoice(
        &mut self,
        input: CreateManualInvoiceInput,
    ) -> wasmtime::Result<CreateManualInvoiceResult> {
        // Counts the call, and has the sentence for both refusals.
        let refusal = self.unavailable(Capability::InvoiceManualCreate, "invoicing")?;
        let is_granted = self.grants.contains(&Capability::InvoiceManualCreate);
        let Some(application) = self.application(Interface::Invoicing).filter(|_| is_granted)
        else {
            return Ok(failed(refusal));
        };
        // JSON has no word for them, and `null` is none for a number.
        let is_number =
            |item: &ManualInvoiceItemInput| item.quantity.is_finite() && item.rate.is_finite();
        if !input.items.iter().all(is_number) {
            return Ok(failed("quantity and rate must be numbers"));
        }
        let body = serde_json::to_vec(&Question::from(input))?;
        let route = Route::of_install(self.context.install.install);
        let question = self.question(route, Some(body.into()));
        let Ok(answer) = self.ask(&application, question).await else {
            return Ok(failed(NO_ANSWER));
        };
        Ok(read(&answer).unwrap_or_else(|NotAsAgreed| {
            self.tell_operator(Interface::Invoicing, "the answer is not as agreed");
            failed(NOT_AS_AGREED)
        }))
    }
}

impl From<CreateManualInvoiceInput> for Question {
    fn from(input: CreateManualInvoiceInput) -> Self {
        Self {
            operation: "createManualInvoice",
            client_id: input.client_id,
            items: input.items.into_iter().map(Into::into).collect(),
            invoice_date: input.invoice_date,
            due_date: input.due_date,
            po_number: input.po_number,
        }
    }
}

impl From<ManualInvoiceItemInput> for Item {
    fn from(item: ManualInvoiceItemInput) -> Self {
        Self {
            service_id: item.service_id,
            quantity: item.quantity,
            description: item.description,
            rate: item.rate,
            is_discount: item.is_discount,
            discount_type: item.discount_type.map(|kind| match kind {
                DiscountType::Percentage => "percentage",
                DiscountType::Fixed => "fixed",
            }),
            applies_to_item_id: item.applies_to_item_id,
            applies_to_service_id: item.applies_to_service_id,
        }
    }
}

/// The answer cannot be read.
struct NotAsAgreed;

fn read(answer: &Answer) -> Result<CreateManualInvoiceResult, NotAsAgreed> {
    if !answer.status.is_success() {
        let text = String::from_utf8_lossy(&answer.body);
        return Ok(failed(format!("http {}: {text}", answer.status.as_u16())));
    }
    let answer: Map<String, Value> =
        serde_json::from_slice(&answer.body).map_err(|_| NotAsAgreed)?;
    if !answer.get("success").and_then(Value::as_bool).ok_or(NotAsAgreed)? {
        return Ok(CreateManualInvoiceResult {
            error: Some(text(&answer, ["error", "error"])?.unwrap_or_default()),
            field_errors: faults(&answer),
            ..nothing()
        });
    }
    let invoice = match answer.get("invoice") {
        Some(Value::Object(invoice)) => invoice,
        None | Some(Value::Null) => &answer,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(NotAsAgreed);
        }
    };
    Ok(CreateManualInvoiceResult {
        success: true,
        // An invoice that nobody can name was not made.
        invoice_id: Some(text(invoice, ["invoiceId", "invoice_id"])?.ok_or(NotAsAgreed)?),
        invoice_number: text(invoice, ["invoiceNumber", "invoice_number"])?,
        status: text(invoice, ["status", "status"])?,
        subtotal: number(invoice, "subtotal")?,
        tax: number(invoice, "tax")?,
        total: number(invoice, "total")?,
        ..nothing()
    })
}

/// The first of two names that is there.
fn text(object: &Map<String, Value>, names: [&str; 2]) -> Result<Option<String>, NotAsAgreed> {
    match names.iter().find_map(|name| object.get(*name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(NotAsAgreed)
        }
    }
}

fn number(object: &Map<String, Value>, name: &str) -> Result<Option<f64>, NotAsAgreed> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            Err(NotAsAgreed)
        }
    }
}

/// The contract has a text for them: an object is given as JSON.
fn faults(answer: &Map<String, Value>) -> Option<String> {
    match ["fieldErrors", "field_errors"].iter().find_map(|name| answer.get(*name))? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        faults @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(faults.to_string())
        }
    }
}

fn failed(error: impl Into<String>) -> CreateManualInvoiceResult {
    CreateManualInvoiceResult { error: Some(error.into()), ..nothing() }
}

const fn nothing() -> CreateManualInvoiceResult {
    CreateManualInvoiceResult {
        success: false,
        invoice_id: None,
        invoice_number: None,
        status: None,
        subtotal: None,
        tax: None,
        total: None,
        error: None,
        field_errors: None,
    }
}
