//! `user` and `user-v2`: who is using the extension.

use super::Host;
use crate::model::Capability;
use crate::runner::bindings::types::{UserData, UserDataV2, UserError};
use crate::runner::bindings::{user, user_v2};
use crate::runner::invocation::UserIdentity;

impl user::Host for Host {
    fn get_user(&mut self) -> wasmtime::Result<Result<UserData, UserError>> {
        let tenant_id = self.context().install.tenant.as_str().to_owned();
        Ok(self.identity()?.map(|user| UserData {
            tenant_id,
            client_name: user.client_name.clone(),
            user_id: user.id.clone(),
            user_email: user.email.clone(),
            user_name: user.name.clone(),
            user_type: user.kind.clone(),
        }))
    }
}

impl user_v2::Host for Host {
    fn get_user(&mut self) -> wasmtime::Result<Result<UserDataV2, UserError>> {
        let tenant_id = self.context().install.tenant.as_str().to_owned();
        Ok(self.identity()?.map(|user| UserDataV2 {
            tenant_id,
            client_name: user.client_name.clone(),
            user_id: user.id.clone(),
            user_email: user.email.clone(),
            user_name: user.name.clone(),
            user_type: user.kind.clone(),
            client_id: user.client_id.clone(),
            // Sorted by key: it comes from an ordered map.
            additional_fields: user.additional.clone().into_iter().collect(),
        }))
    }
}

impl Host {
    fn identity(&mut self) -> wasmtime::Result<Result<&UserIdentity, UserError>> {
        if !self.admit(Capability::UserRead)? {
            return Ok(Err(UserError::NotAllowed));
        }
        Ok(self.user.as_deref().ok_or(UserError::NotAvailable))
    }
}
