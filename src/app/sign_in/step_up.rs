//! Entering the password again, for what a session of some time ago may not do.

use std::net::IpAddr;

use secrecy::SecretString;

use super::{NewSession, SignInError, is_current};
use crate::app::App;
use crate::model::{Actor, AuditAction, Session};
use crate::registry::{WriteTxn, audit, sessions};

impl App {
    /// Checks the password of a session's operator, under the limits of signing
    /// in, and puts a new session in the place of the old one.
    ///
    /// A new id, so that whoever may know the old one does not gain by it. A session that was
    /// ended while the password was checked stays ended.
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
            let goes_on = is_current(txn, &operator)? && sessions::remove(txn, &old)?;
            if goes_on {
                sessions::insert(txn, &row)?;
                audit::append(txn, &event)?;
            }
            Ok(goes_on)
        };
        if self.registry.write(write).await? { Ok(made) } else { Err(SignInError::Wrong) }
    }
}
