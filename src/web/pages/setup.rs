//! First run: the one-time token and the first operator, `/setup`.

use askama::Template;

use super::{Chrome, FormErrors};

/// Posts `token`, `name`, `password` and `password_again` to `/setup`.
#[derive(Debug, Template)]
#[template(path = "pages/setup.html")]
pub struct SetupPage {
    pub chrome: Chrome,
    pub errors: FormErrors,
    /// From the address that `serve` prints, or as it was sent.
    pub token: String,
    pub name: String,
}
