//! A table of functions goes to the module that fills it.
//!
//! Linkers of shared libraries (wit-component's, which scripting engines come through) give
//! the table to a small module, and the engine imports it and fills it. Wasmtime copies into
//! an imported table at each instantiation, and looks every function up for that; a table
//! of the module itself, filled at constant places, it fills when a place is first called.
//! So the engine's module gets a second table of the same size, and whoever comes after it
//! takes that one. The first table stays, for the calls of the module that has it.
//!
//! What a guest can see stays the same, which is why much is refused here: see
//! `docs/decisions/0035-a-table-goes-to-the-module-that-fills-it.md`.

mod module;
mod moving;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::{Component, ComponentSectionId};
use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ExternalKind, FromReader, SectionLimited,
};

use self::module::{Module, Section, sections};
use super::super::limits::TABLES;

/// Names what is done here; to be changed with it, because compiled forms differ.
pub(in super::super) const ARRANGEMENT: &str = "own-table-1";

/// Elements from which on the second table costs less than filling the first, on top of those
/// that others put into both.
const MIN_ELEMENTS: u32 = 64;
/// Components within components that are looked into.
const MAX_DEPTH: u8 = 8;

/// The same component with a table more; `None` if it stays as it is.
///
/// `component` has to be valid, which its verdict says. Of another one something may come out,
/// and may be valid.
pub(super) fn arranged(component: &[u8]) -> Option<Vec<u8>> {
    let scope = Scope::read(component, MAX_DEPTH)?;
    (scope.table_count() < TABLES).then_some(())?;
    scope.arranged()
}

/// A component and what is in it, by the index spaces of the
/// [specification](https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md).
/// No module or component crosses its border, and no component is instantiated twice.
struct Scope<'a> {
    sections: Vec<Section<'a>>,
    modules: Vec<Module<'a>>,
    /// Core instances.
    instances: Vec<Instance<'a>>,
    /// Core tables and globals: of which instance, under which name.
    tables: Vec<Named<'a>>,
    globals: Vec<Named<'a>>,
    components: Vec<Scope<'a>>,
    instantiated: BTreeSet<u32>,
}

type Named<'a> = (u32, &'a str);

enum Instance<'a> {
    Of { module: u32, args: BTreeMap<&'a str, u32> },
    Exports(BTreeMap<&'a str, wasmparser::Export<'a>>),
}

impl<'a> From<wasmparser::Instance<'a>> for Instance<'a> {
    fn from(instance: wasmparser::Instance<'a>) -> Self {
        match instance {
            wasmparser::Instance::Instantiate { module_index: module, args } => {
                Self::Of { module, args: args.iter().map(|arg| (arg.name, arg.index)).collect() }
            }
            wasmparser::Instance::FromExports(exports) => {
                Self::Exports(exports.iter().map(|export| (export.name, *export)).collect())
            }
        }
    }
}

