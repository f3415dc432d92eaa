//! `invoicing`: no host application is configured.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::invoicing;
use crate::runner::bindings::types::{CreateManualInvoiceInput, CreateManualInvoiceResult};

impl invoicing::Host for Host {
    async fn create_manual_invoice(
        &mut self,
        _input: CreateManualInvoiceInput,
    ) -> wasmtime::Result<CreateManualInvoiceResult> {
        let error = self.unavailable(Capability::InvoiceManualCreate, "invoicing")?;
        Ok(CreateManualInvoiceResult {
            success: false,
            invoice_id: None,
            invoice_number: None,
            status: None,
            subtotal: None,
            tax: None,
            total: None,
            error: Some(error),
            field_errors: None,
        })
    }
}
