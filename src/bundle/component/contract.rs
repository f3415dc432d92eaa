//! The host's own WIT: what an extension-world component may import and must export.

use wit_parser::{Function, InterfaceId, Resolve, WorldId, WorldItem, WorldKey};

const WIT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/wit/extension/runner.wit"));

/// The one export of the extension world.
pub(super) const HANDLER: &str = "handler";
const WORLD: &str = "runner";

/// The world `alga:extension/runner`, parsed.
pub(super) struct Contract {
    resolve: Resolve,
    world: WorldId,
}

impl Contract {
    pub(super) fn load() -> Self {
        let mut resolve = Resolve::default();
        let package = resolve.push_source("runner.wit", WIT).expect("our own WIT parses");
        let world = resolve.select_world(&[package], Some(WORLD)).expect("our own world exists");
        Self { resolve, world }
    }

    pub(super) fn resolve(&self) -> &Resolve {
        &self.resolve
    }

    /// Whether the host has an interface of this name, as `alga:extension/storage`.
    pub(super) fn has_interface(&self, name: &str) -> bool {
        self.interface(name).is_some()
    }

    /// A function of an interface of the host.
    pub(super) fn function(&self, interface: &str, name: &str) -> Option<&Function> {
        self.resolve.interfaces[self.interface(interface)?].functions.get(name)
    }

    /// The function that a component must export.
    pub(super) fn handler(&self) -> &Function {
        let exports = &self.resolve.worlds[self.world].exports;
        match exports.get(&WorldKey::Name(HANDLER.to_owned())) {
            Some(WorldItem::Function(handler)) => handler,
            _ => unreachable!("our own world exports a function `{HANDLER}`"),
        }
    }

    fn interface(&self, name: &str) -> Option<InterfaceId> {
        let imports = self.resolve.worlds[self.world].imports.values();
        let mut interfaces = imports.filter_map(|item| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            WorldItem::Function(_) | WorldItem::Type { .. } => None,
        });
        interfaces.find(|id| self.resolve.id_of(*id).as_deref() == Some(name))
    }
}
