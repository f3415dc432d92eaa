#!/bin/sh
# Builds bundle/dist/main.wasm.
#
#   ./build.sh                needs clang, wasm-ld and wasm-tools
#   ./build.sh --core FOLDER  stops after the compiler: FOLDER/hello.wasm is the core module
set -eu
cd "$(dirname "$0")"
clang=${CLANG:-$(command -v clang-19 || command -v clang || echo clang-19)}

compile() {
  "$clang" --target=wasm32-unknown-unknown -std=c11 -Os -flto -Qn -Wall -Wextra -Werror \
    -mbulk-memory -ffreestanding -nostdlib \
    -Wl,--no-entry -Wl,--strip-debug -Wl,--stack-first -Wl,-z,stack-size=16384 \
    -o "$1/hello.wasm" src/hello.c src/text.c
}

if [ "${1:-}" = --core ]; then
  compile "$2"
  exit
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
compile "$scratch"
# The WIT goes into the module, then the module into a component.
wasm-tools component embed --world hello wit "$scratch/hello.wasm" --output "$scratch/typed.wasm"
wasm-tools component new "$scratch/typed.wasm" --output bundle/dist/main.wasm
ls -l bundle/dist/main.wasm
