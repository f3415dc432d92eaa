//! Compares a function of a component with the one the host has.
//!
//! The walk follows the host's type, which is small and finite: a component's
//! types can share parts so that walking them would not end in our lifetime.

use wasmparser::PrimitiveValType;
use wasmparser::component_types::{ComponentDefinedType, ComponentFuncType, ComponentValType};
use wasmparser::{names::KebabString, types::TypesRef};
use wit_parser::{Function, Resolve, Type, TypeDefKind};

/// `Ok` when both are the same to the canonical ABI; else where they differ.
///
/// Names of parameters are not compared: linking does not look at them.
pub(super) fn compare_function(
    types: TypesRef<'_>,
    actual: &ComponentFuncType,
    expected: &Function,
    resolve: &Resolve,
) -> Result<(), String> {
    let comparison = Comparison { types, resolve };
    if actual.async_ {
        return Err("it is asynchronous".to_owned());
    }
    let (found, wanted) = (actual.params.len(), expected.params.len());
    if found != wanted {
        return Err(format!("it has {found} parameters and must have {wanted}"));
    }
    for ((_, actual), expected) in actual.params.iter().zip(&expected.params) {
        let compared = comparison.compare(*actual, expected.ty);
        compared.map_err(|reason| format!("parameter `{}`{reason}", expected.name))?;
    }
    let compared = comparison.compare_optional(actual.result, expected.result);
    compared.map_err(|reason| format!("the result{reason}"))
}

/// A mismatch is text to go behind the name of what it is in.
struct Comparison<'t> {
    types: TypesRef<'t>,
    resolve: &'t Resolve,
}

