#!/bin/sh
# Builds bundle/dist/main.wasm. Needs wasm-tools, and a Rust that compiles for WebAssembly:
#
#   ./build.sh           Rust from rustup, after `rustup target add wasm32-unknown-unknown`
#   ./build.sh --debian  Debian's rustc-web, cargo-web, rust-web-src and lld-19, which bring the
#                        standard library as source; the committed file is made this way
set -eu
cd "$(dirname "$0")"
target=wasm32-unknown-unknown
cargo=cargo
standard_library=

if [ "${1:-}" = --debian ]; then
  cargo=/usr/share/cargo/bin/cargo
  standard_library=-Zbuild-std=std,panic_abort
  export PATH=/usr/bin:$PATH RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
fi

# Panic messages name source files: without the folders of this machine.
export RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$PWD=."
$cargo build --locked --release --target $target $standard_library
core=${CARGO_TARGET_DIR:-target}/$target/release/hello_wasi.wasm
wasm-tools component new "$core" --output bundle/dist/main.wasm
sha256sum Cargo.lock Cargo.toml src/lib.rs > built-from.sha256
ls -l bundle/dist/main.wasm
