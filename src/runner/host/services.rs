//! `services`: no host application is configured.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::services;
use crate::runner::bindings::types::{
    ServiceReadError, ServiceSummary, ServicesListInput, ServicesListResult,
};

type Answer<T> = wasmtime::Result<Result<T, ServiceReadError>>;

impl services::Host for Host {
    async fn list_services(&mut self, _input: ServicesListInput) -> Answer<ServicesListResult> {
        self.no_services()
    }

    async fn get_service(&mut self, _service_id: String) -> Answer<Option<ServiceSummary>> {
        self.no_services()
    }
}

impl Host {
    fn no_services<T>(&mut self) -> Answer<T> {
        self.admit(Capability::ServiceRead)?;
        Ok(Err(ServiceReadError::NotAllowed))
    }
}
