//! Interfaces that a guest may import and never use: files and sockets.
//!
//! Toolchains import `wasi:filesystem` and `wasi:sockets` whether the program
//! needs them or not. Such a component links here, but behind the imports is
//! nothing: there is no directory to open, and every call traps.

use std::borrow::Cow;

use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType, Val};
use wasmtime::{Engine, bail};

use crate::runner::host::Host;

const ABSENT: [&str; 2] = ["wasi:filesystem/", "wasi:sockets/"];

/// The one function that programs call before `main`: which directories are open.
const LIST_DIRECTORIES: &str = "get-directories";

/// Resources that the absent interfaces only mention.
const OF_IO: [&str; 4] = ["error", "input-stream", "output-stream", "pollable"];

/// A resource that no function ever makes.
struct Nothing;

/// `linker` with whatever `component` imports of absent interfaces.
pub(super) fn complete<'a>(
    engine: &Engine,
    linker: &'a Linker<Host>,
    component: &Component,
) -> wasmtime::Result<Cow<'a, Linker<Host>>> {
    let mut linker = Cow::Borrowed(linker);
    for (name, import) in component.component_type().imports(engine) {
        if !ABSENT.iter().any(|absent| name.starts_with(absent)) {
            continue;
        }
        if let ComponentItem::ComponentInstance(interface) = import.ty {
            define(engine, &mut linker.to_mut().instance(name)?, &interface)?;
        }
    }
    Ok(linker)
}

fn define(
    engine: &Engine,
    linker: &mut LinkerInstance<'_, Host>,
    interface: &ComponentInstance,
) -> wasmtime::Result<()> {
    for (name, export) in interface.exports(engine) {
        match export.ty {
            // These are the real ones of `wasi:io`, under a second name.
            ComponentItem::Resource(_) if OF_IO.contains(&name) => {}
            ComponentItem::ComponentFunc(_) if name == LIST_DIRECTORIES => {
                linker.func_new(name, |_, _, _, results| {
                    results.fill(Val::List(Vec::new()));
                    Ok(())
                })?;
            }
            ComponentItem::ComponentFunc(_) => {
                let text = format!("there is no `{name}` on this host");
                linker.func_new(name, move |_, _, _, _| bail!("{text}"))?;
            }
            ComponentItem::Resource(_) => {
                linker.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
            }
            ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Component(_)
            | ComponentItem::ComponentInstance(_)
            | ComponentItem::Type(_) => {}
        }
    }
    Ok(())
}
