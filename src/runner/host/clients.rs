//! `clients`: no host application is configured.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::clients;
use crate::runner::bindings::types::{
    ClientReadError, ClientSummary, ClientsListInput, ClientsListResult,
};

type Answer<T> = wasmtime::Result<Result<T, ClientReadError>>;

impl clients::Host for Host {
    async fn list_clients(&mut self, _input: ClientsListInput) -> Answer<ClientsListResult> {
        self.no_clients()
    }

    async fn get_client(&mut self, _client_id: String) -> Answer<Option<ClientSummary>> {
        self.no_clients()
    }
}

impl Host {
    fn no_clients<T>(&mut self) -> Answer<T> {
        self.admit(Capability::ClientRead)?;
        Ok(Err(ClientReadError::NotAllowed))
    }
}
