//! Finding the addresses of a name.

use std::fs;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

/// Who knows the addresses of names. Beside the one that ships, tests have one that answers
/// what they tell it to, and remembers what it was asked.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// The addresses of `name`, which is in lower case and without a dot at its end.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the system. A name that nobody answers holds a thread for as long as that
/// waits, longer than the caller does.
#[derive(Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let name = name.to_owned();
        let lookup = move || {
            let name = if name.contains('.') && !is_in_hosts_file(&name) {
                // Whole, so that no search list is tried: `name.corp.example` is not on the
                // allowlist, and not to be asked for.
                format!("{name}.")
            } else {
                name
            };
            let found = (name.as_str(), 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        };
        spawn_blocking(lookup).await.map_err(io::Error::other)?
    }
}

/// Whether the hosts file has the name: those it lists are found without a dot at the end
/// only, and without asking anybody.
fn is_in_hosts_file(name: &str) -> bool {
    fs::read_to_string("/etc/hosts").is_ok_and(|text| lists(&text, name))
}

/// hosts(5): an address, then names; `#` begins a comment.
fn lists(hosts: &str, name: &str) -> bool {
    let names = hosts.lines().flat_map(|line| {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        line.split_ascii_whitespace().skip(1)
    });
    names.into_iter().any(|listed| listed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_lists_names_and_not_comments() {
        let hosts = "127.0.0.1 localhost\n10.1.2.3\tDB.internal db # old.internal\n# x.internal\n";

        for name in ["localhost", "db.internal", "db"] {
            assert!(lists(hosts, name), "{name}");
        }
        for name in ["10.1.2.3", "old.internal", "x.internal", "internal", "b.internal"] {
            assert!(!lists(hosts, name), "{name}");
        }
    }

    #[tokio::test]
    async fn the_system_knows_this_machine() {
        let found = SystemResolver.resolve("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty());
    }
}
