//! Entering the password again, for what a session of some time ago may not do.

use std::net::IpAddr;

use secrecy::SecretString;

use super::{NewSession, SignInError};
use crate::app::App;
use crate::model::{Actor, AuditAction, Session};
use crate::registry::{WriteTxn, audit, sessions};

impl App {
    /// Checks the password of a session's operator, under the limits of signing
    /// in, and puts a new session in the place of the old one.
    ///
    /// A new id, so that whoever may know the old one does not gain by it.
    pub async fn step_up(
        &self,
        session: &Session,
        password: SecretString,
        address: Option<IpAddr>,
    ) -> Result<NewSession, SignInError> {
        let name = &session.operator;
        let known = self.registry.live().operator(name).cloned();
        let operator = self.check_password(name, known, password, address).await?;
        let made = self.new_session(&operator);
        let actor = Actor::Operator(name.clone());
        let event = self.event(actor, AuditAction::SteppedUp, None, name.as_str());
        let (row, old) = (made.session.clone(), session.id_sha256);
        let write = move |txn: &WriteTxn| {
            sessions::remove(txn, &old)?;
            sessions::insert(txn, &row)?;
            audit::append(txn, &event)
        };
        self.registry.write(write).await?;
        Ok(made)
    }
}
