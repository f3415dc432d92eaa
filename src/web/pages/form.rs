//! What is wrong with a submitted form.

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

    /// Adds a problem.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), message: message.into() });
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

    /// What is wrong with `field`.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }
}
