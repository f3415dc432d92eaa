# `just` lists these; each can be run without just, too.

# Lists what can be done.
default:
    @just --list

# Runs what every change must pass.
check:
    .ci/run

# Runs a throw-away appliance with a sample extension.
demo:
    cargo run --release -- demo

# Runs the tests, or those whose name contains FILTER.
test FILTER='':
    cargo test --all-features {{FILTER}}
