//! Files in memory that nobody can change once they are finished (`memfd_create(2)`).
//!
//! What was checked while it was written stays what was checked, the kernel can map it or
//! send it without a copy, and it has no name under which somebody could open it.

use std::fs::File;
use std::io::{self, Write};

/// A file in memory that is being written.
#[derive(Debug)]
pub struct MemoryFile(File);

impl MemoryFile {
    /// An empty one. Fails where there are none: on other systems than Linux.
    #[cfg(target_os = "linux")]
    pub fn new() -> io::Result<Self> {
        use rustix::fs::{MemfdFlags, memfd_create};

        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        Ok(Self(memfd_create("plugboard", flags)?.into()))
    }

    /// Fails: there are none on this system.
    #[cfg(not(target_os = "linux"))]
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// One with `bytes` in it, finished.
    pub fn of(bytes: &[u8]) -> io::Result<File> {
        let mut file = Self::new()?;
        file.write_all(bytes)?;
        file.finish()
    }

    /// The file; from now on its bytes and its length stay as they are.
    pub fn finish(self) -> io::Result<File> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{SealFlags, fcntl_add_seals};

            let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
            fcntl_add_seals(&self.0, all)?;
        }
        Ok(self.0)
    }
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn what_is_finished_is_read_and_changed_by_nobody() {
        let mut file = MemoryFile::of(b"as it was").unwrap();
        let mut read = [0; 9];

        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"as it was");
        for refused in [file.write(b"x").map(drop), file.set_len(3), file.set_len(30)] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }
}
