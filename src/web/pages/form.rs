//! What is wrong with a submitted form.

use super::failure::sentence;

/// One field's problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The id of the field, which is its name except on the settings page.
    pub field: String,
    /// A sentence that says what to do.
    pub message: String,
}

/// All problems of a form: listed at the top of the page and beside each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormErrors {
    /// In the order of the fields. An empty field name: about the form as a whole.
    pub errors: Vec<FieldError>,
}

impl FormErrors {
    /// A form as it is first shown.
    pub fn none() -> Self {
        Self::default()
    }

    /// One problem of one field.
    pub fn one(field: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::none();
        errors.add(field, message);
        errors
    }

    /// Adds a problem: a clause, which becomes a sentence.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.errors
            .push(FieldError { field: field.to_owned(), message: sentence(&message.into()) });
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The one problem, where it belongs to no field.
    pub fn only_message(&self) -> Option<&str> {
        match self.errors.as_slice() {
            [only] if only.field.is_empty() => Some(&only.message),
            _ => None,
        }
    }

    /// The field of the one problem: what it is stands there.
    pub fn only_field(&self) -> Option<&str> {
        match self.errors.as_slice() {
            [only] if !only.field.is_empty() => Some(&only.field),
            _ => None,
        }
    }

    /// All that is wrong with `field`.
    pub fn all_of(&self, field: &str) -> impl Iterator<Item = &str> {
        let of_field = self.errors.iter().filter(move |error| error.field == field);
        of_field.map(|error| error.message.as_str())
    }

    /// What is wrong with `field`, first of all.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }
}
