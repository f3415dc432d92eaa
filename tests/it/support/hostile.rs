//! Guests that mean harm, and how each of them ends.

use bytes::Bytes;
use plugboard::model::TargetWorld;

use super::guests;

/// A guest, what to ask it, and how it ends.
pub(crate) struct Hostile {
    pub(crate) guest: &'static str,
    pub(crate) path: &'static str,
    pub(crate) ending: Ending,
    made: fn(&str) -> Bytes,
}

/// How an execution ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// At its deadline, or when it has computed for as long as it may.
    Time,
    /// By asking for more memory or table elements than it may have.
    Memory,
    /// With a trap that says this.
    Trap(&'static str),
    /// With something that is no response.
    NoResponse,
    /// With a response that is too large.
    TooLarge,
    /// Before it begins: the component is refused, with these words.
    Unusable(&'static str),
    /// With a response: what it did had no effect.
    Response,
}

use Ending::{Memory, NoResponse, Response, Time, TooLarge, Trap, Unusable};

/// Every kind.
pub(crate) fn kinds() -> Vec<Hostile> {
    [
        extension("loops", Time),
        extension("loops_in_start", Time),
        extension("loops_after", Time),
        extension("hostile/loops_in_realloc", Time),
        extension("hostile/loops_indirectly", Time),
        extension("hostile/fills", Time),
        extension("hostile/copies", Time),
        extension("recurses", Trap("stack")),
        extension("hostile/recurses_in_turns", Trap("stack")),
        extension("traps", Trap("unreachable")),
        extension("hostile/divides", Trap("divide by zero")),
        extension("hostile/calls_another_type", Trap("indirect call")),
        extension("hoards", Memory),
        extension("hostile/grows_to_the_end", Memory),
        extension("hostile/many_memories", Unusable("memories count")),
        extension("grows_tables", Memory),
        extension("hostile/many_tables", Unusable("tables count")),
        extension("hostile/hoards_elements", Memory),
        Hostile { made: many_instances, ..extension("answers", Unusable("instances")) },
        Hostile {
            made: guests::holding_extension,
            ..extension("hostile/hoards_resources", Trap("handle limit"))
        },
        wasi("hostile/hoards_handles", Trap("free keys")),
        wasi("hostile/floods_random", Trap("exceeds limit")),
        wasi("hostile/sips_random", Time),
        wasi("hostile/floods_stderr", Time),
        wasi("hostile/writes_at_once", Trap("4097 bytes of output at once; at most 4096")),
        extension("floods_host", Trap("calls to the host")),
        extension("floods_log", Response),
        extension("hostile/logs_long_lines", Response),
        extension("repeats_headers", Trap("fuel")),
        extension("hostile/claims_a_terabyte", Trap("list")),
        extension("hostile/points_outside", Trap("pointer")),
        extension("hostile/answers_outside", Trap("pointer")),
        extension("hostile/answers_misaligned", Trap("pointer")),
        extension("hostile/allocates_outside", Trap("realloc")),
        extension("hostile/allocates_misaligned", Trap("realloc")),
        extension("hostile/names_no_text", Trap("utf-8")),
        extension("hostile/names_a_space", NoResponse),
        extension("injects", NoResponse),
        extension("many_headers", NoResponse),
        Hostile { path: "/0", ..extension("status", NoResponse) },
        Hostile { path: "/101", ..extension("status", NoResponse) },
        Hostile { path: "/65535", ..extension("status", NoResponse) },
        Hostile { path: "/9000000", ..extension("answers_big", TooLarge) },
        proxy("hostile/waits", Time),
        proxy("hostile/hoards_pollables", Trap("free keys")),
        proxy("hostile/hoards_fields", Trap("field")),
        Hostile { path: "/never", ..proxy("http", NoResponse) },
        Hostile { path: "/wrong", ..proxy("http", NoResponse) },
        Hostile { path: "/heads", ..proxy("http", NoResponse) },
        Hostile { path: "/wrong", ..proxy("streams", NoResponse) },
        Hostile { path: "/heads", ..proxy("streams", NoResponse) },
        Hostile { path: "/big", ..proxy("http", TooLarge) },
        Hostile { path: "/forgets", ..proxy("http", Response) },
    ]
    .into()
}

impl Hostile {
    pub(crate) fn component(&self) -> Bytes {
        (self.made)(self.guest)
    }

    pub(crate) fn world(&self) -> TargetWorld {
        let is_proxy = std::ptr::fn_addr_eq(self.made, guests::proxy as fn(&str) -> Bytes);
        if is_proxy { TargetWorld::WasiHttp } else { TargetWorld::Extension }
    }
}

fn extension(guest: &'static str, ending: Ending) -> Hostile {
    Hostile { guest, path: "/", ending, made: guests::extension }
}

fn wasi(guest: &'static str, ending: Ending) -> Hostile {
    Hostile { made: guests::wasi_extension, ..extension(guest, ending) }
}

fn proxy(guest: &'static str, ending: Ending) -> Hostile {
    Hostile { made: guests::proxy, ..extension(guest, ending) }
}

/// A guest with a hundred core instances that are good for nothing.
fn many_instances(guest: &str) -> Bytes {
    const EMPTY_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
    let component = guests::extension(guest);
    let sections = wasmparser::Parser::new(0).parse_all(&component).map(Result::unwrap);
    let modules = sections
        .filter(|section| matches!(section, wasmparser::Payload::ModuleSection { .. }))
        .count();
    let mut made = component.to_vec();
    made.extend([1, 8]);
    made.extend(EMPTY_MODULE);
    // Each: instantiate that module, without arguments.
    let one = [0, u8::try_from(modules).unwrap(), 0];
    let instances = one.repeat(100);
    // The lengths as LEB128 of two bytes, and the count.
    let length = instances.len() + 1;
    made.extend([2, u8::try_from(length & 127).unwrap() | 128, u8::try_from(length >> 7).unwrap()]);
    made.push(100);
    made.extend(instances);
    Bytes::from(made)
}
