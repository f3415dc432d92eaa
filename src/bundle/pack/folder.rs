//! Which files of a folder go into its bundle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use super::{PackError, PackProblem};
use crate::bundle::{BundleLimits, MANIFEST_PATH};
use crate::model::{AssetPath, ExtensionVersion};

/// A file to pack.
#[derive(Clone, Debug)]
pub(super) struct SourceFile {
    /// Where it is.
    pub(super) source: PathBuf,
    /// Where it goes.
    pub(super) path: AssetPath,
    pub(super) size: u64,
}

/// What is in the folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The manifest first, so that a reader knows early; then sorted by path.
    pub(super) files: Vec<SourceFile>,
    pub(super) left_out: Vec<String>,
    pub(super) problems: Vec<PackProblem>,
}

/// Looks at everything below `folder`.
pub(super) fn find(folder: &Path, limits: &BundleLimits) -> Result<Found, PackError> {
    let mut found = Found::default();
    visit(folder, "", &mut found)?;
    found.files.sort_by(|a, b| {
        let key = |file: &SourceFile| (file.path.as_str() != MANIFEST_PATH, file.path.clone());
        key(a).cmp(&key(b))
    });
    found.left_out.sort();
    found.check_cases();
    found.check_limits(limits);
    found.problems.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn visit(folder: &Path, below: &str, found: &mut Found) -> Result<(), PackError> {
    let read_error = |source: io::Error| PackError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(read_error)? {
        let entry = entry.map_err(read_error)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let path = format!("{below}{}", name.to_string_lossy());
            found.problem(&path, "path_encoding", "has a name that is not UTF-8");
            continue;
        };
        let path = format!("{below}{name}");
        if name.starts_with('.') && name != ".well-known" {
            found.left_out.push(path);
            continue;
        }
        // Links are not followed: what they point to may differ from machine to machine.
        let kind = entry.file_type().map_err(read_error)?;
        if kind.is_dir() {
            visit(&entry.path(), &format!("{path}/"), found)?;
        } else if kind.is_file() {
            let size = entry.metadata().map_err(read_error)?.len();
            found.add(entry.path(), &path, size);
        } else if kind.is_symlink() {
            found.problem(&path, "link_entry", "is a link; put a copy of the file in its place");
        } else {
            found.problem(&path, "device_entry", "is a device, a pipe or a socket");
        }
    }
    Ok(())
}

impl Found {
    fn problem(&mut self, path: &str, code: &str, what: &str) {
        let path = path.escape_debug().to_string();
        let message = format!("`{path}` {what}");
        self.problems.push(PackProblem { path, code: code.to_owned(), message });
    }

    fn add(&mut self, source: PathBuf, path: &str, size: u64) {
        match path.parse() {
            Ok(path) => self.files.push(SourceFile { source, path, size }),
            Err(error) => {
                self.problem(path, "path_invalid", &format!("cannot be in a bundle: {error}"));
            }
        }
    }

    /// Names that are one file on a case-insensitive file system.
    fn check_cases(&mut self) {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in &self.files {
            let path = file.path.as_str();
            let ends = path.match_indices('/').map(|(slash, _)| slash).chain([path.len()]);
            for end in ends {
                let name = path[..end].to_owned();
                names.entry(name.to_ascii_lowercase()).or_default().insert(name);
            }
        }
        for spellings in names.into_values().filter(|spellings| spellings.len() > 1) {
            let spellings: Vec<_> = spellings.into_iter().collect();
            let what = format!("and `{}` differ only in upper and lower case", spellings[1]);
            self.problem(&spellings[0], "case_collision", &what);
        }
    }

    fn check_limits(&mut self, limits: &BundleLimits) {
        let mut folders = BTreeSet::new();
        let mut total = 0;
        let mut too_large = Vec::new();
        for SourceFile { path, size, .. } in &self.files {
            let (code, limit) = match path.as_str() {
                MANIFEST_PATH => ("manifest_too_large", limits.max_manifest_bytes),
                ExtensionVersion::COMPONENT_PATH => {
                    ("component_too_large", limits.max_component_bytes)
                }
                _ => ("file_too_large", limits.max_file_bytes),
            };
            if *size > limit {
                let what = format!("is {size} bytes long; {limit} are allowed");
                too_large.push((path.to_string(), code, what));
            }
            total += size;
            folders.extend(path.as_str().match_indices('/').map(|(end, _)| &path.as_str()[..end]));
        }
        let entries = (self.files.len() + folders.len()) as u64;
        if entries > limits.max_entries {
            let what =
                format!("has {entries} files and folders; {} are allowed", limits.max_entries);
            too_large.push((".".to_owned(), "too_many_entries", what));
        }
        if total > limits.max_unpacked_bytes {
            let limit = limits.max_unpacked_bytes;
            let what = format!("has {total} bytes in all; {limit} are allowed");
            too_large.push((".".to_owned(), "unpacked_too_large", what));
        }
        for (path, code, what) in too_large {
            self.problem(&path, code, &what);
        }
    }
}
