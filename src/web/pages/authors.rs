//! Who did something, as people read it.

use std::collections::BTreeMap;

use crate::app::App;
use crate::model::Actor;
use crate::registry::RegistryError;
use crate::web::extract::SignedIn;

/// The names of the tokens that the registry knows, by their ids.
#[derive(Debug, Default)]
pub(super) struct Authors(BTreeMap<String, String>);

impl Authors {
    /// Those that `who` may see.
    pub(super) async fn of(app: &App, who: &SignedIn) -> Result<Self, RegistryError> {
        let tokens = app.list_tokens(&who.principal).await?;
        Ok(Self(tokens.into_iter().map(|token| (token.id.to_string(), token.name)).collect()))
    }

    /// `token first token (pbj3xakg)` for `token pbj3xakg`. A token that is gone has no name,
    /// and the appliance itself is what the filter of the record calls it: `system`.
    pub(super) fn name(&self, actor: &str) -> String {
        if actor == Actor::System.to_string() {
            return "system".to_owned();
        }
        let id = actor.strip_prefix("token ");
        match id.and_then(|id| Some((id, self.0.get(id)?))) {
            Some((id, name)) => format!("token {name} ({id})"),
            None => actor.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_called_by_its_name_as_long_as_it_is_known() {
        let authors = Authors([("abcd2345".to_owned(), "first token".to_owned())].into());

        assert_eq!(authors.name("token abcd2345"), "token first token (abcd2345)");
        assert_eq!(authors.name("token zzzz2345"), "token zzzz2345");
        assert_eq!(authors.name("operator ada"), "operator ada");
        assert_eq!(authors.name("plugboard"), "system");
    }
}
