//! Which addresses may be dialled: public ones, and those that an operator named.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::{Network, PrivateNetwork};

/// Networks that are not the public internet: the special-purpose registries of IANA
/// (RFC 6890 and what came later), multicast, and what carries IPv4 addresses inside.
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Says of an address whether it may be dialled.
#[derive(Debug)]
pub(super) struct AddressRules {
    special: Vec<Network>,
    private: Vec<PrivateNetwork>,
    stand_ins: Vec<Network>,
}

impl AddressRules {
    /// `private` is what an operator lets in; `stand_ins` are networks of this machine that
    /// stand in for the internet, which only tests have.
    pub(super) fn new(private: &[PrivateNetwork], stand_ins: &[Network]) -> Self {
        let special = SPECIAL.iter().map(|text| text.parse().expect("a network of the table"));
        Self {
            special: special.collect(),
            private: private.to_vec(),
            stand_ins: stand_ins.to_vec(),
        }
    }

    /// Whether this address may be dialled; `own` are those of this machine and of what it
    /// uses itself.
    pub(super) fn allow(&self, address: SocketAddr, own: &[IpAddr]) -> bool {
        forms(address.ip()).all(|form| self.allow_form(form, address.port(), own))
    }

    /// Whether whatever an operator lets in, this one is not dialled.
    pub(super) fn bar(&self, address: IpAddr) -> bool {
        let stands_in = |form| self.stand_ins.iter().any(|network| network.contains(form));
        forms(address).any(|form| is_of_own_machine(form) && !stands_in(form))
    }

    fn allow_form(&self, address: IpAddr, port: u16, own: &[IpAddr]) -> bool {
        // Whatever an operator lets in: behind these are the appliance, and the keys of the cloud.
        if own.iter().any(|own| own.to_canonical() == address) {
            return false;
        }
        if self.stand_ins.iter().any(|network| network.contains(address)) {
            return true;
        }
        if is_of_own_machine(address) {
            return false;
        }
        let special = self.special.iter().any(|network| network.contains(address));
        !special || self.private.iter().any(|network| network.allows(address, port))
    }
}

fn is_of_own_machine(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_link_local() || address.is_unspecified()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unicast_link_local() || address.is_unspecified()
        }
    }
}

/// An address, and the IPv4 addresses that it may lead to.
fn forms(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let canonical = address.to_canonical();
    let embedded = match canonical {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => embedded(address),
    };
    [Some(canonical), embedded.map(IpAddr::V4)].into_iter().flatten()
}

/// The IPv4 address in an address of the ways from IPv6 to IPv4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let last = u32::try_from(bits & u128::from(u32::MAX)).expect("32 bits");
    let segments = address.segments();
    match segments {
        // IPv4-compatible (RFC 4291, section 2.5.5.1), but for `::` and `::1`.
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(last.into()),
        // NAT64 (RFC 6052, section 2.1; RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 1, ..] => Some(last.into()),
        // 6to4 (RFC 3056, section 2).
        [0x2002, high, low, ..] => Some(joined(high, low)),
        // Teredo: the client's address has all bits turned (RFC 4380, section 4).
        [0x2001, 0, ..] => Some((!last).into()),
        _ => None,
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    ((u32::from(high) << 16) | u32::from(low)).into()
}

/// The addresses of the interfaces of this machine, as of now. The kernel tells them over a
/// socket of `AF_NETLINK`, which may be forbidden: then nobody knows which are its own.
pub(super) fn of_interfaces() -> io::Result<Vec<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs()?;
    Ok(interfaces.into_iter().map(|interface| interface.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(private: &[&str]) -> AddressRules {
        let private: Vec<_> = private.iter().map(|text| text.parse().unwrap()).collect();
        AddressRules::new(&private, &[])
    }

    fn allow(rules: &AddressRules, address: &str) -> bool {
        rules
            .allow(SocketAddr::new(address.parse().unwrap(), 443), &["198.41.0.4".parse().unwrap()])
    }

    #[test]
    fn public_addresses_are_dialled() {
        for address in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(allow(&rules(&[]), address), "{address}");
        }
    }

    #[test]
    fn no_other_address_is_in_any_form() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::1.1.1.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::1.1.1.1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:0:1::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "198.41.0.4",
            "::ffff:198.41.0.4",
        ];
        for address in refused {
            assert!(!allow(&rules(&[]), address), "{address}");
        }
    }

    #[test]
    fn a_network_that_is_let_in_lets_in_nothing_else() {
        let rules = rules(&["10.1.2.3/32:443", "[fd00::]/8:443"]);

        assert!(allow(&rules, "10.1.2.3"));
        assert!(allow(&rules, "::ffff:10.1.2.3"));
        assert!(allow(&rules, "fd00::1"));
        assert!(!allow(&rules, "10.1.2.4"));
        assert!(!rules.allow("10.1.2.3:80".parse().unwrap(), &[]));
    }

    #[test]
    fn what_an_operator_lets_in_is_never_this_machine() {
        let rules = rules(&["0.0.0.0/0:443", "[::]/0:443", "[64:ff9b::]/96:443"]);

        for address in ["10.0.0.1", "192.168.1.1", "fd00::1", "64:ff9b::10.0.0.1"] {
            assert!(allow(&rules, address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "198.41.0.4",
            "::ffff:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::198.41.0.4",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "::127.0.0.1",
            "2001::80ff:fffe",
        ] {
            assert!(!allow(&rules, address), "{address}");
        }
    }

    #[test]
    fn the_interfaces_of_this_machine_are_found() {
        assert!(of_interfaces().unwrap().iter().any(IpAddr::is_loopback));
    }
}
