//! The one secret that an appliance makes for itself and keeps.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::tokens::random;

const FILE: &str = "master.key";
/// The rights of everybody but the owner.
const OTHERS: u32 = 0o077;

/// What the keys of single purposes are derived from. It is in the data folder, and its
/// file is made at the first start.
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("`{FILE}` cannot be read or made: {0}")]
    Io(#[from] io::Error),
    #[error(
        "`{FILE}` has {0} bytes; it must have 32. Without it a new one is made, and what it protected is made again"
    )]
    Length(u64),
    #[error(
        "`{FILE}` can be read or changed by others: make it a plain file of this user with mode 0600, or remove it"
    )]
    NotPrivate,
}

impl MasterKey {
    /// Reads the key of a data folder, or makes one.
    pub fn open(data_dir: &Path) -> Result<Self, MasterKeyError> {
        let path = data_dir.join(FILE);
        loop {
            match Self::read(&path) {
                Err(MasterKeyError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                read => return read,
            }
            match make(data_dir, &path) {
                // Another process was faster: its key is the key.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
    }

    /// The key of one purpose. Knowing it says nothing about the others.
    ///
    /// `purpose` is a constant of the program, as `blake3::derive_key` asks.
    pub fn derive(&self, purpose: &'static str) -> [u8; 32] {
        blake3::derive_key(purpose, &*self.0)
    }

    fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
        let mut file =
            OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
        let metadata = file.metadata()?;
        let is_private = metadata.is_file()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & OTHERS == 0;
        if !is_private {
            return Err(MasterKeyError::NotPrivate);
        }
        let mut key = Zeroizing::new([0; 32]);
        if metadata.len() != key.len() as u64 {
            return Err(MasterKeyError::Length(metadata.len()));
        }
        file.read_exact(&mut *key)?;
        Ok(Self(key))
    }
}

/// Whole or not at all, also when the power goes.
fn make(data_dir: &Path, path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; 32]);
    random(&mut *key);
    let mut file = NamedTempFile::new_in(data_dir)?;
    file.write_all(&*key)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    File::open(data_dir)?.sync_all()
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_keeps_its_key_and_each_has_its_own() {
        let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let key = |folder: &tempfile::TempDir, purpose| {
            MasterKey::open(folder.path()).unwrap().derive(purpose)
        };

        assert_eq!(key(&folder, "a"), key(&folder, "a"));
        assert_ne!(key(&folder, "a"), key(&folder, "b"));
        assert_ne!(key(&folder, "a"), key(&other, "a"));
        let metadata = fs::metadata(folder.path().join(FILE)).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.len()), (0o600, 32));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_cut_off_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        MasterKey::open(folder.path()).unwrap();
        let refused = || MasterKey::open(folder.path()).unwrap_err();

        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(refused(), MasterKeyError::NotPrivate));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(refused(), MasterKeyError::Length(31)));
        assert_eq!(fs::read(&path).unwrap(), [1; 31]);
    }

    #[test]
    fn a_key_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(format!("{:?}", MasterKey::open(folder.path()).unwrap()), "MasterKey(…)");
    }
}
