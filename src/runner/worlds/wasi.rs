//! The part of WASI that guests get, in both worlds.

use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::{cli, clocks, io, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi_http::p2::add_only_http_to_linker_async;

use crate::runner::bindings::{config, keyvalue};
use crate::runner::host::Host;

/// `wasi:io` needs the handles and nothing else of WASI.
struct Handles;

impl HasData for Handles {
    type Data<'a> = &'a mut ResourceTable;
}

/// Interface by interface: what is not named here (files, sockets) has no code
/// behind it that a guest could reach.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<Host, Handles>(linker, Host::turn_to_io)?;
    io::poll::add_to_linker::<Host, Handles>(linker, Host::turn_to_io)?;
    io::streams::add_to_linker::<Host, Handles>(linker, Host::turn_to_io)?;

    clocks::monotonic_clock::add_to_linker::<Host, WasiClocks>(linker, Host::clocks)?;
    clocks::wall_clock::add_to_linker::<Host, WasiClocks>(linker, Host::clocks)?;

    random::random::add_to_linker::<Host, WasiRandom>(linker, Host::random)?;
    random::insecure::add_to_linker::<Host, WasiRandom>(linker, Host::random)?;
    random::insecure_seed::add_to_linker::<Host, WasiRandom>(linker, Host::random)?;

    cli::environment::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;
    cli::exit::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;
    cli::stdin::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;
    cli::stdout::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;
    cli::stderr::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;
    cli::terminal_input::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;
    cli::terminal_output::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;
    cli::terminal_stdin::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;
    cli::terminal_stdout::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;
    cli::terminal_stderr::add_to_linker::<Host, WasiCli>(linker, Host::cli)?;

    config::add_to_linker::<Host, HasSelf<_>>(linker, |host| host)?;

    keyvalue::store::add_to_linker::<Host, HasSelf<_>>(linker, |host| host)?;
    keyvalue::atomics::add_to_linker::<Host, HasSelf<_>>(linker, |host| host)?;
    keyvalue::batch::add_to_linker::<Host, HasSelf<_>>(linker, |host| host)?;

    // Its outgoing half goes through `Outgoing`.
    add_only_http_to_linker_async(linker)
}
