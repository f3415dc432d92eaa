//! The HTTP server as a client on the wire sees it: raw bytes in, raw bytes out.

mod admin_socket;
mod limits;
mod running;
mod shutdown;
mod strict;
mod tls;
