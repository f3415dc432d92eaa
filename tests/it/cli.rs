//! The program as a person or a pipeline uses it: arguments in, exit code out.

mod advice;
mod audit;
mod canaries;
mod confiding;
mod existing_client;
mod failing;
mod folders;
mod halfway;
mod handing_over;
mod host;
mod hostile;
mod json;
mod keeping;
mod logging;
mod mistakes;
mod odd_files;
mod offline;
mod program;
mod publishing;
mod restarting;
mod resuming;
mod server;
mod stopping;
mod streaming;
mod typing;
mod upgrading;
