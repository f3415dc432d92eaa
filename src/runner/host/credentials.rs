//! Secrets that a guest has sent with a call without reading them.
//!
//! It asks for one by name, in a header of the call that never goes out. So a call goes with
//! a secret only where the extension means it to, and one that it was tricked into making to
//! the same host goes without.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::guest_log::GuestLog;
use crate::egress::{Credential, Destination, SecretRefusal};
use crate::model::SecretName;
use crate::runner::invocation::ExecutionContext;
use crate::state::secrets::{CallLookup, InstallSecrets};

/// Names the secrets that go with a call, each in a field of its own.
const ASKED: HeaderName = HeaderName::from_static("x-plugboard-secret");
/// Secrets of one call.
const MAX_ASKED: usize = 4;

/// Where the secrets of calls come from.
#[derive(Clone)]
pub(super) struct Credentials {
    /// `None`: the install has none.
    pub(super) secrets: Option<InstallSecrets>,
    pub(super) log: Arc<GuestLog>,
    pub(super) context: ExecutionContext,
}

impl Credentials {
    /// Takes what the guest asks for out of the fields of its call, and finds it.
    pub(super) async fn take(
        &self,
        fields: &mut HeaderMap,
        to: &Destination,
    ) -> Result<Vec<Credential>, SecretRefusal> {
        let names = asked(fields)?;
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            add(&mut found, self.find(name, to).await?)?;
        }
        Ok(found)
    }

    async fn find(&self, name: SecretName, to: &Destination) -> Result<Credential, SecretRefusal> {
        let Some(secrets) = &self.secrets else { return Err(SecretRefusal::Missing(name)) };
        match secrets.for_call(name.clone(), (to.scheme(), to.host(), to.port())).await {
            Ok(CallLookup::Found(header, value)) => {
                // A server that quotes it must not put it into the log of its guest.
                self.log.keep_out(&value);
                Ok(Credential { name, header, value })
            }
            Ok(CallLookup::OtherHost) => Err(SecretRefusal::OtherHost(name)),
            Ok(CallLookup::Unbound) => Err(SecretRefusal::Unbound(name)),
            Ok(CallLookup::Expired) => Err(SecretRefusal::Expired(name)),
            Ok(CallLookup::Missing) => Err(SecretRefusal::Missing(name)),
            Err(error) => {
                super::secrets::unreadable(&self.context, &error);
                Err(SecretRefusal::Unreadable(name))
            }
        }
    }
}

/// The second of two secrets in one header would take the place of the first.
fn add(found: &mut Vec<Credential>, one: Credential) -> Result<(), SecretRefusal> {
    if found.iter().any(|other| other.header.name() == one.header.name()) {
        return Err(SecretRefusal::SameHeader(one.name));
    }
    found.push(one);
    Ok(())
}

/// The names that a call asks for; the field is gone from then on.
fn asked(fields: &mut HeaderMap) -> Result<Vec<SecretName>, SecretRefusal> {
    let mut names: Vec<SecretName> = Vec::new();
    for value in fields.get_all(&ASKED) {
        let name = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        let name = name.ok_or(SecretRefusal::Name);
        match name {
            Ok(name) if names.contains(&name) => {}
            Ok(_) if names.len() == MAX_ASKED => return Err(SecretRefusal::TooMany(MAX_ASKED)),
            Ok(name) => names.push(name),
            Err(refusal) => return Err(refusal),
        }
    }
    fields.remove(&ASKED);
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_for(values: &[&str]) -> Result<Vec<String>, SecretRefusal> {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(ASKED, value.parse().unwrap());
        }
        let names = asked(&mut fields)?;
        assert!(!fields.contains_key(ASKED));
        Ok(names.into_iter().map(String::from).collect())
    }

    #[test]
    fn each_field_names_one_secret_and_there_are_four_at_the_most() {
        assert_eq!(asked_for(&[]), Ok(vec![]));
        assert_eq!(asked_for(&["b", "a", "b"]), Ok(vec!["b".to_owned(), "a".to_owned()]));
        assert_eq!(asked_for(&["a", "b", "c", "d", "a"]).map(|names| names.len()), Ok(4));
        assert_eq!(asked_for(&["a", "b", "c", "d", "e"]), Err(SecretRefusal::TooMany(4)));
        for text in ["", "a, b", "a b", "-a", "ü"] {
            assert_eq!(asked_for(&[text]), Err(SecretRefusal::Name), "{text}");
        }
    }

    #[test]
    fn two_secrets_do_not_go_into_one_header() {
        let credential = |name: &str, header: &str| Credential {
            name: name.parse().unwrap(),
            header: header.parse().unwrap(),
            value: "hunter2".into(),
        };
        let mut found = Vec::new();

        add(&mut found, credential("a", "authorization: Bearer {secret}")).unwrap();
        add(&mut found, credential("b", "x-api-key")).unwrap();
        let refused = add(&mut found, credential("c", "Authorization: Basic {secret}"));

        assert_eq!(refused, Err(SecretRefusal::SameHeader("c".parse().unwrap())));
        assert_eq!(found.len(), 2);
    }
}
