//! What a change of an install changed, in words for the audit record: names only, as
//! settings may hold what is nobody else's business.

use std::collections::BTreeSet;

use crate::model::Install;

/// Bytes of it. What follows is said to follow, and nothing more.
const MAX_BYTES: usize = 2_000;

/// What is different of an install, and what it is when it is new.
pub(super) fn between(before: Option<&Install>, after: &Install) -> Option<String> {
    let grants = |install: &Install| texts(install.grants.iter().map(ToString::to_string));
    let hosts = |install: &Install| texts(install.egress.iter().map(ToString::to_string));
    let was = |of: &dyn Fn(&Install) -> BTreeSet<String>| before.map(of).unwrap_or_default();

    let mut said = Vec::new();
    if let Some(before) = before.filter(|before| before.version != after.version) {
        said.push(format!("from {}", before.version));
    }
    said.extend(signed(&was(&grants), &grants(after)));
    said.extend(signed(&was(&hosts), &hosts(after)));
    let old = before.map(|before| &before.settings);
    let names = texts(old.into_iter().chain([&after.settings]).flat_map(|all| all.keys().cloned()));
    let changed = names.iter().filter(|name| {
        old.and_then(|old| old.get(name.as_str())) != after.settings.get(name.as_str())
    });
    said.extend(changed.map(|name| format!("setting {name}")));
    (!said.is_empty()).then(|| shortened(&said))
}

fn texts(of: impl Iterator<Item = String>) -> BTreeSet<String> {
    of.collect()
}

/// `+added` and `-removed`.
fn signed(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<String> {
    let added = after.difference(before).map(|text| format!("+{text}"));
    added.chain(before.difference(after).map(|text| format!("-{text}"))).collect()
}

fn shortened(said: &[String]) -> String {
    let mut text = String::new();
    for (index, part) in said.iter().enumerate() {
        if text.len() + part.len() > MAX_BYTES {
            let left = said.len() - index;
            return format!("{text}, and {left} more");
        }
        text.push_str(if text.is_empty() { "" } else { ", " });
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::model::{ContentHash, InstallId, TenantId};

    fn install(grants: &[&str], hosts: &[&str], settings: &serde_json::Value) -> Install {
        Install {
            id: InstallId::random(),
            tenant: TenantId::default_tenant(),
            name: "com.example.a".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
            content_hash: ContentHash::of(b"a"),
            enabled: true,
            grants: grants.iter().map(|grant| grant.parse().unwrap()).collect(),
            egress: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            settings: settings.as_object().unwrap().clone(),
            previous: None,
            installed_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_came_and_what_went_is_said_and_no_value_of_a_setting() {
        let empty = json!({});
        let new = install(&["cap:http.fetch"], &["*.example.net"], &empty);
        let settings = json!({"region": "s3cret", "loud": true});
        let mut changed = install(&[], &["a.example.net"], &settings);
        changed.version = "1.1.0".parse().unwrap();

        assert_eq!(between(None, &new).unwrap(), "+cap:http.fetch, +https://*.example.net");
        assert_eq!(
            between(Some(&new), &changed).unwrap(),
            "from 1.0.0, -cap:http.fetch, +https://a.example.net, -https://*.example.net, \
             setting loud, setting region"
        );
        let mut louder = changed.clone();
        louder.settings["loud"] = json!("=");
        assert_eq!(between(Some(&changed), &louder).unwrap(), "setting loud");
        assert_eq!(between(Some(&changed), &changed), None);
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let hosts: Vec<_> = (10..100).map(|n| format!("host-{n}.of.example.net")).collect();
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();

        let said = between(None, &install(&[], &hosts, &json!({}))).unwrap();

        assert!(said.len() < MAX_BYTES + 50 && said.ends_with(" more"), "{said}");
    }
}
