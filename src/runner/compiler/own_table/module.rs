//! What a module says of its tables.

mod uses;
mod writing;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::SectionId;
use wasmparser::{
    BinaryReader, Element, ElementItems, ElementKind, Export, ExternalKind, FromReader, Global,
    Import, ImportSectionReader, Operator, RefType, SectionLimited, Table, TableInit, TableType,
    TypeRef,
};

use self::uses::Uses;

/// Under which name a module exports and imports the second table: no toolchain's.
pub(super) const TABLE: &str = "plugboard:own-table";

/// Bytes before the first section: what it is, and of which version.
const HEADER_BYTES: usize = 8;
/// Segments of the module that fills the table: linkers make one or two.
const MAX_SEGMENTS: usize = 16;
/// The one table that a module has.
const ONLY: u32 = 0;

/// A section, of a module or a component.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section<'a> {
    pub(super) id: u8,
    pub(super) data: &'a [u8],
}

/// The sections of a module or a component, which are framed alike.
pub(super) fn sections(binary: &[u8]) -> Option<Vec<Section<'_>>> {
    let mut reader = BinaryReader::new(binary.get(HEADER_BYTES..)?, 0);
    let mut sections = Vec::new();
    while !reader.eof() {
        let id = reader.read_u8().ok()?;
        let bytes = usize::try_from(reader.read_var_u32().ok()?).ok()?;
        sections.push(Section { id, data: reader.read_bytes(bytes).ok()? });
    }
    Some(sections)
}

/// A core module, as far as its tables are concerned.
#[derive(Debug)]
pub(super) struct Module<'a> {
    sections: Vec<Section<'a>>,
    imports: Vec<Import<'a>>,
    tables: Vec<Table<'a>>,
    exports: BTreeMap<&'a str, Export<'a>>,
    uses: OnceCell<Option<Uses>>,
}

/// Where a segment begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offset {
    At(u32),
    /// Where the global of that index says.
    Global(u32),
}

/// A table that its module leaves to others, but for calls through fixed places.
#[derive(Debug)]
pub(super) struct KeptTable<'a> {
    pub(super) ty: TableType,
    pub(super) called: &'a BTreeSet<u32>,
}

impl<'a> Module<'a> {
    pub(super) fn read(binary: &'a [u8]) -> Option<Self> {
        binary.starts_with(&wasm_encoder::Module::HEADER).then_some(())?;
        let (imports, tables) = (Vec::new(), Vec::new());
        let (exports, uses) = (BTreeMap::new(), OnceCell::new());
        let mut module = Self { sections: sections(binary)?, imports, tables, exports, uses };
        if let Some(data) = module.section(SectionId::Import) {
            let imports = ImportSectionReader::new(BinaryReader::new(data, 0)).ok()?;
            module.imports = imports.into_imports().collect::<Result<_, _>>().ok()?;
        }
        module.tables = module.items(SectionId::Table)?;
        let exports = module.items::<Export<'_>>(SectionId::Export)?.into_iter();
        module.exports = exports.map(|export| (export.name, export)).collect();
        Some(module)
    }

