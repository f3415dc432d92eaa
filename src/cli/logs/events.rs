//! Server-sent events, as the appliance writes them.

/// Bytes of an event that is not complete: more is none of ours.
const MAX_OPEN_BYTES: usize = 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Empty for the usual kind.
    pub(super) name: String,
    pub(super) data: String,
}

/// Puts events together from the pieces they come in.
#[derive(Default)]
pub(super) struct Events {
    open: Vec<u8>,
}

impl Events {
    /// The events that are complete with this piece; `None`: this is no stream of events.
    pub(super) fn take(&mut self, piece: &[u8]) -> Option<Vec<Event>> {
        self.open.extend_from_slice(piece);
        let mut found = Vec::new();
        while let Some(at) = self.open.windows(2).position(|two| two == b"\n\n") {
            let text = String::from_utf8_lossy(&self.open[..at]).into_owned();
            self.open.drain(..at + 2);
            found.extend(read(&text));
        }
        (self.open.len() <= MAX_OPEN_BYTES).then_some(found)
    }
}

/// `None` for a comment.
fn read(text: &str) -> Option<Event> {
    let (mut event, mut data) = (Event::default(), Vec::new());
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.name),
            "data" => data.push(value),
            _ => {}
        }
    }
    event.data = data.join("\n");
    (!data.is_empty()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let text = b": nothing new\n\nid: 7\ndata: {\"a\":1}\n\nevent: end\ndata: {}\n\ndata: open";

        for at in 0..text.len() {
            let mut events = Events::default();
            let mut found = events.take(&text[..at]).unwrap();
            found.extend(events.take(&text[at..]).unwrap());

            let event = |name: &str, data: &str| Event { name: name.into(), data: data.into() };
            assert_eq!(found, [event("", "{\"a\":1}"), event("end", "{}")], "cut at {at}");
        }
    }

    #[test]
    fn what_never_ends_is_no_event() {
        let mut events = Events::default();

        assert!(events.take(&vec![b'x'; MAX_OPEN_BYTES + 1]).is_none());
    }
}
