//! A body in memory, which counts until nobody has its bytes any more.

use axum::body::Bytes;

use crate::held_memory::{Held, HeldMemory, NoRoom};
use crate::pieces::Pieces;

/// A body that is there.
pub(super) struct HeldBody {
    bytes: Bytes,
    /// `None`: so short that it does not count.
    held: Option<Held>,
}

/// A body while it arrives.
pub(super) struct Arriving<'m> {
    pieces: Pieces,
    /// Bytes of a body that does not count: who sends no more than that need not wait for those
    /// who send much, and `server.max_connections` bounds how many of them there are.
    uncounted: u64,
    memory: &'m HeldMemory,
    held: Option<Held>,
}

impl<'m> Arriving<'m> {
    /// Nothing of it is there. Up to so many bytes it does not count.
    pub(super) fn new(memory: &'m HeldMemory, uncounted: u64) -> Self {
        Self { pieces: Pieces::default(), uncounted, memory, held: None }
    }

    /// Takes what came, if there is room for it.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), NoRoom> {
        let bytes = (self.pieces.len() + piece.len()) as u64;
        if bytes > self.uncounted {
            self.held.get_or_insert_with(|| self.memory.hold_nothing()).grow_to(bytes)?;
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// There is no more.
    pub(super) fn end(self) -> HeldBody {
        HeldBody { bytes: self.pieces.join(), held: self.held }
    }
}

impl HeldBody {
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same with these bytes in place of its own, which are about as many.
    pub(super) fn rewritten(self, bytes: Bytes) -> Self {
        Self { bytes, held: self.held }
    }

    /// The bytes, which have their part of the memory as long as anybody has them.
    pub(super) fn into_bytes(self) -> Bytes {
        if self.held.is_some() { Bytes::from_owner(self) } else { self.bytes }
    }
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(memory: &HeldMemory, bytes: usize) -> Result<HeldBody, NoRoom> {
        let mut arriving = Arriving::new(memory, 10);
        for _ in 0..bytes {
            arriving.push(Bytes::from_static(b"x"))?;
        }
        Ok(arriving.end())
    }

    #[test]
    fn a_body_counts_until_nobody_has_its_bytes() {
        let memory = HeldMemory::new(30);
        let held = arrived(&memory, 20).unwrap().into_bytes();
        let end = held.slice(19..);
        drop(held);

        assert!(arrived(&memory, 11).is_err());
        assert!(arrived(&memory, 10).is_ok(), "a short one");
        drop(end);
        assert!(arrived(&memory, 30).is_ok());
    }

    #[test]
    fn what_is_rewritten_counts_as_before() {
        let memory = HeldMemory::new(30);

        let held = arrived(&memory, 20).unwrap().rewritten("y".into()).into_bytes();

        assert!(arrived(&memory, 11).is_err());
        assert_eq!(held, "y");
        drop(held);
        assert!(arrived(&memory, 11).is_ok());
    }
}
