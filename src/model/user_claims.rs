//! Whom a token stands for, in the words of whoever made it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes of one text.
const MAX_TEXT_BYTES: usize = 256;
/// Further fields, the bytes of one of their names, and of one of their values.
const MAX_FIELDS: usize = 32;
const MAX_FIELD_NAME_BYTES: usize = 64;
const MAX_FIELD_BYTES: usize = 1024;

/// What a token says of a person, as it was sent: nothing of it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimedUser {
    pub id: String,
    pub name: String,
    pub email: String,
    /// `internal` and `client` are those of existing applications.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    pub client_name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// The same, of a size and of letters that a guest and a header can take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ClaimedUser", into = "ClaimedUser")]
pub struct UserClaims(ClaimedUser);

/// The claims are none that a token has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClaims {
    #[error("a user has an id")]
    NoId,
    #[error("the {0} of a user has at most {MAX_TEXT_BYTES} bytes and no control characters")]
    Text(&'static str),
    #[error("a user has at most {MAX_FIELDS} further fields, not {0}")]
    TooManyFields(usize),
    #[error(
        "the name of a further field is 1 to {MAX_FIELD_NAME_BYTES} of `A-Z`, `a-z`, `0-9`, `.`, \
         `_` and `-`"
    )]
    FieldName,
    #[error("the field {0} has more than {MAX_FIELD_BYTES} bytes, or control characters")]
    Field(String),
}

impl UserClaims {
    /// What is claimed.
    pub const fn user(&self) -> &ClaimedUser {
        &self.0
    }
}

impl TryFrom<ClaimedUser> for UserClaims {
    type Error = InvalidClaims;

    fn try_from(user: ClaimedUser) -> Result<Self, InvalidClaims> {
        if user.id.trim().is_empty() {
            return Err(InvalidClaims::NoId);
        }
        let texts = [
            ("id", Some(&user.id)),
            ("name", Some(&user.name)),
            ("email", Some(&user.email)),
            ("type", Some(&user.kind)),
            ("client id", user.client_id.as_ref()),
            ("client name", Some(&user.client_name)),
        ];
        for (name, text) in texts {
            // They go into headers and onto terminals.
            if text.is_some_and(|text| !is_line(text, MAX_TEXT_BYTES)) {
                return Err(InvalidClaims::Text(name));
            }
        }
        if user.fields.len() > MAX_FIELDS {
            return Err(InvalidClaims::TooManyFields(user.fields.len()));
        }
        for (name, value) in &user.fields {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            if !(1..=MAX_FIELD_NAME_BYTES).contains(&name.len()) || !name.bytes().all(plain) {
                return Err(InvalidClaims::FieldName);
            }
            if !is_line(value, MAX_FIELD_BYTES) {
                return Err(InvalidClaims::Field(name.clone()));
            }
        }
        Ok(Self(user))
    }
}

impl From<UserClaims> for ClaimedUser {
    fn from(claims: UserClaims) -> Self {
        claims.0
    }
}

fn is_line(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> ClaimedUser {
        ClaimedUser { id: "u-1".to_owned(), ..ClaimedUser::default() }
    }

    fn check(user: ClaimedUser) -> Result<(), InvalidClaims> {
        UserClaims::try_from(user).map(|_| ())
    }

    #[test]
    fn an_id_is_enough_and_all_texts_are_bounded_lines() {
        assert_eq!(check(ada()), Ok(()));
        assert_eq!(check(ClaimedUser::default()), Err(InvalidClaims::NoId));
        assert_eq!(check(ClaimedUser { id: " ".to_owned(), ..ada() }), Err(InvalidClaims::NoId));
        let most = "ü".repeat(MAX_TEXT_BYTES / 2);
        assert_eq!(check(ClaimedUser { name: most.clone(), ..ada() }), Ok(()));
        for text in [format!("{most}a"), "a\r\nx-user-id: b".to_owned(), "a\u{1b}[2J".to_owned()] {
            for (name, user) in [
                ("id", ClaimedUser { id: text.clone(), ..ada() }),
                ("name", ClaimedUser { name: text.clone(), ..ada() }),
                ("email", ClaimedUser { email: text.clone(), ..ada() }),
                ("type", ClaimedUser { kind: text.clone(), ..ada() }),
                ("client id", ClaimedUser { client_id: Some(text.clone()), ..ada() }),
                ("client name", ClaimedUser { client_name: text.clone(), ..ada() }),
            ] {
                assert_eq!(check(user), Err(InvalidClaims::Text(name)));
            }
        }
    }

    #[test]
    fn further_fields_are_few_short_and_plainly_named() {
        let with = |fields: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            check(ClaimedUser { fields: fields.iter().map(pair).collect(), ..ada() })
        };
        let (most, long) = ("x".repeat(MAX_FIELD_BYTES), "x".repeat(MAX_FIELD_BYTES + 1));
        let names: Vec<_> = (0..=MAX_FIELDS).map(|number| number.to_string()).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();

        assert_eq!(with(&[("a.b-c_9", &most), ("b", "")]), Ok(()));
        assert_eq!(with(&many[1..]), Ok(()));
        assert_eq!(with(&many), Err(InvalidClaims::TooManyFields(33)));
        for value in [long.as_str(), "a\nb"] {
            assert_eq!(with(&[("a", value)]), Err(InvalidClaims::Field("a".to_owned())));
        }
        for name in ["", "a b", "ü", "a\n", &"a".repeat(65)] {
            assert_eq!(with(&[(name, "x")]), Err(InvalidClaims::FieldName), "{name:?}");
        }
    }

    #[test]
    fn what_is_read_from_a_row_is_checked_too() {
        let row = r#"{"id":"u-1","name":"","email":"","type":"client","client_name":"Acme"}"#;
        let claims: UserClaims = serde_json::from_str(row).unwrap();
        assert_eq!(serde_json::to_string(&claims).unwrap(), row);
        assert!(serde_json::from_str::<UserClaims>(r#"{"name":"Ada"}"#).is_err());
        assert!(serde_json::from_str::<UserClaims>(r#"{"id":"a","tenant":"b"}"#).is_err());
    }
}
