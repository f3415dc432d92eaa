//! What to send: a bundle that is there, or one packed from a folder.

use std::fs::File;
use std::io::{BufReader, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::PublishArgs;
use crate::bundle;
use crate::cli::failure::Failure;
use crate::cli::files::{cannot_read, check_bundle};
use crate::cli::interrupt::blocking;
use crate::cli::output::{Output, byte_size};
use crate::cli::pack::{check_folder, counted, note_left_out, refused};
use crate::cli::sign::{read_key, sign_archive};
use crate::cli::verify::read_signatures;
use crate::model::{ContentHash, StreamHasher};
use crate::trust::statement;

/// A bundle, ready to be sent, perhaps more than once.
pub(super) struct Source {
    /// How people know it.
    pub(super) title: String,
    archive: File,
    pub(super) size: u64,
    /// Envelopes.
    pub(super) signatures: Vec<Vec<u8>>,
    /// Its address, where it was packed or signed here.
    computed: Option<ContentHash>,
}

impl Source {
    /// The archive from its beginning.
    pub(super) fn archive(&self) -> std::io::Result<File> {
        let mut archive = self.archive.try_clone()?;
        archive.rewind()?;
        Ok(archive)
    }

    /// Some bytes of it. By place and not from where the file was read to: a part
    /// whose connection broke may still be on its way through another task.
    pub(super) async fn part(&self, begin: u64, end: u64) -> Result<Bytes, Failure> {
        let archive = self.archive.try_clone()?;
        blocking(move || {
            let mut part = vec![0; usize::try_from(end - begin).map_err(Failure::unfinished)?];
            archive.read_exact_at(&mut part, begin)?;
            Ok(part.into())
        })
        .await
    }

    /// What the server tells the file by, next to its hash.
    pub(super) fn file_name(&self) -> &str {
        self.title.rsplit('/').find(|name| !name.is_empty()).unwrap_or_default()
    }

    /// The address of the bundle, and whether that is sure. Hashing a large bundle takes as
    /// long as sending it: what a signature claims will do at first, and can be of another.
    pub(super) async fn address(&self) -> Result<(ContentHash, bool), Failure> {
        match (self.computed, self.claimed_hash()) {
            (Some(computed), _) => Ok((computed, true)),
            (None, Some(claimed)) => Ok((claimed, false)),
            (None, None) => Ok((self.content_hash().await?, true)),
        }
    }

    /// What a signature says of a bundle of this size.
    fn claimed_hash(&self) -> Option<ContentHash> {
        let claims = self.signatures.iter().filter_map(|s| statement::claimed_bundle(s));
        let mut of_this_size = claims.filter(|(_, size)| *size == self.size);
        of_this_size.next().map(|(hash, _)| hash)
    }

    /// The address of the bundle, from its bytes.
    pub(super) async fn content_hash(&self) -> Result<ContentHash, Failure> {
        let archive = self.archive()?;
        blocking(move || Ok(ContentHash::from(StreamHasher::of_reader(archive)?.1))).await
    }
}

/// Packs if need be, and signs if there is a key.
pub(super) async fn prepare(args: &PublishArgs, output: Output) -> Result<Source, Failure> {
    let (path, named) = (args.path.clone(), args.signatures.clone());
    let key = args.key.as_deref().map(|file| read_key(file, output)).transpose()?;
    blocking(move || {
        let mut computed = None;
        let (mut archive, mut signatures) = if path.is_dir() {
            let (archive, packed) = pack(&path, output)?;
            computed = Some(packed);
            (archive, read_all(&named)?)
        } else {
            check_bundle(&path)?;
            let archive = File::open(&path).map_err(|error| cannot_read(&path, error))?;
            let signatures =
                if key.is_some() { read_all(&named)? } else { read_signatures(&path, &named)? };
            (archive, signatures)
        };
        if let Some(key) = key {
            let signed = sign_archive(BufReader::new(&archive), &key)?;
            computed = Some(signed.subject.content_hash);
            signatures.push(signed.envelope);
            archive.rewind()?;
        }
        let size = archive.metadata()?.len();
        let title = path.display().to_string();
        Ok(Source { title, archive, size, signatures, computed })
    })
    .await
}

/// Into a file without a name: nothing is left behind, however this ends.
fn pack(folder: &Path, output: Output) -> Result<(File, ContentHash), Failure> {
    check_folder(folder)?;
    let mut archive = tempfile::tempfile()?;
    let packed = bundle::pack(folder, &mut archive).map_err(refused)?;
    archive.flush()?;
    archive.rewind()?;
    note_left_out(output, &packed);
    if !output.is_json() {
        let (files, size) = (counted(packed.files.len()), byte_size(packed.size));
        output.note(&format!("Packed {}: {files}, {size}", folder.display()));
    }
    Ok((archive, packed.content_hash))
}

fn read_all(named: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
    if named.is_empty() { Ok(Vec::new()) } else { read_signatures(Path::new(""), named) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(computed: Option<ContentHash>) -> Source {
        let mut archive = tempfile::tempfile().unwrap();
        archive.write_all(b"abc").unwrap();
        let title = "a.tar.zst".to_owned();
        Source { title, archive, size: 3, signatures: Vec::new(), computed }
    }

    #[tokio::test]
    async fn what_was_computed_here_is_sure_and_not_computed_again() {
        let packed = ContentHash::of(b"what only packing knows");

        let known = source(Some(packed)).address().await;
        let unknown = source(None).address().await;

        assert_eq!(known.ok(), Some((packed, true)));
        assert_eq!(unknown.ok(), Some((ContentHash::of(b"abc"), true)));
    }
}
