//! The data folder at a start: made where there is none, refused where its registry is lost.

use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::anyhow;

use crate::cli::failure::{Exit, Failure};

/// Makes the folder, unless it is there; refuses one that lost its registry.
pub(super) fn prepare(folder: &Path) -> Result<(), Failure> {
    make(folder).map_err(|error| not_made(folder, error))?;
    check(folder)
}

/// Refuses the folder of an appliance that lost its registry.
///
/// An empty one in its place would be taken for the truth, and the first sweep would delete every
/// bundle, secret and log line, because it knows of none.
pub(in crate::cli) fn check(folder: &Path) -> Result<(), Failure> {
    // The registry is the first file of an appliance, and is on disk before the next is made:
    // no start that was cut off looks like this.
    if !is_absent(&folder.join("registry.redb")) || is_absent(&folder.join("state.redb")) {
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

/// Whether a name is free. Not `exists`: a link to a disk that is not mounted is no lost file,
/// and is not opened.
pub(in crate::cli) fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// What is named as the data folder is something else.
pub(in crate::cli) fn not_a_folder(path: &Path) -> Failure {
    Failure::usage(format!("{} is to be the data folder, and is no folder", path.display()))
        .hint("name another with --data-dir or `server.data_dir`")
}

fn make(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A name under which no folder can be is a wrong setting; a disk that is full or not mounted is
/// another matter.
fn not_made(folder: &Path, error: io::Error) -> Failure {
    if folder.metadata().is_ok() {
        return not_a_folder(folder);
    }
    let wrong = [ErrorKind::NotFound, ErrorKind::NotADirectory, ErrorKind::PermissionDenied];
    let exit = if wrong.contains(&error.kind()) { Exit::Usage } else { Exit::Unfinished };
    let error = anyhow!(error).context(format!("cannot make the data folder {}", folder.display()));
    Failure { exit, error, hint: None }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

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

    #[test]
    fn a_folder_that_cannot_be_is_a_wrong_setting_and_a_missing_disk_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        symlink(path("unmounted"), path("disk")).unwrap();
        let exit = |path: &Path| prepare(path).unwrap_err().exit;

        assert_eq!(exit(&path("file")), Exit::Usage);
        assert_eq!(exit(&path("file/data")), Exit::Usage);
        assert_eq!(exit(Path::new("/proc/plugboard")), Exit::Usage);
        assert_eq!(exit(&path("disk")), Exit::Unfinished);
        assert_eq!(exit(&path("disk/data")), Exit::Unfinished);
    }
}
