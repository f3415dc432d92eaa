//! First run: the one-time token and the first operator, `/setup`.

use super::failure::sentence;
use super::show::{lead_to, lead_to_with, page, plain_chrome};
use crate::app::App;
use crate::app::setup::SetupError;
use crate::web::cookie;
use crate::web::extract::{Answer, PublicForm};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::Arc;

use super::{Chrome, FormErrors};

/// Posts `token`, `name`, `password` and `password_again` to `/setup`.
#[derive(Debug, Template)]
#[template(path = "pages/setup.html")]
pub struct SetupPage {
    pub chrome: Chrome,
    pub errors: FormErrors,
    /// As it was sent; empty at first.
    pub token: String,
    pub name: String,
}

/// The form of the page.
#[derive(Deserialize)]
pub(in crate::web) struct SetupForm {
    token: String,
    name: String,
    password: SecretString,
    password_again: SecretString,
}

/// `/setup`: there is nothing to set up a second time.
pub(in crate::web) async fn show_setup(State(app): State<Arc<App>>) -> Answer {
    if app.registry.live().is_set_up() {
        return Ok(lead_to("/sign-in"));
    }
    show(&app, FormErrors::none(), String::new(), String::new())
}

fn show(app: &App, errors: FormErrors, token: String, name: String) -> Answer {
    page(&SetupPage { chrome: plain_chrome(app), errors, token, name })
}

/// Creates the first operator and signs them in.
pub(in crate::web) async fn submit_setup(
    State(app): State<Arc<App>>,
    PublicForm(form): PublicForm<SetupForm>,
) -> Answer {
    use secrecy::ExposeSecret;
    let SetupForm { token, name, password, password_again } = form;
    let retry = |errors: FormErrors| -> Answer {
        let answer = show(&app, errors, token.clone(), name.clone())?;
        Ok((StatusCode::UNPROCESSABLE_ENTITY, answer).into_response())
    };
    let Ok(operator) = name.trim().parse() else {
        return retry(FormErrors::one("name", "The name is 1 to 64 of a-z, 0-9 and . _ @ + -."));
    };
    if password.expose_secret() != password_again.expose_secret() {
        return retry(FormErrors::one("password_again", "The two passwords differ."));
    }
    match app.complete_setup(token.trim(), operator, password, false).await {
        Ok(done) => {
            let session = app.begin_session(&done.operator).await?;
            let cookie = cookie::set(&session.cookie, app.is_secure());
            Ok(lead_to_with("/admin/extensions", cookie))
        }
        Err(error @ SetupError::WrongToken) => {
            retry(FormErrors::one("token", sentence(&error.to_string())))
        }
        Err(SetupError::Password(error)) => {
            retry(FormErrors::one("password", sentence(&error.to_string())))
        }
        Err(error) => Err(error.into()),
    }
}
