//! Secrets that go with a call: the host writes them, and the guest sees neither the secret
//! nor the header.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::model::{SecretHeader, SecretName, marked, places_of};

/// Shorter values stand in innocent fields, too.
const MIN_BYTES: usize = 8;

/// A secret that is bound to the host of a call.
pub struct Credential {
    pub name: SecretName,
    pub header: SecretHeader,
    pub value: SecretString,
}

/// Why a secret does not go with a call. Nothing of its value is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretRefusal {
    #[error("what stands in `x-plugboard-secret` is no name of a secret")]
    Name,
    #[error("more than {0} secrets are asked for")]
    TooMany(usize),
    #[error("there is no secret {0}")]
    Missing(SecretName),
    #[error("the secret {0} is bound to no hosts: the extension reads it itself")]
    Unbound(SecretName),
    #[error("the secret {0} is not bound to this host")]
    OtherHost(SecretName),
    #[error("the secret {0} is expired")]
    Expired(SecretName),
    #[error("the secret {0} is not sent without encryption: `egress.secrets_in_clear` is off")]
    InClear(SecretName),
    #[error("the secret {0} would take the place of another in the same header")]
    SameHeader(SecretName),
    #[error("the secret {0} cannot be written into a header")]
    NotForHeaders(SecretName),
    /// The log has why.
    #[error("the secret {0} could not be read")]
    Unreadable(SecretName),
}

impl Credential {
    /// Writes it, in place of whatever the guest has put there.
    pub(super) fn put_into(&self, fields: &mut HeaderMap) -> Result<(), SecretRefusal> {
        let refused = || SecretRefusal::NotForHeaders(self.name.clone());
        let name: HeaderName = self.header.name().parse().map_err(|_| refused())?;
        let (before, after) = self.header.around();
        let text = Zeroizing::new([before, self.value.expose_secret(), after].concat());
        let mut value = HeaderValue::from_str(&text).map_err(|_| refused())?;
        value.set_sensitive(true);
        fields.insert(name, value);
        Ok(())
    }
}

/// Takes them out of the fields of a response: a server may quote what it got.
pub(super) fn hide_in(credentials: &[Credential], fields: &mut HeaderMap) {
    let secrets = credentials.iter().map(|credential| credential.value.expose_secret().as_bytes());
    let secrets: Vec<_> = secrets.filter(|secret| secret.len() >= MIN_BYTES).collect();
    for value in fields.values_mut() {
        let text = value.as_bytes();
        let found: Vec<_> = secrets.iter().flat_map(|secret| places_of(text, secret)).collect();
        if !found.is_empty() {
            // What was a value stays one: what is left of it is, and the mark.
            *value = HeaderValue::from_bytes(&marked(text, found))
                .unwrap_or_else(|_| HeaderValue::from_static("[secret]"));
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(value: &str, header: &str) -> Credential {
        let name = "api_key".parse().unwrap();
        Credential { name, header: header.parse().unwrap(), value: value.into() }
    }

    #[test]
    fn it_takes_the_place_of_all_that_the_guest_has_put_there() {
        let mut fields = HeaderMap::new();
        fields.append("authorization", HeaderValue::from_static("Bearer of-the-guest"));
        fields.append("authorization", HeaderValue::from_static("Basic of-the-guest"));

        let written = credential("hunter2", "authorization: Bearer {secret}");
        written.put_into(&mut fields).unwrap();

        let found: Vec<_> = fields.get_all("authorization").iter().collect();
        assert_eq!(found, ["Bearer hunter2"]);
        assert!(!format!("{fields:?}{written:?}").contains("hunter2"));
    }

    #[test]
    fn a_value_that_would_end_the_line_is_not_written() {
        for value in ["a\r\nhost: evil.test", "a\nb", "a\0"] {
            let mut fields = HeaderMap::new();

            let written = credential(value, "x-api-key").put_into(&mut fields);

            assert_eq!(written, Err(SecretRefusal::NotForHeaders("api_key".parse().unwrap())));
            assert!(fields.is_empty());
        }
    }

    #[test]
    fn what_a_server_quotes_comes_back_without_it() {
        let mut fields = HeaderMap::new();
        for value in ["Bearer hunter2hunter2", "hunter2hunter2hunter2hunter2,b", "hunter2"] {
            fields.append("x-echo", HeaderValue::from_static(value));
        }

        let known = ["hunter2hunter2", "hunter2"].map(|value| credential(value, "x-api-key"));
        hide_in(&known, &mut fields);

        let found: Vec<_> = fields.get_all("x-echo").iter().collect();
        assert_eq!(found, ["Bearer [secret]", "[secret],b", "hunter2"]);
    }

    #[test]
    fn values_that_overlap_leave_nothing_of_each_other() {
        let mut fields = HeaderMap::new();
        fields.append("x-echo", HeaderValue::from_static("<abcdefghijklmnopq> abcdefghij"));

        let known = ["abcdefghij", "hijklmnopq"].map(|value| credential(value, "x-api-key"));
        hide_in(&known, &mut fields);

        assert_eq!(fields["x-echo"], "<[secret]> [secret]");
    }
}
