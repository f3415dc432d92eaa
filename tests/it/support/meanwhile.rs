//! What somebody else does in the middle of a call.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use plugboard::model::Clock;

use super::test_app::TestApp;

/// What is to be done; nothing once it is.
type Turn = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// A clock of an appliance that lets somebody else have a turn before it says the time.
struct TurnTaking {
    clock: Arc<dyn Clock>,
    turn: Turn,
}

impl Clock for TurnTaking {
    fn now(&self) -> Timestamp {
        let turn = self.turn.lock().unwrap().take();
        if let Some(turn) = turn {
            turn();
        }
        self.clock.now()
    }
}

impl TestApp {
    /// Does `turn` when the use cases next ask for the time: after what they have read by then,
    /// before what they write.
    pub(crate) fn meanwhile(&mut self, turn: impl FnOnce() + Send + 'static) {
        let app = Arc::get_mut(&mut self.app).expect("no call is under way");
        let turn: Turn = Mutex::new(Some(Box::new(turn)));
        app.clock = Arc::new(TurnTaking { clock: Arc::clone(&app.clock), turn });
    }
}
