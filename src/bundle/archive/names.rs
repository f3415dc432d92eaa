//! Every name of an archive, so that no two of them are one file anywhere.

use std::collections::{HashMap, hash_map::Entry};

use super::error::ArchiveError;
use crate::model::AssetPath;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    /// Has an entry of its own.
    Folder,
    /// Exists because something is below it.
    ImpliedFolder,
}

/// The names seen so far.
#[derive(Debug)]
pub(super) struct Names {
    /// By lower-case name: a case-insensitive file system keeps only one of two.
    /// Paths are ASCII, so that this is all that case folding means.
    seen: HashMap<String, (String, Kind)>,
    limit: u64,
    layout: Layout,
}

/// Whether everything is below one folder, which then is no part of the paths.
#[derive(Debug, Default)]
pub(super) struct Layout {
    top: Option<String>,
    /// Something is not below `top`, or the manifest is at the root.
    is_flat: bool,
}

impl Names {
    pub(super) fn new(limit: u64) -> Self {
        Self { seen: HashMap::new(), limit, layout: Layout::default() }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Adds a file and the folders it implies.
    pub(super) fn add_file(&mut self, path: &AssetPath) -> Result<(), ArchiveError> {
        self.layout.add(path.as_str(), true);
        self.add(path.as_str(), Kind::File)
    }

    /// Adds a folder that has an entry.
    pub(super) fn add_folder(&mut self, path: &AssetPath) -> Result<(), ArchiveError> {
        self.layout.add(path.as_str(), false);
        self.add(path.as_str(), Kind::Folder)
    }

    fn add(&mut self, path: &str, kind: Kind) -> Result<(), ArchiveError> {
        let folded = path.to_ascii_lowercase();
        for (slash, _) in path.match_indices('/') {
            self.insert(&folded[..slash], &path[..slash], Kind::ImpliedFolder)?;
        }
        self.insert(&folded, path, kind)
    }

    fn insert(&mut self, folded: &str, path: &str, kind: Kind) -> Result<(), ArchiveError> {
        let full = self.seen.len() as u64 >= self.limit;
        if let Some((other, was)) = self.seen.get_mut(folded) {
            if other != path {
                let (path, other) = (path.to_owned(), other.clone());
                return Err(ArchiveError::CaseCollision { path, other });
            }
            *was = merge(*was, kind, path)?;
            return Ok(());
        }
        if full {
            return Err(ArchiveError::TooManyEntries { limit: self.limit });
        }
        if let Entry::Vacant(entry) = self.seen.entry(folded.to_owned()) {
            entry.insert((path.to_owned(), kind));
        }
        Ok(())
    }
}

/// What a name is when it is seen again.
fn merge(was: Kind, now: Kind, path: &str) -> Result<Kind, ArchiveError> {
    let path = || path.to_owned();
    match (was, now) {
        (Kind::Folder | Kind::ImpliedFolder, Kind::ImpliedFolder) => Ok(was),
        (Kind::ImpliedFolder, Kind::Folder) => Ok(Kind::Folder),
        // The second manifest would be the one that a careless reader uses.
        (Kind::File, Kind::File) | (Kind::Folder, Kind::Folder) => {
            Err(ArchiveError::DuplicateEntry { path: path() })
        }
        (Kind::File, _) | (_, Kind::File) => Err(ArchiveError::PathConflict { path: path() }),
    }
}

impl Layout {
    fn add(&mut self, path: &str, is_file: bool) {
        let (first, below) = path.split_once('/').map_or((path, None), |(a, b)| (a, Some(b)));
        let top = self.top.get_or_insert_with(|| first.to_owned());
        self.is_flat |= first != top || (is_file && below.is_none());
    }

    /// The one folder that everything so far is below.
    pub(super) fn top_folder(&self) -> Option<&str> {
        if self.is_flat { None } else { self.top.as_deref() }
    }

    /// Whether no later entry can make it a one-folder archive.
    pub(super) fn is_flat(&self) -> bool {
        self.is_flat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(files: &[&str], folders: &[&str]) -> Result<Names, ArchiveError> {
        let mut names = Names::new(100);
        for folder in folders {
            names.add_folder(&folder.parse().unwrap())?;
        }
        for file in files {
            names.add_file(&file.parse().unwrap())?;
        }
        Ok(names)
    }

    fn code(files: &[&str], folders: &[&str]) -> &'static str {
        added(files, folders).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn two_names_are_never_one_file() {
        assert_eq!(code(&["a/b", "a/c"], &["a"]), "ok");
        assert_eq!(code(&["a", "a"], &[]), "duplicate_entry");
        assert_eq!(code(&[], &["a", "a"]), "duplicate_entry");
        assert_eq!(code(&["a/B", "a/b"], &[]), "case_collision");
        assert_eq!(code(&["A/b", "a/c"], &[]), "case_collision");
        assert_eq!(code(&["a", "a/b"], &[]), "path_conflict");
        assert_eq!(code(&["a/b", "a"], &[]), "path_conflict");
        assert_eq!(code(&["a"], &["a"]), "path_conflict");
    }

    #[test]
    fn implied_folders_count() {
        let mut names = Names::new(3);

        assert!(names.add_file(&"a/b/c".parse().unwrap()).is_ok());
        assert_eq!(names.add_folder(&"d".parse().unwrap()).unwrap_err().code(), "too_many_entries");
    }

    #[test]
    fn one_top_folder_is_seen() {
        let top = |files: &[&str], folders: &[&str]| {
            added(files, folders).unwrap().layout.top_folder().map(str::to_owned)
        };

        assert_eq!(top(&["x/a", "x/b/c"], &["x"]), Some("x".to_owned()));
        assert_eq!(top(&["x/a", "y/a"], &[]), None);
        assert_eq!(top(&["x/a", "manifest.json"], &[]), None);
        assert_eq!(top(&["manifest.json"], &[]), None);
    }
}
