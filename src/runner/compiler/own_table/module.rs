//! What a module says of its tables, and the same module with other ones.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ptr;

use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasm_encoder::{
    ConstExpr, ElementSection, ExportKind, ExportSection, ImportSection, RawSection, SectionId,
    TableSection,
};
use wasmparser::{
    BinaryReader, Element, ElementItems, ElementKind, Export, ExternalKind, FromReader,
    FunctionBody, Global, Import, ImportSectionReader, Operator, RefType, SectionLimited, Table,
    TableInit, TableType, TypeRef,
};

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

/// What code does with tables.
#[derive(Debug, Default)]
struct Uses {
    /// It calls through these places.
    called: BTreeSet<u32>,
    /// It calls through other places, or reads.
    reads: bool,
    /// It writes to a table, or lets it grow.
    changes: bool,
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
        self.uses.get_or_init(|| self.read_uses()).as_ref()
    }

    fn read_uses(&self) -> Option<Uses> {
        let mut uses = Uses::default();
        for body in self.items::<FunctionBody<'_>>(SectionId::Code)? {
            let mut before = None;
            for operator in body.get_operators_reader().ok()? {
                let operator = operator.ok()?;
                uses.see(before.as_ref(), &operator);
                before = Some(operator);
            }
        }
        Some(uses)
    }

    /// Without the table it imports: with one of its own, filled from `starts` on.
    pub(super) fn with_own_table(&self, ty: TableType, starts: &[u32]) -> Option<Vec<u8>> {
        self.takes_one_table().then_some(())?;
        let mut starts = starts.iter();
        let mut tables = TableSection::new();
        // Nobody lets it grow, and the size of one that cannot is not asked for at each call.
        let ty = TableType { maximum: Some(ty.initial), ..ty };
        tables.table(RoundtripReencoder.table_type(ty).ok()?);
        let mut exports = ExportSection::new();
        RoundtripReencoder
            .parse_export_section(&mut exports, self.reader(SectionId::Export)?)
            .ok()?;
        exports.export(TABLE, ExportKind::Table, ONLY);
        let mut segments = ElementSection::new();
        for segment in self.items::<Element<'_>>(SectionId::Element)? {
            if let ElementKind::Active { .. } = segment.kind {
                let start = ConstExpr::i32_const(starts.next()?.cast_signed());
                let items = RoundtripReencoder.element_items(segment.items).ok()?;
                segments.active(None, &start, items);
            } else {
                RoundtripReencoder.parse_element(&mut segments, segment).ok()?;
            }
        }
        let mut imports = ImportSection::new();
        for import in self.imports.iter().filter(|import| !is_table(import)) {
            RoundtripReencoder.parse_import(&mut imports, *import).ok()?;
        }
        Some(self.written(&imports, Some(&tables), Some(&exports), &segments))
    }

    /// With the filler's table in place of the one of that index; what it fills, it fills in
    /// both.
    pub(super) fn with_table_of_filler(&self, table: u32) -> Option<Vec<u8>> {
        self.only_takes_tables().then_some(())?;
        let index = usize::try_from(table).ok()?;
        let taken = self.imported_tables().nth(index)?;
        let mut imports = ImportSection::new();
        for import in &self.imports {
            let filler = Import { module: TABLE, name: TABLE, ty: import.ty };
            let import = if ptr::eq(import, taken) { filler } else { *import };
            RoundtripReencoder.parse_import(&mut imports, import).ok()?;
        }
        let mut segments = ElementSection::new();
        let all: Vec<Element<'_>> = self.items(SectionId::Element)?;
        for segment in all.iter().cloned() {
            RoundtripReencoder.parse_element(&mut segments, segment).ok()?;
        }
        let filling: Vec<_> = all.into_iter().filter(|segment| fills(segment, table)).collect();
        if !filling.is_empty() {
            RoundtripReencoder.parse_import(&mut imports, *taken).ok()?;
            let mut behind = IntoTable(u32::try_from(self.imported_tables().count()).ok()?);
            for segment in filling {
                behind.parse_element(&mut segments, segment).ok()?;
            }
        }
        Some(self.written(&imports, None, None, &segments))
    }

    fn reader<T: FromReader<'a>>(&self, id: SectionId) -> Option<SectionLimited<'a, T>> {
        SectionLimited::new(BinaryReader::new(self.section(id)?, 0)).ok()
    }

    /// The module with some sections replaced, and one for tables added before those that may
    /// not come before it.
    fn written(
        &self,
        imports: &ImportSection,
        mut tables: Option<&TableSection>,
        exports: Option<&ExportSection>,
        segments: &ElementSection,
    ) -> Vec<u8> {
        let mut written = wasm_encoder::Module::new();
        for &Section { id, data } in &self.sections {
            if id > SectionId::Function as u8
                && let Some(tables) = tables.take()
            {
                written.section(tables);
            }
            match exports {
                _ if id == SectionId::Import as u8 => written.section(imports),
                _ if id == SectionId::Element as u8 => written.section(segments),
                Some(exports) if id == SectionId::Export as u8 => written.section(exports),
                Some(_) | None => written.section(&RawSection { id, data }),
            };
        }
        written.finish()
    }
}

impl Uses {
    fn see(&mut self, before: Option<&Operator<'_>>, operator: &Operator<'_>) {
        match (before, operator) {
            // Nothing can jump between the two.
            (Some(Operator::I32Const { value }), Operator::CallIndirect { .. }) => {
                self.called.insert(value.cast_unsigned());
            }
            (_, operator) => {
                self.reads |= matches!(
                    operator,
                    Operator::CallIndirect { .. }
                        | Operator::ReturnCallIndirect { .. }
                        | Operator::TableGet { .. }
                        | Operator::TableSize { .. }
                );
                self.changes |= matches!(
                    operator,
                    Operator::TableSet { .. }
                        | Operator::TableGrow { .. }
                        | Operator::TableFill { .. }
                        | Operator::TableCopy { .. }
                        | Operator::TableInit { .. }
                );
            }
        }
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

/// Writes segments that fill the table of that index.
struct IntoTable(u32);

impl Reencode for IntoTable {
    type Error = Infallible;

    fn table_index(&mut self, _: u32) -> Result<u32, reencode::Error<Self::Error>> {
        Ok(self.0)
    }
}
