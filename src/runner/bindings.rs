//! The extension world, and what WASI proposes beside its 0.2, in Rust: generated from `wit`.
//!
//! In the WIT every function is synchronous, as existing components import it.
//! `async` here means only that the host may wait while the guest's stack is
//! parked; functions that never wait are left without it.

mod generated {
    wasmtime::component::bindgen!({
        path: "wit/extension",
        world: "runner",
        imports: {
            "alga:extension/context.get-context": trappable,
            "alga:extension/logging.log-error": trappable,
            "alga:extension/logging.log-info": trappable,
            "alga:extension/logging.log-warn": trappable,
            "alga:extension/user.get-user": trappable,
            "alga:extension/user-v2.get-user": trappable,
            default: async | trappable,
        },
        exports: { default: async },
        // A request is lent to the guest's memory, not copied on the way there.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

mod generated_config {
    wasmtime::component::bindgen!({
        path: "wit/config",
        world: "imports",
        imports: { default: trappable },
    });
}

mod generated_keyvalue {
    wasmtime::component::bindgen!({
        path: "wit/keyvalue",
        world: "imports",
        imports: { default: async | trappable },
    });
}

pub(super) use self::generated::alga::extension::*;
pub(super) use self::generated::{Runner as ExtensionWorld, RunnerPre as ExtensionPre};
pub(super) use self::generated_config::wasi::config::store as config;
pub(super) use self::generated_keyvalue::wasi::keyvalue;