    fn section(&self, id: SectionId) -> Option<&'a [u8]> {
        let section = self.sections.iter().find(|section| section.id == id as u8)?;
        Some(section.data)
    }

    /// The items of a section; none if it is absent.
    fn items<T: FromReader<'a>>(&self, id: SectionId) -> Option<Vec<T>> {
        let Some(data) = self.section(id) else { return Some(Vec::new()) };
        let items = SectionLimited::new(BinaryReader::new(data, 0)).ok()?;
        items.into_iter().collect::<Result<_, _>>().ok()
    }

    pub(super) fn own_tables(&self) -> usize {
        self.tables.len()
    }

    pub(super) fn imported_tables(&self) -> impl Iterator<Item = &Import<'a>> {
        self.imports.iter().filter(|import| is_table(import))
    }

    fn imported_globals(&self) -> impl Iterator<Item = &Import<'a>> {
        self.imports.iter().filter(|import| matches!(import.ty, TypeRef::Global(_)))
    }

    pub(super) fn imported_global(&self, global: u32) -> Option<&Import<'a>> {
        self.imported_globals().nth(usize::try_from(global).ok()?)
    }

    /// The index of an export among what the module itself defines.
    pub(super) fn exported(&self, name: &str, kind: ExternalKind) -> Option<u32> {
        let export = self.exports.get(name).filter(|export| export.kind == kind)?;
        let imported = if kind == ExternalKind::Table {
            self.imported_tables().count()
        } else {
            self.imported_globals().count()
        };
        export.index.checked_sub(u32::try_from(imported).ok()?)
    }

    /// What a global of the module itself begins with, if it is a constant: one that others
    /// place segments by never changes.
    pub(super) fn constant(&self, global: u32) -> Option<u32> {
        let mut globals = self.reader::<Global<'_>>(SectionId::Global)?.into_iter();
        match offset(&globals.nth(usize::try_from(global).ok()?)?.ok()?.init_expr)? {
            Offset::At(value) => Some(value),
            Offset::Global(_) => None,
        }
    }

    /// Where the module fills its one table, which it imports, and with how many elements;
    /// `None` where wasmtime would not do that lazily for a table of its own.
    pub(super) fn places(&self) -> Option<Vec<(Offset, u32)>> {
        self.takes_one_table().then_some(())?;
        let mut places = Vec::new();
        for segment in self.items::<Element<'_>>(SectionId::Element)? {
            if let ElementKind::Active { offset_expr, .. } = &segment.kind {
                let ElementItems::Functions(functions) = &segment.items else { return None };
                places.push((offset(offset_expr)?, functions.count()));
            }
        }
        (places.len() <= MAX_SEGMENTS).then_some(places)
    }

    /// How many elements the module puts into the table of that index.
    pub(super) fn elements_into(&self, table: u32) -> Option<u32> {
        let segments: Vec<Element<'_>> = self.items(SectionId::Element)?;
        Some(segments.iter().filter(|segment| fills(segment, table)).map(elements).sum())
    }

    fn takes_one_table(&self) -> bool {
        self.imported_tables().count() == 1 && self.only_takes_tables()
    }

    /// None of its own, and none that it passes on or changes while it runs.
    fn only_takes_tables(&self) -> bool {
        let passes_on = self.exports.values().any(|export| export.kind == ExternalKind::Table);
        let changes = || self.uses().is_none_or(|uses| uses.changes);
        self.tables.is_empty() && !passes_on && !changes()
    }

    /// The one table of the module, if all that is ever done with it here is to call through
    /// fixed places.
    pub(super) fn kept_table(&self) -> Option<KeptTable<'_>> {
        let [Table { ty, init: TableInit::RefNull }] = &self.tables[..] else { return None };
        let is_plain = ty.element_type == RefType::FUNCREF && !ty.table64;
        let is_filled = self.section(SectionId::Element).is_some();
        if !is_plain || is_filled {
            return None;
        }
        let Uses { called, reads, changes } = self.uses()?;
        let is_kept = !reads && !changes;
        is_kept.then_some(KeptTable { ty: *ty, called })
    }

    fn uses(&self) -> Option<&Uses> {
        self.uses.get_or_init(|| Uses::of(&self.items(SectionId::Code)?)).as_ref()
    }

    fn reader<T: FromReader<'a>>(&self, id: SectionId) -> Option<SectionLimited<'a, T>> {
        SectionLimited::new(BinaryReader::new(self.section(id)?, 0)).ok()
    }
}

fn is_table(import: &Import<'_>) -> bool {
    matches!(import.ty, TypeRef::Table(_))
}

/// A place that is known before the module runs.
fn offset(expression: &wasmparser::ConstExpr<'_>) -> Option<Offset> {
    let mut operators = expression.get_operators_reader();
    let (first, last) = (operators.read().ok()?, operators.read().ok()?);
    match (first, last) {
        (Operator::I32Const { value }, Operator::End) => Some(Offset::At(value.cast_unsigned())),
        (Operator::GlobalGet { global_index }, Operator::End) => Some(Offset::Global(global_index)),
        _ => None,
    }
}

fn elements(segment: &Element<'_>) -> u32 {
    match &segment.items {
        ElementItems::Functions(items) => items.count(),
        ElementItems::Expressions(_, items) => items.count(),
    }
}

fn fills(segment: &Element<'_>, table: u32) -> bool {
    match &segment.kind {
        ElementKind::Active { table_index, .. } => table_index.unwrap_or_default() == table,
        ElementKind::Passive | ElementKind::Declared => false,
    }
}
