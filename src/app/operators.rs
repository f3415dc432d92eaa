//! Who administers the appliance.

use secrecy::SecretString;

use super::App;
use super::sign_in::PasswordError;
use crate::model::{Actor, AuditAction, Operator, OperatorName};
use crate::registry::{RegistryError, WriteTxn, audit, operators, setup};

/// Why an operator was not created.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("the operator {0} exists already")]
    Exists(OperatorName),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl App {
    /// Every operator, by name.
    pub async fn list_operators(&self) -> Result<Vec<Operator>, RegistryError> {
        self.registry.read(operators::list).await
    }

    /// Creates a further operator. The first one comes from set-up or from the host.
    pub async fn create_operator(
        &self,
        actor: Actor,
        name: OperatorName,
        password: SecretString,
    ) -> Result<Operator, OperatorError> {
        let operator = self.make_operator(name, password).await?;
        let event = self.event(actor, AuditAction::OperatorCreated, None, operator.name.as_str());
        let row = operator.clone();
        let write = move |txn: &WriteTxn| {
            let inserted = operators::insert(txn, &row)?;
            if inserted {
                // Whoever is on the host has made the set-up token superfluous.
                setup::clear(txn)?;
                audit::append(txn, &event)?;
            }
            Ok(inserted)
        };
        if self.registry.write(write).await? {
            std::fs::remove_file(self.setup_token_file()).ok();
            Ok(operator)
        } else {
            Err(OperatorError::Exists(operator.name))
        }
    }

    pub(crate) async fn make_operator(
        &self,
        name: OperatorName,
        password: SecretString,
    ) -> Result<Operator, PasswordError> {
        let password_hash = self.passwords.hash(password).await?;
        let now = self.clock.now();
        Ok(Operator { name, password_hash, created_at: now, password_changed_at: now })
    }
}
