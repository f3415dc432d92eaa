//! What to send: a bundle that is there, or one packed from a folder.

use std::fs::File;
use std::io::{BufReader, Seek, Write};
use std::path::{Path, PathBuf};

use super::PublishArgs;
use crate::bundle;
use crate::cli::failure::Failure;
use crate::cli::files::cannot_read;
use crate::cli::interrupt::blocking;
use crate::cli::output::{Output, size};
use crate::cli::pack::{counted, note_left_out, refused};
use crate::cli::sign::{read_key, sign_archive};
use crate::cli::verify::read_signatures;

/// A bundle, ready to be sent, perhaps more than once.
pub(super) struct Source {
    /// How people know it.
    pub(super) title: String,
    archive: File,
    pub(super) size: u64,
    /// Envelopes.
    pub(super) signatures: Vec<Vec<u8>>,
}

impl Source {
    /// The archive from its beginning.
    pub(super) fn archive(&self) -> std::io::Result<File> {
        let mut archive = self.archive.try_clone()?;
        archive.rewind()?;
        Ok(archive)
    }
}

/// Packs if need be, and signs if there is a key.
pub(super) async fn prepare(args: &PublishArgs, output: Output) -> Result<Source, Failure> {
    let (path, named) = (args.path.clone(), args.signatures.clone());
    let key = args.key.as_deref().map(|file| read_key(file, output)).transpose()?;
    blocking(move || {
        let (mut archive, mut signatures) = if path.is_dir() {
            (pack(&path, output)?, read_all(&named)?)
        } else {
            let archive = File::open(&path).map_err(|error| cannot_read(&path, error))?;
            let signatures =
                if key.is_some() { read_all(&named)? } else { read_signatures(&path, &named)? };
            (archive, signatures)
        };
        if let Some(key) = key {
            signatures.push(sign_archive(BufReader::new(&archive), &key)?.envelope);
            archive.rewind()?;
        }
        let size = archive.metadata()?.len();
        let title = path.display().to_string();
        Ok(Source { title, archive, size, signatures })
    })
    .await
}

/// Into a file without a name: nothing is left behind, however this ends.
fn pack(folder: &Path, output: Output) -> Result<File, Failure> {
    let mut archive = tempfile::tempfile()?;
    let packed = bundle::pack(folder, &mut archive).map_err(refused)?;
    archive.flush()?;
    archive.rewind()?;
    note_left_out(output, &packed);
    if !output.is_json() {
        let (files, size) = (counted(packed.files.len()), size(packed.size));
        output.note(&format!("Packed {}: {files}, {size}", folder.display()));
    }
    Ok(archive)
}

fn read_all(named: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
    if named.is_empty() { Ok(Vec::new()) } else { read_signatures(Path::new(""), named) }
}
