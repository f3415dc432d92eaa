//! The `plugboard` program: parse, run, exit code.

fn main() {}
