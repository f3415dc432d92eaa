//! Tells systemd when the appliance is ready and when it stops (`Type=notify`).

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{ffi::OsStrExt, net::SocketAddr, net::UnixDatagram},
    },
};

use crate::config::Environment;

/// The service manager's socket, if there is one.
#[derive(Debug, Default)]
pub struct Notifier(Option<SocketAddr>);

impl Notifier {
    /// Finds the socket in `NOTIFY_SOCKET`: a path, or `@` and an abstract name.
    pub fn of(environment: &Environment) -> Self {
        let address = environment.get("NOTIFY_SOCKET").filter(|text| !text.is_empty());
        Self(address.and_then(|text| {
            let found = match text.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(OsStr::new(name).as_bytes()),
                None => SocketAddr::from_pathname(text),
            };
            found.inspect_err(|error| tracing::warn!("NOTIFY_SOCKET cannot be used: {error}")).ok()
        }))
    }

    /// Requests are answered from now on.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// Requests in flight finish, new ones are not taken.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// A manager that cannot be told must not stop the appliance.
    fn send(&self, state: &str) {
        let Some(address) = &self.0 else { return };
        let sent: io::Result<_> = UnixDatagram::unbound()
            .and_then(|socket| socket.send_to_addr(state.as_bytes(), address));
        if let Err(error) = sent {
            tracing::warn!("the service manager could not be told {state}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(manager: &UnixDatagram, socket: &str) -> [String; 2] {
        let notifier = Notifier::of(&Environment::from_iter([("NOTIFY_SOCKET", socket)]));
        notifier.ready();
        notifier.stopping();
        [(); 2].map(|()| {
            let mut buffer = [0; 64];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        })
    }

    #[test]
    fn the_service_manager_hears_when_we_are_ready_and_when_we_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        assert_eq!(told(&manager, path.to_str().unwrap()), ["READY=1", "STOPPING=1"]);

        let name = format!("plugboard-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        assert_eq!(told(&manager, &format!("@{name}")), ["READY=1", "STOPPING=1"]);
    }

    #[test]
    fn without_a_service_manager_nothing_happens() {
        Notifier::of(&Environment::default()).ready();
        Notifier::of(&Environment::from_iter([("NOTIFY_SOCKET", "/nowhere")])).stopping();
    }
}
