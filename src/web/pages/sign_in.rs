//! Signing in: `/sign-in`.

use askama::Template;

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
