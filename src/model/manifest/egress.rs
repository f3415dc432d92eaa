//! The `egress` member: the hosts an extension wants to call.
//!
//! An entry is `[scheme://]host[:port]`; the host is a name, `*.` and a name,
//! or an IP address. What an entry allows is for the appliance to decide; here
//! it only must have one reading.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::findings::{Findings, Object, check_text};
use super::text::TextRule;
use crate::model::Capability;

const MAX_ENTRIES: usize = 100;

pub(super) fn read(
    root: &Object<'_>,
    capabilities: &[Capability],
    findings: &mut Findings,
) -> Vec<String> {
    let mut entries = Vec::new();
    for (path, value) in root.list("egress", MAX_ENTRIES, findings) {
        let Some(text) = check_text(value, &path, TextRule::line(300), findings) else { continue };
        let entry = text.trim().to_ascii_lowercase();
        match check_entry(&entry) {
            Ok(()) if entries.contains(&entry) => {}
            Ok(()) => entries.push(entry),
            Err(reason) => findings.problem(&path, "egress_invalid", format!("`{path}` {reason}")),
        }
    }
    if !entries.is_empty() && !capabilities.contains(&Capability::HttpFetch) {
        let message = "`egress` has no effect without the capability `cap:http.fetch`";
        findings.warn("egress", "egress_without_capability", message);
    }
    entries
}

fn check_entry(entry: &str) -> Result<(), &'static str> {
    let rest = match entry.split_once("://") {
        None => entry,
        Some(("https" | "http", rest)) => rest,
        Some(_) => return Err("has a scheme other than `https` and `http`"),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("has a `[` without a `]`")?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')) };
            address.parse::<Ipv6Addr>().map_err(|_| "has no IPv6 address between `[` and `]`")?;
            (None, port.map(Option::unwrap_or_default))
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(rest), None),
        },
    };
    port.map_or(Ok(()), check_port)?;
    host.map_or(Ok(()), check_host)
}

fn check_port(port: &str) -> Result<(), &'static str> {
    let digits = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    match port.parse::<u16>() {
        Ok(_) if digits => Ok(()),
        _ => Err("has a port that is not a number from 1 to 65535"),
    }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    if host.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    let (name, is_wildcard) = host.strip_prefix("*.").map_or((host, false), |name| (name, true));
    let labels: Vec<_> = name.split('.').collect();
    if name.is_empty() || name.len() > 253 || !labels.iter().copied().all(is_label) {
        return Err("is not `[scheme://]host[:port]` with a plain host name or an IP address");
    }
    // `127.1` and `0x7f000001` are addresses to some, names to others.
    if labels.last().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit())) {
        return Err("has a host name whose last part is a number");
    }
    if is_wildcard && labels.len() < 2 {
        return Err("has a `*.` before a whole top-level domain");
    }
    Ok(())
}

fn is_label(label: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
