//! Tar archives written byte by byte, so that every byte can be wrong.

use std::ops::Range;

/// A tar archive in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawTar(Vec<u8>);

/// One header block; [`RawHeader::bytes`] computes its checksum.
#[derive(Clone, Debug)]
pub(crate) struct RawHeader {
    bytes: [u8; 512],
    sum: Option<[u8; 8]>,
}

impl RawHeader {
    /// A ustar header as every tool writes it.
    pub(crate) fn new(kind: u8, name: &str, size: usize) -> Self {
        let mut header = Self { bytes: [0; 512], sum: None };
        header.bytes[..name.len().min(100)]
            .copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
        header.bytes[156] = kind;
        let number = format!("{size:011o}\0");
        header
            .set(100..108, b"0000644\0")
            .set(108..116, b"0000000\0")
            .set(116..124, b"0000000\0")
            .set(124..136, number.as_bytes())
            .set(136..148, b"00000000000\0")
            .set(257..265, b"ustar\x0000")
    }

    /// The same in GNU's format.
    pub(crate) fn gnu(kind: u8, name: &str, size: usize) -> Self {
        Self::new(kind, name, size).set(257..265, b"ustar  \0")
    }

    /// Overwrites part of the block.
    pub(crate) fn set(mut self, range: Range<usize>, bytes: &[u8]) -> Self {
        self.bytes[range].copy_from_slice(bytes);
        self
    }

    /// Overwrites the checksum.
    pub(crate) fn sum(mut self, sum: [u8; 8]) -> Self {
        self.sum = Some(sum);
        self
    }

    /// The checksum by signed bytes, as some old tools have it.
    pub(crate) fn signed_sum(&self) -> [u8; 8] {
        let mut block = self.bytes;
        block[148..156].fill(b' ');
        let sum: i32 = block.iter().map(|&b| i32::from(b.cast_signed())).sum();
        format!("{sum:06o}\0 ").into_bytes().try_into().unwrap()
    }

    /// The block.
    pub(crate) fn bytes(&self) -> [u8; 512] {
        let mut block = self.bytes;
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        let sum = self.sum.unwrap_or(format!("{sum:06o}\0 ").into_bytes().try_into().unwrap());
        block[148..156].copy_from_slice(&sum);
        block
    }
}

impl RawTar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A header and its data, padded to a whole block.
    pub(crate) fn entry(mut self, header: &RawHeader, data: &[u8]) -> Self {
        self.0.extend_from_slice(&header.bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        if name.len() > 100 {
            return self.long_name(name).entry(&RawHeader::gnu(b'0', name, data.len()), data);
        }
        self.entry(&RawHeader::new(b'0', name, data.len()), data)
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.entry(&RawHeader::new(b'5', name, 0), b"")
    }

    /// A GNU `L` entry for the next one.
    pub(crate) fn long_name(self, name: &str) -> Self {
        let data = [name.as_bytes(), b"\0"].concat();
        self.entry(&RawHeader::gnu(b'L', "././@LongLink", data.len()), &data)
    }

    /// A PAX `x` entry for the next one.
    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        let data: Vec<u8> = records.iter().flat_map(|(k, v)| pax_record(k, v.as_bytes())).collect();
        self.pax_bytes(&data)
    }

    /// A PAX `x` entry with any data.
    pub(crate) fn pax_bytes(self, data: &[u8]) -> Self {
        self.entry(&RawHeader::new(b'x', "PaxHeaders/x", data.len()), data)
    }

    /// Any bytes.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The archive without an end marker.
    pub(crate) fn open_end(self) -> Vec<u8> {
        self.0
    }

    /// The archive.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// `LENGTH KEY=VALUE\n`, the length counting its own digits.
pub(crate) fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// One zstd frame with a checksum, as our own writer makes it.
pub(crate) fn zstd(tar: &[u8]) -> Vec<u8> {
    zstd_with(tar, |_| ())
}

/// One zstd frame, its encoder set up by `with`.
pub(crate) fn zstd_with(
    tar: &[u8],
    with: impl FnOnce(&mut zstd::Encoder<'static, Vec<u8>>),
) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    with(&mut encoder);
    std::io::Write::write_all(&mut encoder, tar).unwrap();
    encoder.finish().unwrap()
}
