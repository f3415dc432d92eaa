//! `clients`: those of the operator's own application.

use serde::{Deserialize, Serialize};

use super::Host;
use super::application::{List, One, Page, ReadRefusal};
use crate::callbacks::Interface;
use crate::model::Capability;
use crate::runner::bindings::clients;
use crate::runner::bindings::types::{
    ClientReadError, ClientSummary, ClientsListInput, ClientsListResult,
};

const READ: (Capability, Interface) = (Capability::ClientRead, Interface::Clients);

type Answer<T> = wasmtime::Result<Result<T, ClientReadError>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListInput {
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_inactive: Option<bool>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GetInput {
    client_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    client_id: String,
    client_name: String,
    client_type: Option<String>,
    is_inactive: bool,
    default_currency_code: Option<String>,
    account_manager_id: Option<String>,
    account_manager_name: Option<String>,
    billing_email: Option<String>,
}

impl clients::Host for Host {
    async fn list_clients(&mut self, input: ClientsListInput) -> Answer<ClientsListResult> {
        let ClientsListInput { search, include_inactive, page, page_size } = input;
        let page = Page::new(page, page_size);
        let input = page.map(|page| ListInput { search, include_inactive, page });
        let list: Result<List<Row>, _> = self.read(READ, "list", input).await?;
        Ok(list.map_err(Into::into).map(|list| ClientsListResult {
            items: list.items.into_iter().map(Into::into).collect(),
            total_count: list.total_count,
            page: list.page,
            page_size: list.page_size,
        }))
    }

    async fn get_client(&mut self, client_id: String) -> Answer<Option<ClientSummary>> {
        let one: Result<One<Row>, _> = self.read(READ, "get", Some(GetInput { client_id })).await?;
        Ok(one.map_err(Into::into).map(|one| one.item.map(Into::into)))
    }
}

impl From<Row> for ClientSummary {
    fn from(client: Row) -> Self {
        Self {
            client_id: client.client_id,
            client_name: client.client_name,
            client_type: client.client_type,
            is_inactive: client.is_inactive,
            default_currency_code: client.default_currency_code,
            account_manager_id: client.account_manager_id,
            account_manager_name: client.account_manager_name,
            billing_email: client.billing_email,
        }
    }
}

impl From<ReadRefusal> for ClientReadError {
    fn from(refusal: ReadRefusal) -> Self {
        match refusal {
            ReadRefusal::NotAllowed => Self::NotAllowed,
            ReadRefusal::InvalidInput => Self::InvalidInput,
            ReadRefusal::Internal => Self::Internal,
        }
    }
}
