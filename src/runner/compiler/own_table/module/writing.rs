//! The same module with other tables.

use std::convert::Infallible;
use std::ptr;

use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasm_encoder::{
    ConstExpr, ElementSection, ExportKind, ExportSection, ImportSection, RawSection, SectionId,
    TableSection,
};
use wasmparser::{Element, ElementKind, Import, TableType};

use super::{Module, ONLY, Section, TABLE, fills, is_table};

impl Module<'_> {
    /// Without the table it imports: with one of its own, filled from `starts` on.
    pub(in super::super) fn with_own_table(
        &self,
        ty: TableType,
        starts: &[u32],
    ) -> Option<Vec<u8>> {
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
    pub(in super::super) fn with_table_of_filler(&self, table: u32) -> Option<Vec<u8>> {
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

/// Writes segments that fill the table of that index.
struct IntoTable(u32);

impl Reencode for IntoTable {
    type Error = Infallible;

    fn table_index(&mut self, _: u32) -> Result<u32, reencode::Error<Self::Error>> {
        Ok(self.0)
    }
}
