//! Filters of a list, as an address of the API or of a page has them: members of a query, of
//! which an empty one is as none, since a form sends it so.

use url::form_urlencoded::Serializer;

use super::error::ApiError;
use super::pages::FormErrors;

/// What is wrong with one member.
#[derive(Debug)]
pub(super) struct WrongParameter {
    pub(super) name: &'static str,
    pub(super) problem: String,
}

/// Everything that is wrong with a query.
#[derive(Debug, Default)]
pub(super) struct WrongParameters(pub(super) Vec<WrongParameter>);

impl WrongParameters {
    /// What a member says, unless it is empty or wrong.
    pub(super) fn read<T, E: ToString>(
        &mut self,
        name: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        parse(text).map_err(|error| self.add(name, &error)).ok()
    }

    pub(super) fn add(&mut self, name: &'static str, problem: &impl ToString) {
        self.0.push(WrongParameter { name, problem: problem.to_string() });
    }

    /// The query, if nothing was wrong with it.
    pub(super) fn unless_any<T>(self, query: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(query) } else { Err(self) }
    }

    /// Tells a form, whose fields have these labels.
    pub(super) fn tell(self, errors: &mut FormErrors, labels: &[(&str, &str)]) {
        for wrong in self.0 {
            // What is only in the address has no field to lead to.
            let label = labels.iter().find(|(name, _)| *name == wrong.name);
            let (field, label) = label.copied().unwrap_or(("", wrong.name));
            errors.add(field, format!("{label}: {}.", wrong.problem));
        }
    }
}

impl From<WrongParameters> for ApiError {
    fn from(wrong: WrongParameters) -> Self {
        let said = wrong.0.iter().map(|wrong| format!("`{}`: {}", wrong.name, wrong.problem));
        Self::malformed(said.collect::<Vec<_>>().join("; "))
    }
}

/// Reads the number of a row, or of what `which` else.
pub(super) fn number_of(which: &'static str) -> impl Fn(&str) -> Result<u64, String> {
    move |text| text.parse().map_err(|_| format!("it is the number of a {which}"))
}

/// Reads how many are asked for.
pub(super) fn up_to(most: usize) -> impl Fn(&str) -> Result<usize, String> {
    move |text| {
        let wanted = text.parse().ok().filter(|wanted| (1..=most).contains(wanted));
        wanted.ok_or_else(|| format!("it is a number from 1 to {most}"))
    }
}

/// An address with those members that are not empty.
pub(super) fn address(path: &str, members: &[(&'static str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(members.iter().filter(|(_, text)| !text.is_empty()));
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}
