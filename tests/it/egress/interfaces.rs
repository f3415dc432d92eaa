//! The addresses of this machine, without which nothing is called.

use std::fs;
use std::path::Path;

use plugboard::egress::EgressError;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::Door;
use crate::support::internet::{Script, Server};
use crate::support::{again, is_again, passes};

/// As `RestrictAddressFamilies` does in a unit that does not name `AF_NETLINK`.
fn deny_netlink() {
    let family = u64::from(libc::AF_NETLINK.cast_unsigned());
    let is_netlink =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family).unwrap();
    let rule = SeccompRule::new(vec![is_netlink]).unwrap();
    let denied = SeccompAction::Errno(libc::EAFNOSUPPORT.cast_unsigned());
    let target = std::env::consts::ARCH.try_into().unwrap();
    let rules = [(libc::SYS_socket, vec![rule])].into();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, target).unwrap();
    let filter: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&filter).unwrap();
}

/// In a process of its own, which is filtered to its end.
#[test]
fn nothing_is_called_while_nobody_knows_the_addresses_of_this_machine() {
    if !is_again() {
        let test = "egress::interfaces::\
                    nothing_is_called_while_nobody_knows_the_addresses_of_this_machine";
        return passes(again(test));
    }
    deny_netlink();
    let runtime = tokio::runtime::Runtime::new().unwrap();

    runtime.block_on(async {
        let server = Server::start(Script::body("hello")).await;
        let door = Door::new(|_| ());
        door.internet.name("api.example.com", &["127.77.0.1"]);
        let url = server.entry("api.example.com");

        let outcome = door.get(&url, &[&url]).await;

        assert!(matches!(outcome, Err(EgressError::Interfaces(_))), "{outcome:?}");
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn the_unit_lets_the_appliance_ask_for_the_addresses_of_its_machine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unit = fs::read_to_string(root.join("packaging/plugboard.service")).unwrap();

    let families = unit.lines().find_map(|line| line.strip_prefix("RestrictAddressFamilies="));

    let families: Vec<_> = families.unwrap().split_whitespace().collect();
    assert!(families.contains(&"AF_NETLINK"), "{families:?}");
}
