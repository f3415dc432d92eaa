//! The secrets of an install: `/admin/extensions/{name}/secrets`. Values go in here, and none
//! comes out.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use secrecy::{ExposeSecret, SecretString};

use super::extension::{ExtensionQuery, find};
use super::show::{chrome, lead_to, page};
use super::sign_in::EmptyForm;
use super::{Authors, Chrome, ConfirmPage, ExtensionHead, FormErrors, SecretRow};
use crate::app::App;
use crate::app::secrets::{BindingError, BindingRequest, SecretError, SecretRequest};
use crate::model::{Capability, ExtensionName, Install, InstallId, SecretFacts, SecretName};
use crate::web::confidential::ConfidentialForm;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, CsrfForm, Path, Query, SignedIn};

/// The secrets tab. Posts `key`, `value`, `expires`, `hosts` and `header` to
/// `/admin/installs/{id}/secrets`.
#[derive(Debug, Template)]
#[template(path = "pages/secrets.html")]
pub struct SecretsPage {
    pub chrome: Chrome,
    pub head: ExtensionHead,
    pub rows: Vec<SecretRow>,
    /// Whether its manifest asks to read any.
    pub is_asked: bool,
    /// Whether the install may read what is set.
    pub is_granted: bool,
    pub errors: FormErrors,
    /// What was typed before, but for the value.
    pub key: String,
    pub expires: String,
    pub hosts: String,
    pub header: String,
}

impl ConfirmPage {
    /// Asks before a secret is removed.
    pub fn remove_secret(chrome: Chrome, install: &Install, facts: &SecretFacts) -> Self {
        let (name, secret, id) = (&install.name, &facts.name, install.id);
        let page = format!("/admin/extensions/{name}/secrets");
        Self {
            chrome,
            title: format!("Remove the secret {secret} of {name}?"),
            consequences: vec![format!("{name} is told that there is no such secret.")],
            kept: vec!["Who set it and who removed it stays on record.".to_owned()],
            obstacle: None,
            warning: Some("A removed value cannot be brought back.".to_owned()),
            asks_reason: false,
            purges: None,
            way: None,
            action: format!("/admin/installs/{id}/secrets/{secret}/remove"),
            button: "Remove".to_owned(),
            cancel: page,
        }
    }
}

/// What a form had in it, but for the value.
#[derive(Default)]
struct Typed {
    key: String,
    expires: String,
    hosts: String,
    header: String,
}

/// Shows names and dates.
pub(in crate::web) async fn show_extension_secrets(
    State(app): State<Arc<App>>,
    Path(name): Path<ExtensionName>,
    Query(query): Query<ExtensionQuery>,
    who: SignedIn,
) -> Answer {
    show(&app, &who, &name, &query, Typed::default(), FormErrors::none()).await
}

/// Keeps a value, or shows the form again with what does not fit.
pub(in crate::web) async fn submit_secret(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path(id): Path<InstallId>,
    form: ConfidentialForm,
) -> Answer {
    let typed = Typed {
        key: form.text("key")?,
        expires: form.text("expires")?,
        hosts: form.text("hosts")?,
        header: form.text("header")?,
    };
    let value = form.secret("value")?;
    let name = app.get_install(&who.principal, id)?.install.name.clone();
    match keep(&app, &who, id, &typed, value).await? {
        None => Ok(lead_to(&format!("/admin/extensions/{name}/secrets?done=secret_set"))),
        Some(errors) => {
            let again = show(&app, &who, &name, &ExtensionQuery::default(), typed, errors).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, again).into_response())
        }
    }
}

