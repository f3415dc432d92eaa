//! The data folder at a start: made where there is none, refused where its registry is lost.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, anyhow};

use crate::cli::failure::Failure;

/// Makes the folder, unless it is there.
///
/// An appliance that lost its registry is refused. An empty one in its place would be taken
/// for the truth, and the first sweep would delete every bundle, secret and log line, because
/// it knows of none.
pub(super) fn prepare(folder: &Path) -> Result<(), Failure> {
    make(folder).map_err(Failure::unfinished)?;
    // Not `exists`: a link to a disk that is not mounted is no lost file, and is not opened.
    let is_absent = |name: &str| {
        let found = folder.join(name).symlink_metadata();
        found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    // The registry is the first file of an appliance, and is on disk before the next is made:
    // no start that was cut off looks like this.
    if !is_absent("registry.redb") || is_absent("state.redb") {
        return Ok(());
    }
    let error = anyhow!(
        "the data folder {} had an appliance, and its registry.redb is gone",
        folder.display()
    );
    Err(Failure::refused(error).hint(
        "put all of the folder back from one backup; or, to begin anew, remove the folder: until \
         then nothing in it is touched",
    ))
}

fn make(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the data folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::cli::failure::Exit;

    #[test]
    fn a_folder_is_refused_only_where_its_registry_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (registry, state) = (data.join("registry.redb"), data.join("state.redb"));
        assert!(prepare(&data).is_ok(), "it is new");
        fs::write(&registry, "").unwrap();
        assert!(prepare(&data).is_ok(), "its first start was cut off");
        fs::write(&state, "").unwrap();
        assert!(prepare(&data).is_ok());

        fs::remove_file(&registry).unwrap();
        assert_eq!(prepare(&data).unwrap_err().exit, Exit::Refused);
        symlink("nowhere", &registry).unwrap();
        assert!(prepare(&data).is_ok(), "a disk is not mounted, which opening it tells");
    }
}
