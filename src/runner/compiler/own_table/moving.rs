//! Finds the table that moves, and writes the component with it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{Component, ComponentSectionId, InstanceSection, ModuleArg, RawSection};
use wasmparser::ExternalKind;

use super::super::super::limits::SECOND_TABLE_ELEMENTS;
use super::module::{Offset, Section, TABLE};
use super::{Instance, MIN_ELEMENTS, Scope, each};

/// What becomes of a scope.
#[derive(Default)]
struct Changes {
    /// By the index of the module.
    modules: BTreeMap<usize, Vec<u8>>,
    components: BTreeMap<usize, Vec<u8>>,
    /// Instances, and which other one with the second table they get handed.
    takers: BTreeMap<usize, u32>,
}

impl Scope<'_> {
    /// The scope with one table more, its own or of a component in it.
    pub(super) fn arranged(&self) -> Option<Vec<u8>> {
        let changes = self.changes().or_else(|| {
            let mut components = self.components.iter().enumerate();
            let inner = components.find_map(|(index, inner)| Some((index, inner.arranged()?)))?;
            Some(Changes { components: BTreeMap::from([inner]), ..Changes::default() })
        })?;
        let mut written = Component::new();
        let (mut modules, mut instances, mut components) = (0.., 0, 0..);
        for &Section { id, data } in &self.sections {
            let mut new = None;
            if id == ComponentSectionId::CoreModule as u8 {
                new = changes.modules.get(&modules.next()?);
            } else if id == ComponentSectionId::Component as u8 {
                new = changes.components.get(&components.next()?);
            } else if id == ComponentSectionId::CoreInstance as u8 && !changes.takers.is_empty() {
                written.section(&handed(data, &mut instances, &changes.takers)?);
                continue;
            }
            written.section(&RawSection { id, data: new.map_or(data, Vec::as_slice) });
        }
        Some(written.finish())
    }

    /// What is done in this scope itself, if there is anything.
    fn changes(&self) -> Option<Changes> {
        // By the table that they take; which of those that they import it is.
        let mut takers: BTreeMap<(usize, u32), Vec<(usize, u32)>> = BTreeMap::new();
        for instance in 0..self.instances.len() {
            let Some(module) = self.module_of(instance) else { continue };
            for (index, import) in (0..).zip(self.modules[module].imported_tables()) {
                let origin = self.origin_of_import(instance, import, ExternalKind::Table)?;
                takers.entry(origin).or_default().push((instance, index));
            }
        }
        let mut fillers: Vec<_> = takers
            .iter()
            .filter_map(|(&(owner, _), takers)| Some((self.filled(takers[0].0)?, owner, takers)))
            .collect();
        fillers.sort_by_key(|(places, ..)| Reverse(count(places)));
        let mut fillers = fillers.into_iter();
        fillers.find_map(|(places, owner, takers)| self.moved(owner, &places, takers))
    }

    /// Gives the first of `all`, who fills these `places`, a table like the one of `owner`, and
    /// that one to all others.
    fn moved(&self, owner: usize, places: &[Range<u32>], all: &[(usize, u32)]) -> Option<Changes> {
        let (&(filler, _), takers) = all.split_first()?;
        let table = self.module_of_only(owner)?.kept_table()?;
        let in_both = takers.iter().map(|&(taker, import)| {
            let module = self.module_of_only(taker)?;
            module.elements_into(import)
        });
        let fits = table.ty.initial <= SECOND_TABLE_ELEMENTS as u64
            && count(places) >= MIN_ELEMENTS.saturating_add(in_both.sum::<Option<u32>>()?)
            && places.iter().all(|own| u64::from(own.end) <= table.ty.initial)
            // It would no longer find these.
            && places.iter().all(|own| table.called.range(own.clone()).next().is_none());
        fits.then_some(())?;
        let mut changes = Changes::default();
        let starts: Vec<_> = places.iter().map(|own| own.start).collect();
        let own = self.module_of_only(filler)?.with_own_table(table.ty, &starts)?;
        changes.modules.insert(self.module_of(filler)?, own);
        let filler = u32::try_from(filler).ok()?;
        for &(taker, import) in takers {
            let Instance::Of { args, .. } = &self.instances[taker] else { return None };
            let taking = self.module_of_only(taker)?.with_table_of_filler(import)?;
            changes.modules.insert(self.module_of(taker)?, taking);
            // The same table twice, or a name that is taken.
            let is_new = changes.takers.insert(taker, filler).is_none();
            (is_new && !args.contains_key(TABLE)).then_some(())?;
        }
        Some(changes)
    }

    /// The places that an instance fills in the one table that it has, which it imports.
    fn filled(&self, instance: usize) -> Option<Vec<Range<u32>>> {
        let module = &self.modules[self.module_of(instance)?];
        let places = module.places()?.into_iter().map(|(offset, elements)| {
            let start = match offset {
                Offset::At(start) => start,
                Offset::Global(global) => {
                    let import = module.imported_global(global)?;
                    let (origin, global) =
                        self.origin_of_import(instance, import, ExternalKind::Global)?;
                    self.modules[self.module_of(origin)?].constant(global)?
                }
            };
            Some(start..start.checked_add(elements)?)
        });
        places.collect()
    }
}

fn count(places: &[Range<u32>]) -> u32 {
    places.iter().map(|places| places.end - places.start).sum()
}

/// A section of core instances in which each taker is handed the filler.
fn handed(
    data: &[u8],
    instances: &mut usize,
    takers: &BTreeMap<usize, u32>,
) -> Option<InstanceSection> {
    let mut section = InstanceSection::new();
    each(data, |instance| {
        match instance {
            wasmparser::Instance::Instantiate { module_index, args } => {
                let args = args.iter().map(|arg| (arg.name, arg.index));
                let more = takers.get(instances).map(|&filler| (TABLE, filler));
                let args: Vec<_> = args
                    .chain(more)
                    .map(|(name, instance)| (name, ModuleArg::Instance(instance)))
                    .collect();
                section.instantiate(module_index, args);
            }
            wasmparser::Instance::FromExports(exports) => {
                let exports: Option<Vec<_>> = exports
                    .iter()
                    .map(|export| {
                        let kind = RoundtripReencoder.export_kind(export.kind).ok()?;
                        Some((export.name, kind, export.index))
                    })
                    .collect();
                section.export_items(exports?);
            }
        }
        *instances += 1;
        Some(())
    })?;
    Some(section)
}