impl<'a> Scope<'a> {
    fn read(component: &'a [u8], depth: u8) -> Option<Self> {
        component.starts_with(&Component::HEADER).then_some(())?;
        let mut scope = Self {
            sections: sections(component)?,
            modules: Vec::new(),
            instances: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            components: Vec::new(),
            instantiated: BTreeSet::new(),
        };
        for Section { id, data } in scope.sections.clone() {
            if id == ComponentSectionId::CoreModule as u8 {
                scope.modules.push(Module::read(data)?);
            } else if id == ComponentSectionId::CoreInstance as u8 {
                each(data, |instance: wasmparser::Instance<'a>| {
                    scope.instances.push(Instance::from(instance));
                    Some(())
                })?;
            } else if id == ComponentSectionId::Component as u8 {
                scope.components.push(Self::read(data, depth.checked_sub(1)?)?);
            } else if id == ComponentSectionId::Instance as u8 {
                each(data, |instance| scope.component_instance(&instance))?;
            } else if id == ComponentSectionId::Alias as u8 {
                each(data, |alias| scope.alias(&alias))?;
            } else if id == ComponentSectionId::Import as u8 {
                each(data, |import: wasmparser::ComponentImport<'_>| kept(import.ty.kind()))?;
            } else if id == ComponentSectionId::Export as u8 {
                each(data, |export: wasmparser::ComponentExport<'_>| kept(export.kind))?;
            }
        }
        Some(scope)
    }

    fn component_instance(&mut self, instance: &ComponentInstance<'a>) -> Option<()> {
        match instance {
            // Twice would be twice the tables. What is handed over here is imported there.
            ComponentInstance::Instantiate { component_index, .. } => {
                self.instantiated.insert(*component_index).then_some(())
            }
            ComponentInstance::FromExports(exports) => {
                exports.iter().try_for_each(|export| kept(export.kind))
            }
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'a>) -> Option<()> {
        match *alias {
            ComponentAlias::InstanceExport { kind, .. } => kept(kind),
            ComponentAlias::Outer { kind, .. } => match kind {
                ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::Component => None,
                ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => Some(()),
            },
            ComponentAlias::CoreInstanceExport { kind, instance_index, name } => {
                if kind == ExternalKind::Table {
                    self.tables.push((instance_index, name));
                } else if kind == ExternalKind::Global {
                    self.globals.push((instance_index, name));
                }
                Some(())
            }
        }
    }

    /// Tables that one execution has.
    fn table_count(&self) -> usize {
        let own = (0..self.instances.len())
            .filter_map(|instance| self.module_of(instance))
            .map(|module| self.modules[module].own_tables())
            .sum::<usize>();
        own + self.components.iter().map(Self::table_count).sum::<usize>()
    }

    fn module_of(&self, instance: usize) -> Option<usize> {
        match self.instances.get(instance)? {
            Instance::Of { module, .. } => {
                usize::try_from(*module).ok().filter(|&module| module < self.modules.len())
            }
            Instance::Exports(_) => None,
        }
    }

    /// The module of `instance`, if it has no other instance.
    fn module_of_only(&self, instance: usize) -> Option<&Module<'a>> {
        let module = self.module_of(instance)?;
        let instances = (0..self.instances.len()).filter_map(|other| self.module_of(other));
        (instances.filter(|&other| other == module).count() == 1).then(|| &self.modules[module])
    }

    /// The instance that defines what another one imports, and its index there.
    fn origin_of_import(
        &self,
        instance: usize,
        import: &wasmparser::Import<'a>,
        kind: ExternalKind,
    ) -> Option<(usize, u32)> {
        let Instance::Of { args, .. } = &self.instances[instance] else { return None };
        let (mut at, mut name) = (*args.get(import.module)?, import.name);
        // Each step leads to an earlier one, where the component is valid.
        for _ in &self.instances {
            let index = usize::try_from(at).ok()?;
            let exports = match self.instances.get(index)? {
                Instance::Of { .. } => {
                    let exported = self.modules[self.module_of(index)?].exported(name, kind)?;
                    return Some((index, exported));
                }
                Instance::Exports(exports) => exports,
            };
            let export = exports.get(name).filter(|export| export.kind == kind)?;
            let named = if kind == ExternalKind::Table { &self.tables } else { &self.globals };
            (at, name) = *named.get(usize::try_from(export.index).ok()?)?;
        }
        None
    }
}

/// Reads all items of a section.
fn each<'a, T: FromReader<'a>>(
    data: &'a [u8],
    mut look: impl FnMut(T) -> Option<()>,
) -> Option<()> {
    let items = SectionLimited::<T>::new(BinaryReader::new(data, 0)).ok()?;
    items.into_iter().try_for_each(|item| look(item.ok()?))
}

/// Nothing, if what crosses the border of a component is a module or a component.
fn kept(kind: ComponentExternalKind) -> Option<()> {
    match kind {
        ComponentExternalKind::Module | ComponentExternalKind::Component => None,
        ComponentExternalKind::Func
        | ComponentExternalKind::Value
        | ComponentExternalKind::Type
        | ComponentExternalKind::Instance => Some(()),
    }
}
