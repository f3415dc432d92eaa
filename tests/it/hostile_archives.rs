//! Bundles made to harm: every class of them is refused with its own code, and
//! what only looks like them is not.

mod compression;
mod differential;
mod entries;
mod manifests;
mod paths;
mod pax;

use std::io::Cursor;

use plugboard::bundle::{self, BundleLimits};

use crate::support::raw_tar::{RawTar, zstd};

const MANIFEST: &[u8] =
    br#"{"name":"com.example.a","publisher":"Example","version":"1.0.0","runtime":"wasm-js@1"}"#;

/// An archive that is fine, to be continued.
fn start() -> RawTar {
    RawTar::new().file("manifest.json", MANIFEST)
}

/// The code the reader answers with; `ok` when it accepts. Unpacking must agree.
fn code_of(archive: &[u8]) -> &'static str {
    code_within(archive, &BundleLimits::default())
}

fn code_within(archive: &[u8], limits: &BundleLimits) -> &'static str {
    let read = bundle::read(archive, limits);
    let mut unpacked = Vec::new();
    let unpack = bundle::unpack(Cursor::new(archive), limits, &mut |path, reader| {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        unpacked.push((path.clone(), bytes.len() as u64));
        Ok(())
    });
    match (&read, &unpack) {
        (Ok(contents), Ok(hash)) => {
            unpacked.sort();
            let files = contents.files.iter().map(|file| (file.path.clone(), file.size));
            assert_eq!(files.collect::<Vec<_>>(), unpacked);
            assert_eq!(contents.content_hash, *hash);
        }
        (Err(refused), Err(also)) => assert_eq!(refused.code(), also.code()),
        // Only reading captures the manifest and the component.
        (Err(refused), Ok(_)) => assert!(
            ["manifest_missing", "manifest_too_large", "component_too_large"]
                .contains(&refused.code())
        ),
        (Ok(_), Err(refused)) => panic!("read and not unpacked: {refused}"),
    }
    read.map_or_else(|error| error.code(), |_| "ok")
}

/// The code for an archive of these tar bytes.
fn tar_code(tar: &[u8]) -> &'static str {
    code_of(&zstd(tar))
}

/// What an archive is about, the code it must get, and its tar bytes.
type Row = (&'static str, &'static str, Vec<u8>);

/// Holds a table of archives against the codes they must get.
fn assert_codes(table: &[Row]) {
    for (what, code, tar) in table {
        assert_eq!(tar_code(tar), *code, "{what}");
    }
}
