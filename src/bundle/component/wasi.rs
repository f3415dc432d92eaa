//! The part of WASI that there is, by name.
//!
//! Shapes are not compared: the host and every published toolchain take them
//! from the same standard, and the runner links the component before it is used.

use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::TypesRef;

use super::error::ComponentError;

/// The newest 0.2 that the host speaks; later ones may have functions it lacks.
const NEWEST_PATCH: u64 = 12;

/// Behind files and sockets is nothing, and a call of them ends the guest. Tools for scripts
/// import them whether the program opens any or not.
const INTERFACES: [(&str, &[&str]); 7] = [
    (
        "cli",
        &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    ),
    ("clocks", &["monotonic-clock", "wall-clock"]),
    ("filesystem", &["preopens", "types"]),
    ("http", &["outgoing-handler", "types"]),
    ("io", &["error", "poll", "streams"]),
    ("random", &["insecure", "insecure-seed", "random"]),
    (
        "sockets",
        &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// Proposals. No two of their versions go together, so each is known by its whole name.
const PROPOSED: [&str; 4] = [
    "wasi:config/store@0.2.0-rc.1",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:keyvalue/store@0.2.0-draft",
];

/// Checks the name of an imported `wasi:` interface.
pub(super) fn check_import(name: &str) -> Result<(), ComponentError> {
    let known = PROPOSED.contains(&name)
        || parse(name).is_some_and(|(package, interface)| {
            let of_package = INTERFACES.iter().find(|(known, _)| *known == package);
            of_package.is_some_and(|(_, interfaces)| interfaces.contains(&interface))
        });
    if known {
        Ok(())
    } else {
        Err(ComponentError::UnknownImport { interface: name.to_owned(), function: None })
    }
}

/// Whether an export makes the component one of `wasi:http/proxy` 0.2.
pub(super) fn is_incoming_handler(name: &str) -> bool {
    parse(name) == Some(("http", "incoming-handler"))
}

/// Checks that the export is what its name says, as far as the runner will ask.
pub(super) fn check_export(types: TypesRef<'_>, name: &str) -> Result<(), ComponentError> {
    let mismatch = |reason: &str| ComponentError::ExportMismatch {
        export: name.to_owned(),
        reason: reason.to_owned(),
    };
    let item = types.component_item_for_export(name).map(|item| item.ty);
    let Some(ComponentEntityType::Instance(instance)) = item else {
        return Err(mismatch("it is not an interface"));
    };
    let handle = types[instance].exports.get("handle").map(|item| item.ty);
    let Some(ComponentEntityType::Func(handle)) = handle else {
        return Err(mismatch("it has no function `handle`"));
    };
    let handle = &types[handle];
    if handle.params.len() != 2 || handle.result.is_some() || handle.async_ {
        return Err(mismatch("`handle` must take a request and a response-outparam"));
    }
    Ok(())
}

/// `wasi:http/types@0.2.3` as `("http", "types")`; `None` for other versions.
fn parse(name: &str) -> Option<(&str, &str)> {
    let (interface, version) = name.strip_prefix("wasi:")?.split_once('@')?;
    let patch = version.strip_prefix("0.2.")?;
    let is_plain = patch.bytes().all(|b| b.is_ascii_digit());
    if !is_plain || patch.parse::<u64>().ok()? > NEWEST_PATCH {
        return None;
    }
    interface.split_once('/')
}
