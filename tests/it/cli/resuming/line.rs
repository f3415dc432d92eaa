//! A line to a server that counts what goes up, and breaks or stops at given places.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

/// A forwarding port. Threads end with the process of the tests.
pub(super) struct Line {
    address: SocketAddr,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    target: Option<SocketAddr>,
    /// Bytes that clients sent, over all connections.
    sent: u64,
    /// Where something happens, the next one last.
    places: Vec<u64>,
    /// Stop there and wait, instead of breaking the connection.
    holds: bool,
    held: bool,
    breaks: usize,
}

impl Line {
    pub(super) fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Shared::default());
        state.lock().target = Some(address_of(url));
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&accepting);
                thread::spawn(move || state.carry(client));
            }
        });
        Self { address, state }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts the connection after so many bytes.
    pub(super) fn break_at(&self, places: &[u64]) {
        self.state.lock().places = places.iter().rev().copied().collect();
    }

    /// Stops after so many bytes, until [`Line::go_on_to`], which cuts the connection.
    pub(super) fn hold_at(&self, places: &[u64]) {
        self.break_at(places);
        self.state.lock().holds = true;
    }

    pub(super) fn wait_until_held(&self) {
        let state = self.state.lock();
        let (state, timeout) = self
            .state
            .changed
            .wait_timeout_while(state, super::PATIENCE, |state| !state.held)
            .unwrap();
        assert!(!timeout.timed_out(), "only {} bytes came", state.sent);
    }

    pub(super) fn go_on_to(&self, url: &str) {
        let mut state = self.state.lock();
        state.target = Some(address_of(url));
        state.held = false;
        self.state.changed.notify_all();
    }

    pub(super) fn sent(&self) -> u64 {
        self.state.lock().sent
    }

    pub(super) fn breaks(&self) -> usize {
        self.state.lock().breaks
    }
}

fn address_of(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn carry(&self, mut client: TcpStream) {
        let target = self.lock().target.unwrap();
        // A server that is gone: the client sees what it would see without us.
        let Ok(mut server) = TcpStream::connect(target) else { return };
        let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || {
            std::io::copy(&mut answers, &mut back).ok();
            back.shutdown(Shutdown::Both).ok();
        });
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            if server.write_all(&buffer[..read]).is_err() || self.has_come_to_a_place(read) {
                break;
            }
        }
        for stream in [client, server] {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Counts, and at a place waits if it is to; then the connection is to be cut.
    fn has_come_to_a_place(&self, read: usize) -> bool {
        let mut state = self.lock();
        state.sent += read as u64;
        if state.places.last().is_none_or(|place| state.sent < *place) {
            return false;
        }
        state.places.pop();
        state.breaks += 1;
        if state.holds {
            state.held = true;
            self.changed.notify_all();
            drop(self.changed.wait_while(state, |state| state.held).unwrap());
        }
        true
    }
}
