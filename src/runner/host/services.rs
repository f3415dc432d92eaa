//! `services`: those of the operator's own application.

use serde::{Deserialize, Serialize};

use super::Host;
use super::application::{List, One, Page, ReadRefusal};
use crate::callbacks::Interface;
use crate::model::Capability;
use crate::runner::bindings::services;
use crate::runner::bindings::types::{
    ServiceBillingMethod, ServiceItemKind, ServiceReadError, ServiceSummary, ServicesListInput,
    ServicesListResult,
};

const READ: (Capability, Interface) = (Capability::ServiceRead, Interface::Services);

type Answer<T> = wasmtime::Result<Result<T, ServiceReadError>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListInput {
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_method: Option<Billing>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GetInput {
    service_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    service_id: String,
    service_name: String,
    item_kind: Kind,
    billing_method: Billing,
    service_type_id: Option<String>,
    service_type_name: Option<String>,
    default_rate: f64,
    unit_of_measure: String,
    is_active: bool,
    sku: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Service,
    Product,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Billing {
    Fixed,
    Hourly,
    Usage,
}

impl services::Host for Host {
    async fn list_services(&mut self, input: ServicesListInput) -> Answer<ServicesListResult> {
        let ServicesListInput { search, item_kind, is_active, billing_method, .. } = input;
        let (item_kind, billing_method) =
            (item_kind.map(Into::into), billing_method.map(Into::into));
        let page = Page::new(input.page, input.page_size);
        let input =
            page.map(|page| ListInput { search, item_kind, is_active, billing_method, page });
        let list: Result<List<Row>, _> = self.read(READ, "list", input).await?;
        Ok(list.map_err(Into::into).map(|list| ServicesListResult {
            items: list.items.into_iter().map(Into::into).collect(),
            total_count: list.total_count,
            page: list.page,
            page_size: list.page_size,
        }))
    }

    async fn get_service(&mut self, service_id: String) -> Answer<Option<ServiceSummary>> {
        let one: Result<One<Row>, _> =
            self.read(READ, "get", Some(GetInput { service_id })).await?;
        Ok(one.map_err(Into::into).map(|one| one.item.map(Into::into)))
    }
}

impl From<ServiceItemKind> for Kind {
    fn from(kind: ServiceItemKind) -> Self {
        match kind {
            ServiceItemKind::Service => Self::Service,
            ServiceItemKind::Product => Self::Product,
        }
    }
}

impl From<ServiceBillingMethod> for Billing {
    fn from(method: ServiceBillingMethod) -> Self {
        match method {
            ServiceBillingMethod::Fixed => Self::Fixed,
            ServiceBillingMethod::Hourly => Self::Hourly,
            ServiceBillingMethod::Usage => Self::Usage,
        }
    }
}

impl From<Row> for ServiceSummary {
    fn from(service: Row) -> Self {
        Self {
            service_id: service.service_id,
            service_name: service.service_name,
            item_kind: match service.item_kind {
                Kind::Service => ServiceItemKind::Service,
                Kind::Product => ServiceItemKind::Product,
            },
            billing_method: match service.billing_method {
                Billing::Fixed => ServiceBillingMethod::Fixed,
                Billing::Hourly => ServiceBillingMethod::Hourly,
                Billing::Usage => ServiceBillingMethod::Usage,
            },
            service_type_id: service.service_type_id,
            service_type_name: service.service_type_name,
            default_rate: service.default_rate,
            unit_of_measure: service.unit_of_measure,
            is_active: service.is_active,
            sku: service.sku,
        }
    }
}

impl From<ReadRefusal> for ServiceReadError {
    fn from(refusal: ReadRefusal) -> Self {
        match refusal {
            ReadRefusal::NotAllowed => Self::NotAllowed,
            ReadRefusal::InvalidInput => Self::InvalidInput,
            ReadRefusal::Internal => Self::Internal,
        }
    }
}
