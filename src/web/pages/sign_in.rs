//! Signing in: `/sign-in`.

use super::failure::sentence;
use super::show::{lead_to, lead_to_with, page, plain_chrome};
use crate::app::App;
use crate::app::sign_in::{NewSession, SignInError};
use crate::web::cookie;
use crate::web::error::CHALLENGE;
use crate::web::extract::{Answer, ClientAddress, CsrfForm, Path, PublicForm, Query, SignedIn};
use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::Arc;

use super::{Chrome, FormErrors};

/// Posts `name`, `password` and `next` to `/sign-in`.
#[derive(Debug, Template)]
#[template(path = "pages/sign_in.html")]
pub struct SignInPage {
    pub chrome: Chrome,
    pub errors: FormErrors,
    pub name: String,
    /// The path asked for before signing in; checked again when it comes back.
    pub next: Option<String>,
}

/// Where to go after signing in.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct NextQuery {
    pub(super) next: Option<String>,
}

/// The form of the page.
#[derive(Deserialize)]
pub(in crate::web) struct SignInForm {
    name: String,
    password: SecretString,
    next: Option<String>,
}

/// A form with nothing in it but its token.
#[derive(Deserialize)]
pub(in crate::web) struct EmptyForm {}

/// `/`
pub(in crate::web) async fn show_start() -> Answer {
    Ok(lead_to("/admin/extensions"))
}

/// `/sign-in`
pub(in crate::web) async fn show_sign_in(
    State(app): State<Arc<App>>,
    Query(query): Query<NextQuery>,
) -> Answer {
    let next = query.next.filter(|next| is_own_page(next));
    page(&SignInPage {
        chrome: plain_chrome(&app),
        errors: FormErrors::none(),
        name: String::new(),
        next,
    })
}

/// Signs in, under a new session id.
pub(in crate::web) async fn submit_sign_in(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    PublicForm(form): PublicForm<SignInForm>,
) -> Answer {
    let next = form.next.filter(|next| is_own_page(next));
    match app.sign_in(&form.name, form.password, address).await {
        Ok(session) => {
            Ok(signed_in(&app, &session, next.as_deref().unwrap_or("/admin/extensions")))
        }
        Err(error @ SignInError::Wrong) => {
            let answer = retry(&app, &error, form.name, next)?;
            Ok((StatusCode::UNAUTHORIZED, [CHALLENGE], answer).into_response())
        }
        Err(error @ SignInError::TooManyTries { retry_after_s }) => {
            let answer = retry(&app, &error, form.name, next)?;
            let wait = [(header::RETRY_AFTER, retry_after_s.to_string())];
            Ok((StatusCode::TOO_MANY_REQUESTS, wait, answer).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// The form again, saying what was wrong.
fn retry(app: &App, error: &SignInError, name: String, next: Option<String>) -> Answer {
    let errors = FormErrors::one("", sentence(&error.to_string()));
    page(&SignInPage { chrome: plain_chrome(app), errors, name, next })
}

/// `/sign-in/{secret}`: an address that the owner of the process made.
pub(in crate::web) async fn follow_sign_in_link(
    State(app): State<Arc<App>>,
    Path(secret): Path<String>,
) -> Answer {
    let (session, path) = app.follow_sign_in_link(&secret).await?;
    Ok(signed_in(&app, &session, &path))
}

/// Ends the session here and on the server.
pub(in crate::web) async fn submit_sign_out(
    State(app): State<Arc<App>>,
    who: SignedIn,
    CsrfForm(EmptyForm {}): CsrfForm<EmptyForm>,
) -> Answer {
    app.sign_out(&who.session).await?;
    Ok(lead_to_with("/sign-in", cookie::clear(app.is_secure())))
}

pub(super) fn signed_in(app: &App, session: &NewSession, path: &str) -> axum::response::Response {
    lead_to_with(path, cookie::set(&session.cookie, app.is_secure()))
}

/// Only a page of ours: `//host` and `/\\host` lead elsewhere.
pub(super) fn is_own_page(path: &str) -> bool {
    path.starts_with("/admin/") && !path.contains('\\') && !path.contains("//")
}
