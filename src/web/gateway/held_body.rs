//! Bodies in memory, which count until nobody has their bytes any more.

use axum::body::Bytes;

use super::request_body::SHORT_BODY_BYTES;
use crate::held_memory::{Held, HeldMemory, NoRoom};

/// A body, and its part of the memory that all bodies have.
struct HeldBody(Bytes, #[expect(dead_code, reason = "held")] Held);

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The same bytes, which have `held` as long as anybody has them.
pub(super) fn hold(body: Bytes, held: Held) -> Bytes {
    Bytes::from_owner(HeldBody(body, held))
}

/// The body of an answer, for the time that its reader takes. What is short leaves at once, or
/// waits in the buffers of the system.
pub(super) fn hold_answer(body: Bytes, memory: &HeldMemory) -> Result<Bytes, NoRoom> {
    let bytes = body.len() as u64;
    if bytes <= SHORT_BODY_BYTES {
        return Ok(body);
    }
    let mut held = memory.hold_nothing();
    held.grow(bytes)?;
    Ok(hold(body, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_part_until_nobody_has_its_bytes() {
        let long = usize::try_from(SHORT_BODY_BYTES).unwrap() + 1;
        let answer = |bytes: usize| Bytes::from(vec![b'x'; bytes]);
        let memory = HeldMemory::new(SHORT_BODY_BYTES * 2);

        let held = hold_answer(answer(long), &memory).unwrap();
        let end = held.slice(long - 1..);
        drop(held);

        assert!(hold_answer(answer(long - 1), &memory).is_ok(), "a short one");
        assert!(hold_answer(answer(long), &memory).is_err());
        drop(end);
        assert!(hold_answer(answer(long), &memory).is_ok());
    }
}
