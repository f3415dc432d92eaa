//! Looking at the bytes: hash, archive, manifest and component. Signatures come after.

use std::fs::File;
use std::io;

use super::report::{Check, CheckStatus, Finding, ReportedExtension, Rows};
use super::statement::{Subject, manifest_sha256};
use super::verification::{StagedUpload, reported};
use crate::bundle::{self, ArchiveError, BundleContents, BundleLimits, Reading};
use crate::model::{
    ContentHash, ExtensionVersion, Manifest, ReadManifest, StarVersion, Stars, TargetWorld,
};

/// A bundle that is sound in itself.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) contents: BundleContents,
    pub(super) manifest: Manifest,
    /// What the manifest says instead of a version, if it says `X.Y.*`.
    pub(super) star: Option<StarVersion>,
    pub(super) world: Option<TargetWorld>,
}

/// Why the examination ended early. The rows say more.
#[derive(Debug)]
pub(super) enum Stop {
    Rejected(Option<ReportedExtension>),
    /// Our file or our disk, and not the bundle, is at fault.
    NotChecked,
}

impl Examined {
    /// The facts that a statement about this bundle must have.
    pub(super) fn subject(&self) -> Subject {
        Subject {
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            star: self.star,
            content_hash: self.contents.content_hash,
            size: self.contents.size,
            manifest_sha256: manifest_sha256(&self.contents.manifest),
            target_world: self.world,
        }
    }
}

/// Runs the checks `transport` to `component`, in order.
pub(super) fn examine(
    upload: &mut StagedUpload,
    limits: &BundleLimits,
    stars: Stars,
    rows: &mut Rows,
) -> Result<Examined, Stop> {
    check_transport(upload, rows)?;
    let contents = read(upload, limits, rows)?;
    let (manifest, star) = check_manifest(&contents, stars, rows)?;
    let world = check_component(&contents, &manifest, rows)?;
    Ok(Examined { contents, manifest, star, world })
}

fn check_transport(upload: &StagedUpload, rows: &mut Rows) -> Result<(), Stop> {
    match upload.expected_hash {
        None => {
            let finding = Finding::new("hash_not_declared").found("the sender declared no hash");
            rows.add(Check::Transport, CheckStatus::Skipped, finding);
            Ok(())
        }
        Some(expected) if expected == upload.content_hash => {
            rows.pass(Check::Transport, format!("{} bytes, as declared", upload.size));
            Ok(())
        }
        Some(expected) => {
            let finding = Finding::new("hash_mismatch")
                .expected(expected.to_string())
                .found(upload.content_hash.to_string())
                .hint("The bytes were changed on the way, or it is another file: send it again.");
            rows.add(Check::Transport, CheckStatus::Fail, finding);
            Err(Stop::Rejected(None))
        }
    }
}

/// Takes what was read of the file, or reads it, for `integrity` and `archive`.
fn read(
    upload: &mut StagedUpload,
    limits: &BundleLimits,
    rows: &mut Rows,
) -> Result<BundleContents, Stop> {
    let reading = match upload.reading.take() {
        Some(reading) => Ok(reading),
        None => File::open(&upload.file).and_then(|file| Reading::of(file, limits)),
    };
    let reading = reading.map_err(|error| unreadable(&error, rows))?;
    // Bytes that changed since they were hashed must not be held against the sender, and
    // what was read of another file says nothing about this one.
    check_integrity(upload, reading.content_hash(), rows)?;
    match reading.into_contents() {
        Ok(contents) => {
            let files = contents.files.len();
            let unpacked = contents.unpacked_size;
            rows.pass(Check::Archive, format!("{files} files, {unpacked} bytes unpacked"));
            for warning in &contents.warnings {
                let finding = Finding::new(warning.code).found(warning.message.clone());
                rows.add(Check::Archive, CheckStatus::Warn, finding);
            }
            Ok(contents)
        }
        Err(error) => {
            rows.add(Check::Archive, CheckStatus::Fail, archive_finding(&error));
            Err(Stop::Rejected(None))
        }
    }
}

fn check_integrity(upload: &StagedUpload, found: ContentHash, rows: &mut Rows) -> Result<(), Stop> {
    if found == upload.content_hash {
        rows.pass(Check::Integrity, found.to_string());
        return Ok(());
    }
    let finding = Finding::new("staged_file_changed")
        .expected(upload.content_hash.to_string())
        .found(found.to_string())
        .hint("The file changed on this appliance after it was received: send it again.");
    rows.add(Check::Integrity, CheckStatus::Fail, finding);
    Err(Stop::NotChecked)
}

