//! Entering the password again before something dangerous: `/admin/step-up`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use secrecy::SecretString;
use serde::Deserialize;

use super::failure::sentence;
use super::show::{chrome, page};
use super::sign_in::{NextQuery, is_own_page, signed_in};
use super::{Chrome, FormErrors};
use crate::app::App;
use crate::app::sign_in::SignInError;
use crate::web::error::CHALLENGE;
use crate::web::extract::{Answer, ClientAddress, CsrfForm, Query, SignedIn};

/// Posts `password` and `next` to `/admin/step-up`.
#[derive(Debug, Template)]
#[template(path = "pages/step_up.html")]
pub struct StepUpPage {
    pub chrome: Chrome,
    pub errors: FormErrors,
    /// How long a password counts as just entered.
    pub minutes: u64,
    /// The page to go back to; checked again when it comes back.
    pub next: Option<String>,
}

/// The form of the page.
#[derive(Deserialize)]
pub(in crate::web) struct StepUpForm {
    password: SecretString,
    next: Option<String>,
}

/// `/admin/step-up`
pub(in crate::web) async fn show_step_up(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Query(query): Query<NextQuery>,
) -> Answer {
    page(&StepUpPage::new(&app, &who, FormErrors::none(), query.next))
}

/// Goes on under a new session, or asks again.
pub(in crate::web) async fn submit_step_up(
    State(app): State<Arc<App>>,
    who: SignedIn,
    ClientAddress(address): ClientAddress,
    CsrfForm(form): CsrfForm<StepUpForm>,
) -> Answer {
    let again = |text: &str| {
        let errors = FormErrors::one("password", text);
        page(&StepUpPage::new(&app, &who, errors, form.next.clone()))
    };
    match app.step_up(&who.session, form.password, address).await {
        Ok(session) => {
            let next = form.next.as_deref().filter(|next| is_own_page(next));
            Ok(signed_in(&app, &session, next.unwrap_or("/admin/extensions")))
        }
        Err(SignInError::Wrong) => {
            let answer = again("The password is wrong.")?;
            Ok((StatusCode::UNAUTHORIZED, [CHALLENGE], answer).into_response())
        }
        Err(error @ SignInError::TooManyTries { retry_after_s }) => {
            let wait = [(header::RETRY_AFTER, retry_after_s.to_string())];
            let answer = again(&sentence(&error.to_string()))?;
            Ok((StatusCode::TOO_MANY_REQUESTS, wait, answer).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

impl StepUpPage {
    fn new(app: &App, who: &SignedIn, errors: FormErrors, next: Option<String>) -> Self {
        Self {
            chrome: chrome(app, who, ""),
            errors,
            minutes: app.config.auth.step_up_s / 60,
            next: next.filter(|next| is_own_page(next)),
        }
    }
}
