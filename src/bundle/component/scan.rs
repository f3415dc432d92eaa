//! One validated pass over the bytes of a component.

use wasmparser::{
    FuncValidatorAllocations, FunctionBody, Parser, Payload, ValidPayload, Validator, WasmFeatures,
    types::Types,
};

use super::error::ComponentError;

/// All functions of all modules together: each is compiled.
const MAX_FUNCTIONS: u64 = 50_000;
/// One function: the compiler's time grows faster than its size.
const MAX_FUNCTION_BYTES: u64 = 1024 * 1024;

/// What the toolchains need and the runner's engine has. A proposal that is not
/// here is compiler code that a hostile component cannot reach.
const FEATURES: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::COMPONENT_MODEL);

/// What validation found at the top level.
pub(super) struct Scan {
    pub(super) types: Types,
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

/// Validates `wasm`, bounds what compiling it will cost, and lists its names.
pub(super) fn scan(wasm: &[u8]) -> Result<Scan, ComponentError> {
    if !Parser::is_component(wasm) {
        return Err(if Parser::is_core_wasm(wasm) {
            ComponentError::NotAComponent
        } else {
            ComponentError::Malformed("it does not begin as WebAssembly does".to_owned())
        });
    }
    let mut outline = Outline::default();
    let types = validate(wasm, FEATURES, &mut outline).map_err(|fault| match fault {
        Fault::Cost(error) => error,
        Fault::Invalid(message) => why(wasm, message),
    })?;
    Ok(Scan { types, imports: outline.imports, exports: outline.exports })
}

/// Tells what is broken from what is only not run here.
fn why(wasm: &[u8], message: String) -> ComponentError {
    match validate(wasm, WasmFeatures::default(), &mut Outline::default()) {
        Ok(_) => ComponentError::FeatureRefused(message),
        Err(_) => ComponentError::Malformed(message),
    }
}

/// Why a pass over a component ended early.
enum Fault {
    Cost(ComponentError),
    Invalid(String),
}

impl From<wasmparser::BinaryReaderError> for Fault {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid(format!("{} (at byte {})", error.message(), error.offset()))
    }
}

fn validate(wasm: &[u8], features: WasmFeatures, outline: &mut Outline) -> Result<Types, Fault> {
    let mut validator = Validator::new_with_features(features);
    let mut bodies = Vec::new();
    let mut types = None;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        outline.see(&payload)?;
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => bodies.push((function, body)),
            ValidPayload::End(found) => types = Some(found),
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
    }
    let mut allocations = FuncValidatorAllocations::default();
    for (function, body) in bodies {
        let mut function = function.into_validator(allocations);
        function.validate(&body)?;
        allocations = function.into_allocations();
    }
    types.ok_or_else(|| Fault::Invalid("it has no end".to_owned()))
}

/// What is seen on the way.
#[derive(Default)]
struct Outline {
    /// How many modules and components the current section is inside of.
    depth: u32,
    functions: u64,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Outline {
    fn see(&mut self, payload: &Payload<'_>) -> Result<(), Fault> {
        if let Payload::Version { .. } = payload {
            self.depth += 1;
        } else if let Payload::End(_) = payload {
            self.depth -= 1;
        } else if let Payload::CodeSectionStart { count, .. } = payload {
            self.count(u64::from(*count))?;
        } else if let Payload::CodeSectionEntry(body) = payload {
            check_size(body)?;
        }
        if self.depth == 1 { self.list(payload) } else { Ok(()) }
    }

    fn list(&mut self, payload: &Payload<'_>) -> Result<(), Fault> {
        if let Payload::ComponentImportSection(section) = payload {
            for import in section.clone() {
                self.imports.push(import?.name.name.to_owned());
            }
        } else if let Payload::ComponentExportSection(section) = payload {
            for export in section.clone() {
                self.exports.push(export?.name.name.to_owned());
            }
        }
        Ok(())
    }

    fn count(&mut self, functions: u64) -> Result<(), Fault> {
        self.functions += functions;
        if self.functions > MAX_FUNCTIONS {
            let (found, limit) = (self.functions, MAX_FUNCTIONS);
            return Err(Fault::Cost(ComponentError::TooManyFunctions { found, limit }));
        }
        Ok(())
    }
}

fn check_size(body: &FunctionBody<'_>) -> Result<(), Fault> {
    let found = body.range().len() as u64;
    if found > MAX_FUNCTION_BYTES {
        let limit = MAX_FUNCTION_BYTES;
        return Err(Fault::Cost(ComponentError::FunctionTooLarge { found, limit }));
    }
    Ok(())
}