fn check_manifest(
    contents: &BundleContents,
    stars: Stars,
    rows: &mut Rows,
) -> Result<(Manifest, Option<StarVersion>), Stop> {
    match Manifest::read(&contents.manifest, stars) {
        Ok(ReadManifest { manifest, star, warnings }) => {
            let stated = star.map_or_else(|| manifest.version.to_string(), |star| star.to_string());
            rows.pass(Check::Manifest, format!("{} {stated}", manifest.name));
            for warning in warnings {
                let finding =
                    Finding::new(warning.code).found(located(&warning.path, &warning.message));
                rows.add(Check::Manifest, CheckStatus::Warn, finding);
            }
            warn_of_missing_files(contents, &manifest, rows);
            Ok((manifest, star))
        }
        Err(problems) => {
            for problem in problems.0 {
                let finding =
                    Finding::new(problem.code).found(located(&problem.path, &problem.message));
                rows.add(Check::Manifest, CheckStatus::Fail, finding);
            }
            Err(Stop::Rejected(None))
        }
    }
}

/// Existing bundles name an entry that nothing ever read, so that a missing
/// file is no refusal; the page would answer 404 and its author should know.
fn warn_of_missing_files(contents: &BundleContents, manifest: &Manifest, rows: &mut Rows) {
    let has = |path: &str| contents.files.iter().any(|file| file.path.as_str() == path);
    let page = manifest.ui.as_ref().map(|ui| ("ui_entry_missing", format!("ui/{}", ui.entry)));
    let icon = manifest.icon.as_ref().map(|icon| ("icon_missing", icon.to_string()));
    for (code, file) in page.into_iter().chain(icon).filter(|(_, file)| !has(file)) {
        let finding = Finding::new(code)
            .expected(format!("a file {file}, as the manifest says"))
            .found("no such file");
        rows.add(Check::Manifest, CheckStatus::Warn, finding);
    }
}

fn check_component(
    contents: &BundleContents,
    manifest: &Manifest,
    rows: &mut Rows,
) -> Result<Option<TargetWorld>, Stop> {
    let path = ExtensionVersion::COMPONENT_PATH;
    let refuse = |rows: &mut Rows, finding| {
        rows.add(Check::Component, CheckStatus::Fail, finding);
        Err(Stop::Rejected(Some(reported(manifest))))
    };
    let Some(wasm) = &contents.component else {
        let calls = manifest.endpoints.len();
        if calls > 0 {
            let finding = Finding::new("component_missing")
                .expected(format!(
                    "a file {path}, because the manifest declares {calls} endpoint(s)"
                ))
                .found("no such file")
                .hint("Build the component before packing, or remove `api` from the manifest.");
            return refuse(rows, finding);
        }
        let finding = Finding::new("no_component").found("the extension is only pages");
        rows.add(Check::Component, CheckStatus::Skipped, finding);
        return Ok(None);
    };
    match bundle::inspect(wasm) {
        Ok(facts) => {
            rows.pass(Check::Component, format!("{path} fits {}", facts.world.as_str()));
            Ok(Some(facts.world))
        }
        Err(error) => refuse(
            rows,
            Finding::new(error.code())
                .expected(format!("{path} is a component that fits a world of this appliance"))
                .found(error.to_string())
                .hint(sentence(error.hint())),
        ),
    }
}

fn archive_finding(error: &ArchiveError) -> Finding {
    Finding::new(error.code()).found(error.to_string()).hint(sentence(error.hint()))
}

/// A clause as a machine reports it, as the sentence that a hint is.
fn sentence(clause: &str) -> String {
    let mut rest = clause.chars();
    let first = rest.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(rest).chain(['.']).collect()
}

fn unreadable(error: &io::Error, rows: &mut Rows) -> Stop {
    let finding = Finding::new("staged_file_unreadable")
        .found(error.to_string())
        .hint("The appliance could not read what it received: send it again.");
    rows.add(Check::Integrity, CheckStatus::Fail, finding);
    Stop::NotChecked
}

fn located(path: &str, message: &str) -> String {
    if path == "$" { message.to_owned() } else { format!("{path}: {message}") }
}
