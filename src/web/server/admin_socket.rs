//! The Unix socket in the data folder: the way in for who already owns the data.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
};

use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};

/// A bound admin socket; its file is removed when it is dropped.
pub(super) struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: a file that another server put there is not ours to remove.
    identity: (u64, u64),
}

/// Why the admin socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AdminSocketError {
    #[error("another server answers at {}", .0.display())]
    InUse(PathBuf),
    #[error("{} is in the way: it is not a socket", .0.display())]
    NotASocket(PathBuf),
    #[error("cannot make the admin socket {}", path.display())]
    Create { path: PathBuf, source: io::Error },
}

impl AdminSocket {
    /// Takes `path`, replacing the socket of a server that is gone.
    pub(super) fn bind(path: &Path) -> Result<Self, AdminSocketError> {
        refuse_what_is_in_the_way(path)?;
        let made = make(path);
        made.map_err(|source| AdminSocketError::Create { path: path.to_owned(), source })
    }

    /// The next client of this user or of root; others are turned away.
    ///
    /// The mode of the file says the same, but the file system of the data
    /// folder may not keep modes.
    pub(super) async fn accept(&self) -> io::Result<(UnixStream, u32)> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let Ok(credentials) = stream.peer_cred() else { continue };
            if is_welcome(credentials.uid(), geteuid().as_raw()) {
                return Ok((stream, credentials.uid()));
            }
            tracing::warn!(user.id = credentials.uid(), "turned a user away from the admin socket");
        }
    }
}

fn is_welcome(uid: u32, own_uid: u32) -> bool {
    uid == own_uid || uid == 0
}

fn refuse_what_is_in_the_way(path: &Path) -> Result<(), AdminSocketError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            Err(AdminSocketError::NotASocket(path.to_owned()))
        }
        // A socket nobody listens at refuses the connection.
        Ok(_) if StdUnixStream::connect(path).is_ok() => {
            Err(AdminSocketError::InUse(path.to_owned()))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Binds in a folder of our own and moves the socket into place when its mode
/// is right: there is no moment in which another user could connect.
fn make(path: &Path) -> io::Result<AdminSocket> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let private = tempfile::Builder::new()
        .prefix(".sock")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent.unwrap_or(Path::new(".")))?;
    let made = private.path().join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    let file = fs::symlink_metadata(&made)?;
    fs::rename(&made, path)?;
    Ok(AdminSocket { listener, path: path.to_owned(), identity: (file.dev(), file.ino()) })
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|file| (file.dev(), file.ino()) == self.identity) {
            // Left behind, it is replaced at the next start.
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_user_and_root_are_welcome() {
        assert!(is_welcome(1000, 1000) && is_welcome(0, 1000));
        assert!(!is_welcome(1001, 1000) && !is_welcome(1000, 0));
    }
}
