//! The program as a person or a pipeline uses it: arguments in, exit code out.

mod host;
mod offline;
mod program;
mod publishing;
mod server;
mod upgrading;
