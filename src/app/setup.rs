//! First-run set-up: a one-time token turns into the first operator.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::App;
use super::sign_in::PasswordError;
use super::tokens::{CreatedToken, TokenRequest, random};
use crate::fail_point;
use crate::model::{Actor, AuditAction, Operator, OperatorName, Scope, ScopeKind, TenantId};
use crate::registry::{RegistryError, WriteTxn, audit, operators, setup, tokens};

/// Why set-up was not completed.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("this appliance is set up already")]
    Done,
    #[error("the setup token is wrong or has expired")]
    WrongToken,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("the setup token could not be written: {0}")]
    File(#[from] io::Error),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// The first operator, and a token for those who set up without a browser.
#[derive(Debug)]
pub struct SetupDone {
    pub operator: Operator,
    pub token: Option<CreatedToken>,
}

impl App {
    /// Where the setup token stands, for who is on the host.
    pub fn setup_token_file(&self) -> PathBuf {
        self.data_dir.join("setup-token")
    }

    /// Makes a new setup token, if no operator exists. A former one stops working.
    pub async fn begin_setup(&self) -> Result<Option<SecretString>, SetupError> {
        if self.registry.live().is_set_up() {
            return Ok(None);
        }
        let mut secret = [0; 16];
        random(&mut secret);
        let text = URL_SAFE_NO_PAD.encode(secret);
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let ttl = i64::try_from(self.config.auth.setup_token_ttl_s).unwrap_or(i64::MAX);
        let expires_at = self.clock.now() + SignedDuration::from_secs(ttl);
        let row = setup::SetupToken { secret_sha256: digest, expires_at };
        self.registry.write(move |txn| setup::put(txn, &row)).await?;
        fail_point!("setup.token_unwritten");
        write_private(&self.setup_token_file(), &text)?;
        Ok(Some(text.into()))
    }

    /// Creates the first operator and closes set-up, in one commit: of two
    /// callers with the token exactly one succeeds.
    pub async fn complete_setup(
        &self,
        setup_token: &str,
        name: OperatorName,
        password: SecretString,
        with_token: bool,
    ) -> Result<SetupDone, SetupError> {
        if self.registry.live().is_set_up() {
            return Err(SetupError::Done);
        }
        let digest: [u8; 32] = Sha256::digest(setup_token.as_bytes()).into();
        // Before the costly hash, so that guesses do not keep the slots busy.
        let known = self.registry.read(setup::get).await?;
        let now = self.clock.now();
        let fits = |row: &setup::SetupToken| {
            bool::from(digest.ct_eq(&row.secret_sha256)) && now < row.expires_at
        };
        if !known.as_ref().is_some_and(fits) {
            return Err(SetupError::WrongToken);
        }
        let operator = self.make_operator(name, password).await?;
        let token = with_token.then(|| self.first_token(&operator));
        let (row, token_row) = (operator.clone(), token.as_ref().map(|made| made.token.clone()));
        let event =
            self.event(Actor::Setup, AuditAction::SetupCompleted, None, operator.name.as_str());
        let write = move |txn: &WriteTxn| {
            let still_open =
                setup::get(txn)?.is_some_and(|row| bool::from(digest.ct_eq(&row.secret_sha256)));
            if !still_open {
                return Ok(false);
            }
            operators::insert(txn, &row)?;
            if let Some(token) = &token_row {
                tokens::insert(txn, token)?;
            }
            setup::clear(txn)?;
            audit::append(txn, &event)?;
            Ok(true)
        };
        fail_point!("setup.begin");
        if !self.registry.write(write).await? {
            return Err(SetupError::Done);
        }
        fail_point!("setup.committed");
        // The file is a convenience; the row that made it work is gone.
        fs::remove_file(self.setup_token_file()).ok();
        Ok(SetupDone { operator, token })
    }

    /// Everything a pipeline needs, in the default tenant.
    fn first_token(&self, operator: &Operator) -> CreatedToken {
        let request = TokenRequest {
            name: "first token, from set-up".to_owned(),
            tenant: TenantId::default_tenant(),
            scopes: ScopeKind::ALL.iter().map(|kind| Scope { kind: *kind, names: None }).collect(),
            days: None,
            user: None,
        };
        let (token, secret) = self.make_token(&Actor::Operator(operator.name.clone()), request);
        CreatedToken { token, secret }
    }
}

/// Writes a secret for the owner of the process only, replacing what was there.
fn write_private(file: &std::path::Path, text: &str) -> io::Result<()> {
    let new = file.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writeln!(out, "{text}")?;
    out.sync_all()?;
    fs::rename(new, file)
}