/// What is wrong with the form, if anything is.
async fn keep(
    app: &App,
    who: &SignedIn,
    id: InstallId,
    typed: &Typed,
    value: SecretString,
) -> Result<Option<FormErrors>, ApiError> {
    let expires_at = match typed.expires.trim() {
        "" => Ok(None),
        text => SecretFacts::read_expiry(text).map(Some),
    };
    // All that is wrong at once; what is seen only with the others is found below.
    let mut errors = FormErrors::none();
    if let Err(error) = typed.key.trim().parse::<SecretName>() {
        errors.add("key", error.to_string());
    }
    if value.expose_secret().is_empty() {
        errors.add("value", SecretError::Empty.to_string());
    }
    let expires_at = match expires_at {
        Ok(at) if errors.is_empty() => at,
        Ok(_) => return Ok(Some(errors)),
        Err(error) => {
            errors.add("expires", error.to_string());
            return Ok(Some(errors));
        }
    };
    let hosts = typed.hosts.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // A form without hosts says nothing of them: so a new value cannot give one away by mistake.
    let hosts = (!hosts.is_empty()).then_some(hosts);
    let binding = BindingRequest { hosts, header: Some(typed.header.clone()) };
    let request = SecretRequest { name: typed.key.trim().to_owned(), value, expires_at, binding };
    let error = match app.set_secret(&who.principal, id, request).await {
        Ok(_kept) => return Ok(None),
        Err(error) => error,
    };
    let field = match &error {
        SecretError::Name(_) => "key",
        SecretError::Empty
        | SecretError::TooLarge(_)
        | SecretError::Binding(BindingError::NotForHeaders) => "value",
        SecretError::Past { .. } => "expires",
        SecretError::Binding(BindingError::Header(_)) => "header",
        SecretError::Binding(
            BindingError::Host { .. }
            | BindingError::TooManyHosts(_)
            | BindingError::InClear(_)
            | BindingError::HeaderWithoutHosts,
        ) => "hosts",
        SecretError::TooMany { .. } => "",
        SecretError::Unknown { .. }
        | SecretError::Install(_)
        | SecretError::Sealing(_)
        | SecretError::State(_)
        | SecretError::Registry(_) => return Err(error.into()),
    };
    Ok(Some(FormErrors::one(field, format!("{error}."))))
}

/// Asks before a secret is removed.
pub(in crate::web) async fn confirm_remove_secret(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path((id, key)): Path<(InstallId, String)>,
) -> Answer {
    let row = app.get_install(&who.principal, id)?;
    let secrets = app.list_secrets(&who.principal, id).await?;
    let facts = secrets.iter().find(|facts| facts.name.as_str() == key);
    let extension = row.install.name.clone();
    let facts = facts.ok_or(SecretError::Unknown { extension, name: key })?;
    let chrome = chrome(&app, &who, "extensions");
    page(&ConfirmPage::remove_secret(chrome, &row.install, facts))
}

/// Removes a secret.
pub(in crate::web) async fn submit_remove_secret(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Path((id, key)): Path<(InstallId, String)>,
    CsrfForm(EmptyForm {}): CsrfForm<EmptyForm>,
) -> Answer {
    let name = app.get_install(&who.principal, id)?.install.name.clone();
    app.remove_secret(&who.principal, id, &key).await?;
    Ok(lead_to(&format!("/admin/extensions/{name}/secrets?done=secret_removed")))
}

async fn show(
    app: &App,
    who: &SignedIn,
    name: &ExtensionName,
    query: &ExtensionQuery,
    typed: Typed,
    errors: FormErrors,
) -> Answer {
    let found = find(app, who, name, query).await?;
    let secrets = match found.install() {
        Some(install) => app.list_secrets(&who.principal, install.id).await?,
        None => Vec::new(),
    };
    let granted = |install: &Install| install.grants.contains(&Capability::SecretsGet);
    let (now, authors) = (app.clock.now(), Authors::of(app, who).await?);
    let row = |facts| {
        let row = SecretRow::new(facts, now);
        SecretRow { set_by: authors.name(&row.set_by), ..row }
    };
    page(&SecretsPage {
        head: found.head("secrets"),
        rows: secrets.iter().map(row).collect(),
        is_asked: found.asks_for(Capability::SecretsGet),
        is_granted: found.install().is_some_and(granted),
        chrome: found.chrome,
        errors,
        key: typed.key,
        expires: typed.expires,
        hosts: typed.hosts,
        header: typed.header,
    })
}