impl Comparison<'_> {
    fn compare_optional(
        &self,
        actual: Option<ComponentValType>,
        expected: Option<Type>,
    ) -> Result<(), String> {
        match (actual, expected) {
            (None, None) => Ok(()),
            (Some(actual), Some(expected)) => self.compare(actual, expected),
            (Some(actual), None) => Err(format!(" is {} and must be nothing", self.found(actual))),
            (None, Some(expected)) => {
                Err(format!(" is nothing and must be {}", self.wanted(expected)))
            }
        }
    }

    fn compare(&self, actual: ComponentValType, expected: Type) -> Result<(), String> {
        let mismatch =
            || Err(format!(" is {} and must be {}", self.found(actual), self.wanted(expected)));
        let kind = match self.kind(expected) {
            Ok(kind) => kind,
            Err(primitive) if Some(primitive) == self.primitive(actual) => return Ok(()),
            Err(_) => return mismatch(),
        };
        let Some(actual) = self.defined(actual) else { return mismatch() };
        match (actual, kind) {
            (ComponentDefinedType::Record(actual), TypeDefKind::Record(expected)) => {
                let fields = expected.fields.iter().map(|field| (field.name.as_str(), field.ty));
                self.compare_fields(actual.fields.iter().map(|(n, t)| (n.as_str(), *t)), fields)
            }
            (ComponentDefinedType::Enum(actual), TypeDefKind::Enum(expected)) => compare_cases(
                actual.iter().map(KebabString::as_str),
                expected.cases.iter().map(|case| case.name.as_str()),
            ),
            (ComponentDefinedType::Tuple(actual), TypeDefKind::Tuple(expected)) => {
                if actual.types.len() != expected.types.len() {
                    return mismatch();
                }
                let mut pairs = actual.types.iter().zip(&expected.types);
                pairs.try_for_each(|(actual, expected)| self.compare(*actual, *expected))
            }
            (ComponentDefinedType::List { element, .. }, TypeDefKind::List(expected)) => {
                self.compare(*element, *expected).map_err(|reason| format!(": each item{reason}"))
            }
            (ComponentDefinedType::Option { ty, .. }, TypeDefKind::Option(expected)) => {
                self.compare(*ty, *expected).map_err(|reason| format!(": the option{reason}"))
            }
            (ComponentDefinedType::Result { ok, err, .. }, TypeDefKind::Result(expected)) => {
                self.compare_optional(*ok, expected.ok).map_err(|r| format!(": the value{r}"))?;
                self.compare_optional(*err, expected.err).map_err(|r| format!(": the error{r}"))
            }
            _ => mismatch(),
        }
    }

    /// Fields are told apart by their place: the same ones in another order are another record.
    fn compare_fields<'n>(
        &self,
        mut actual: impl Iterator<Item = (&'n str, ComponentValType)>,
        expected: impl Iterator<Item = (&'n str, Type)>,
    ) -> Result<(), String> {
        for (place, (wanted, expected)) in (1..).zip(expected) {
            match actual.next() {
                None => return Err(format!(" lacks the field `{wanted}`")),
                Some((found, actual)) if found == wanted => self
                    .compare(actual, expected)
                    .map_err(|reason| format!(": field `{wanted}`{reason}"))?,
                Some((found, _)) => {
                    return Err(format!(
                        " has `{found}` as field {place}, which must be `{wanted}`"
                    ));
                }
            }
        }
        match actual.next() {
            None => Ok(()),
            Some((found, _)) => Err(format!(" has the field `{found}`, which it must not have")),
        }
    }

    /// The structure of a host type, or the primitive it is.
    fn kind(&self, mut expected: Type) -> Result<&TypeDefKind, PrimitiveValType> {
        while let Type::Id(id) = expected {
            let kind = &self.resolve.types[id].kind;
            let TypeDefKind::Type(aliased) = kind else { return Ok(kind) };
            expected = *aliased;
        }
        Err(match expected {
            Type::Bool => PrimitiveValType::Bool,
            Type::U8 => PrimitiveValType::U8,
            Type::U16 => PrimitiveValType::U16,
            Type::U32 => PrimitiveValType::U32,
            Type::U64 => PrimitiveValType::U64,
            Type::S8 => PrimitiveValType::S8,
            Type::S16 => PrimitiveValType::S16,
            Type::S32 => PrimitiveValType::S32,
            Type::S64 => PrimitiveValType::S64,
            Type::F32 => PrimitiveValType::F32,
            Type::F64 => PrimitiveValType::F64,
            Type::Char => PrimitiveValType::Char,
            Type::String => PrimitiveValType::String,
            Type::ErrorContext => PrimitiveValType::ErrorContext,
            Type::Id(_) => unreachable!("the loop ends at a type that is no alias"),
        })
    }

    fn primitive(&self, actual: ComponentValType) -> Option<PrimitiveValType> {
        let id = match actual {
            ComponentValType::Primitive(primitive) => return Some(primitive),
            ComponentValType::Type(id) => id,
        };
        let ComponentDefinedType::Primitive(primitive) = self.types[id] else { return None };
        Some(primitive)
    }

    fn defined(&self, actual: ComponentValType) -> Option<&ComponentDefinedType> {
        match actual {
            ComponentValType::Primitive(_) => None,
            ComponentValType::Type(id) => Some(&self.types[id]),
        }
    }

    fn found(&self, actual: ComponentValType) -> String {
        if let Some(primitive) = self.primitive(actual) {
            return primitive.to_string();
        }
        let Some(defined) = self.defined(actual) else { return "a value".to_owned() };
        match defined {
            ComponentDefinedType::Record(_) => "a record",
            ComponentDefinedType::Variant(_) => "a variant",
            ComponentDefinedType::List { .. } => "a list",
            ComponentDefinedType::Tuple(_) => "a tuple",
            ComponentDefinedType::Flags(_) => "flags",
            ComponentDefinedType::Enum(_) => "an enum",
            ComponentDefinedType::Option { .. } => "an option",
            ComponentDefinedType::Result { .. } => "a result",
            ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => "a handle",
            ComponentDefinedType::Primitive(_)
            | ComponentDefinedType::Map { .. }
            | ComponentDefinedType::FixedLengthList { .. }
            | ComponentDefinedType::Future { .. }
            | ComponentDefinedType::Stream { .. } => "something else",
        }
        .to_owned()
    }

    fn wanted(&self, expected: Type) -> String {
        match self.kind(expected) {
            Err(primitive) => primitive.to_string(),
            Ok(kind) => format!("of the kind {}", kind.as_str()),
        }
    }
}

/// Cases are told apart by their place, as fields are.
fn compare_cases<'n>(
    actual: impl Iterator<Item = &'n str>,
    expected: impl Iterator<Item = &'n str>,
) -> Result<(), String> {
    let (actual, expected): (Vec<_>, Vec<_>) = (actual.collect(), expected.collect());
    if actual == expected {
        return Ok(());
    }
    Err(format!(" has the cases {} and must have {}", actual.join(", "), expected.join(", ")))
}
