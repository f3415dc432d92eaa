//! Which hosts a secret is to go to, as a door was told.

use super::SecretError;
use crate::model::{
    BindingChange, EgressRule, InvalidEgressRule, InvalidSecretHeader, Scheme, SecretBinding,
    SecretHeader,
};

/// Hosts of one secret.
pub const MAX_SECRET_HOSTS: usize = 16;

/// What a door was sent about the hosts of a secret. An empty list lets the extension read it;
/// without any word of them, those of the value before stay.
#[derive(Clone, Debug, Default)]
pub struct BindingRequest {
    pub hosts: Option<Vec<String>>,
    pub header: Option<String>,
}

/// Why a secret is not bound to hosts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// Counted from 1. What it says is not quoted: it may be the value, in the wrong place.
    #[error("host {at}: {error}")]
    Host { at: usize, error: InvalidEgressRule },
    #[error("{0} hosts are named; {MAX_SECRET_HOSTS} are allowed")]
    TooManyHosts(usize),
    #[error("{0} is not encrypted, and whoever is on the way would read the secret")]
    InClear(EgressRule),
    #[error(transparent)]
    Header(#[from] InvalidSecretHeader),
    #[error("a header is of use to a secret that has hosts, and none are named")]
    HeaderWithoutHosts,
    #[error("a secret that goes into a header is one line of visible ASCII characters")]
    NotForHeaders,
}

impl BindingRequest {
    /// What it comes to, where calls without encryption may carry secrets or not.
    pub(super) fn check(self, in_clear: bool) -> Result<BindingChange, BindingError> {
        let header = self.header.filter(|text| !text.trim().is_empty());
        let Some(hosts) = self.hosts else {
            return if header.is_none() {
                Ok(BindingChange::Keep)
            } else {
                Err(BindingError::HeaderWithoutHosts)
            };
        };
        if hosts.len() > MAX_SECRET_HOSTS {
            return Err(BindingError::TooManyHosts(hosts.len()));
        }
        let mut rules: Vec<EgressRule> = Vec::with_capacity(hosts.len());
        for (index, text) in hosts.iter().enumerate() {
            let rule = text.trim().parse::<EgressRule>();
            let rule = rule.map_err(|error| BindingError::Host { at: index + 1, error })?;
            if rule.scheme == Scheme::Http && !in_clear {
                return Err(BindingError::InClear(rule));
            }
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        match (rules.is_empty(), header) {
            (true, Some(_)) => Err(BindingError::HeaderWithoutHosts),
            (true, None) => Ok(BindingChange::Unbind),
            (false, header) => {
                let header = header.map(|text| text.parse::<SecretHeader>()).transpose()?;
                let header = header.unwrap_or_default();
                Ok(BindingChange::Bind(SecretBinding { hosts: rules, header }))
            }
        }
    }
}

/// Whether a value can stand in a header: otherwise it would never go anywhere.
pub(super) fn fits_header(value: &str) -> bool {
    value.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

impl From<BindingError> for SecretError {
    fn from(error: BindingError) -> Self {
        Self::Binding(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(hosts: Option<&[&str]>, header: Option<&str>) -> Result<String, BindingError> {
        let hosts = hosts.map(|hosts| hosts.iter().map(ToString::to_string).collect());
        let request = BindingRequest { hosts, header: header.map(str::to_owned) };
        request.check(false).map(|change| match change {
            BindingChange::Keep => "keeps".to_owned(),
            BindingChange::Unbind => "is read".to_owned(),
            BindingChange::Bind(binding) => binding.to_string(),
        })
    }

    #[test]
    fn no_word_keeps_the_hosts_and_an_empty_list_takes_them_away() {
        assert_eq!(asked(None, None).unwrap(), "keeps");
        assert_eq!(asked(None, Some(" ")).unwrap(), "keeps");
        assert_eq!(asked(Some(&[]), None).unwrap(), "is read");
        assert_eq!(
            asked(Some(&["api.example.com", "*.example.net:8443", "api.example.com"]), None)
                .unwrap(),
            "goes to https://api.example.com, https://*.example.net:8443 as \
             `authorization: Bearer {secret}`"
        );
        assert_eq!(
            asked(Some(&[" 192.0.2.1 "]), Some("X-API-Key")).unwrap(),
            "goes to https://192.0.2.1 as `x-api-key: {secret}`"
        );
    }

    #[test]
    fn what_would_give_the_secret_away_or_go_nowhere_is_refused() {
        let many = vec!["a.example.com"; MAX_SECRET_HOSTS + 1];
        let clear = "http://api.example.com";
        assert_eq!(
            asked(Some(&["a.example.com", "*"]), None),
            Err(BindingError::Host { at: 2, error: InvalidEgressRule::Everything })
        );
        assert_eq!(asked(Some(&[clear]), None), Err(BindingError::InClear(clear.parse().unwrap())));
        assert_eq!(asked(Some(&many), None), Err(BindingError::TooManyHosts(17)));
        assert_eq!(asked(None, Some("x-api-key")), Err(BindingError::HeaderWithoutHosts));
        assert_eq!(asked(Some(&[]), Some("x-api-key")), Err(BindingError::HeaderWithoutHosts));
        assert_eq!(
            asked(Some(&["a.example.com"]), Some("host: {secret}")),
            Err(BindingError::Header(InvalidSecretHeader::NotForSecrets))
        );
        let request = BindingRequest { hosts: Some(vec![clear.to_owned()]), header: None };
        assert!(matches!(request.check(true), Ok(BindingChange::Bind(_))));
    }
}
