//! Bytes that come in pieces, as one.

use std::mem;

use bytes::{Bytes, BytesMut};

/// One piece is the usual case and stays where it is. Many small ones are copied together: kept
/// apart they would cost more than they hold.
#[derive(Debug, Default)]
pub struct Pieces {
    single: Bytes,
    joined: BytesMut,
}

impl Pieces {
    /// Bytes of all pieces.
    pub fn len(&self) -> usize {
        self.single.len() + self.joined.len()
    }

    /// Whether no byte has come yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds what came next.
    pub fn push(&mut self, piece: Bytes) {
        if self.is_empty() {
            self.single = piece;
            return;
        }
        self.joined.extend_from_slice(&mem::take(&mut self.single));
        self.joined.extend_from_slice(&piece);
    }

    /// All of them in a row.
    pub fn join(self) -> Bytes {
        if self.joined.is_empty() { self.single } else { self.joined.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_in_order_and_one_alone_is_not_copied() {
        let one = Bytes::from_static(b"one");
        let mut pieces = Pieces::default();
        assert!(pieces.is_empty());
        pieces.push(Bytes::new());
        pieces.push(one.clone());
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.join().as_ptr(), one.as_ptr());

        let mut pieces = Pieces::default();
        for piece in ["one", "", " and", " two"] {
            pieces.push(piece.into());
        }
        assert_eq!((pieces.len(), &pieces.join()[..]), (11, &b"one and two"[..]));
    }
}
