//! What a component imports and exports, held against `wit/`.
//!
//! A component is untrusted until it runs in its sandbox, so nothing here
//! compiles or links it. The one parser that sees its bytes is the validator
//! that the runtime itself is built on; its types are compared, one by one, with
//! those of our own WIT. What is accepted here links in the runner.

mod compare;
mod contract;
mod error;
mod scan;
#[cfg(test)]
mod tests;
mod wasi;

use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentEntityType, ComponentInstanceTypeId,
};
use wasmparser::types::TypesRef;

use self::compare::compare_function;
use self::contract::{Contract, HANDLER};
pub use self::error::ComponentError;
use self::scan::Scan;
use crate::model::TargetWorld;

/// What a component is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentFacts {
    /// The world whose export it has.
    pub world: TargetWorld,
    /// The interfaces it imports, sorted.
    pub imports: Vec<String>,
}

/// Checks a component and says what it is made for.
pub fn inspect(wasm: &[u8]) -> Result<ComponentFacts, ComponentError> {
    let Scan { types, imports, exports } = scan::scan(wasm)?;
    let contract = Contract::load();
    let types = types.as_ref();
    let mut interfaces = Vec::new();
    for name in imports {
        // The validator knows every import that there is.
        let Some(item) = types.component_item_for_import(&name) else { continue };
        if let ComponentEntityType::Instance(id) = item.ty {
            check_import(&contract, types, &name, id)?;
            interfaces.push(name);
        } else if !is_plain_type(item.ty) {
            return Err(ComponentError::UnknownImport { interface: name, function: None });
        }
    }
    interfaces.sort();
    let world = find_world(&contract, types, &exports)?;
    Ok(ComponentFacts { world, imports: interfaces })
}

/// Holds one imported interface against the host's.
fn check_import(
    contract: &Contract,
    types: TypesRef<'_>,
    interface: &str,
    id: ComponentInstanceTypeId,
) -> Result<(), ComponentError> {
    if interface.starts_with("wasi:") {
        return wasi::check_import(interface);
    }
    if !contract.has_interface(interface) {
        let interface = interface.to_owned();
        return Err(ComponentError::UnknownImport { interface, function: None });
    }
    for (name, item) in &types[id].exports {
        let unknown = || ComponentError::UnknownImport {
            interface: interface.to_owned(),
            function: Some(name.clone()),
        };
        // Types matter where a function uses them, and are compared there.
        if is_plain_type(item.ty) {
            continue;
        }
        let ComponentEntityType::Func(actual) = item.ty else { return Err(unknown()) };
        let expected = contract.function(interface, name).ok_or_else(unknown)?;
        let compared = compare_function(types, &types[actual], expected, contract.resolve());
        compared.map_err(|reason| ComponentError::ImportMismatch {
            interface: interface.to_owned(),
            function: name.clone(),
            reason,
        })?;
    }
    Ok(())
}

/// A record, an enum and so on, which linking does not look at; no resource.
fn is_plain_type(ty: ComponentEntityType) -> bool {
    matches!(ty, ComponentEntityType::Type { created: ComponentAnyTypeId::Defined(_), .. })
}

/// The world is told by the export alone; anything else may be exported beside it.
fn find_world(
    contract: &Contract,
    types: TypesRef<'_>,
    exports: &[String],
) -> Result<TargetWorld, ComponentError> {
    let handler = exports.iter().any(|name| name == HANDLER);
    let incoming = exports.iter().find(|name| wasi::is_incoming_handler(name));
    match (handler, incoming) {
        (true, Some(_)) => Err(ComponentError::TwoHandlers),
        (false, None) => Err(ComponentError::NoHandler),
        (true, None) => {
            check_handler(contract, types)?;
            Ok(TargetWorld::Extension)
        }
        (false, Some(name)) => {
            wasi::check_export(types, name)?;
            Ok(TargetWorld::WasiHttp)
        }
    }
}

fn check_handler(contract: &Contract, types: TypesRef<'_>) -> Result<(), ComponentError> {
    let mismatch = |reason| ComponentError::ExportMismatch { export: HANDLER.to_owned(), reason };
    let item = types.component_item_for_export(HANDLER).map(|item| item.ty);
    let Some(ComponentEntityType::Func(id)) = item else {
        return Err(mismatch("it is not a function".to_owned()));
    };
    compare_function(types, &types[id], contract.handler(), contract.resolve()).map_err(mismatch)
}
