//! Why a component is refused.

/// Why `dist/main.wasm` cannot run on this appliance.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    #[error("`dist/main.wasm` is a core module and not a component")]
    NotAComponent,
    #[error("`dist/main.wasm` is not valid WebAssembly: {0}")]
    Malformed(String),
    #[error("`dist/main.wasm` uses a WebAssembly proposal that this appliance does not run: {0}")]
    FeatureRefused(String),
    #[error("the component has {found} functions or more; {limit} are allowed")]
    TooManyFunctions { found: u64, limit: u64 },
    #[error("the component has a function of {found} bytes; {limit} are allowed")]
    FunctionTooLarge { found: u64, limit: u64 },
    #[error("the component imports {}, which this appliance does not have", import(.interface, .function.as_deref()))]
    UnknownImport { interface: String, function: Option<String> },
    #[error("the component imports `{function}` of `{interface}` in another shape: {reason}")]
    ImportMismatch { interface: String, function: String, reason: String },
    #[error("the component exports neither `handler` nor `wasi:http/incoming-handler`")]
    NoHandler,
    #[error("the component exports both `handler` and `wasi:http/incoming-handler`")]
    TwoHandlers,
    #[error("the component exports `{export}` in another shape: {reason}")]
    ExportMismatch { export: String, reason: String },
}

fn import(interface: &str, function: Option<&str>) -> String {
    match function {
        Some(function) => format!("`{function}` of `{interface}`"),
        None => format!("`{interface}`"),
    }
}

impl ComponentError {
    /// A stable word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAComponent => "not_a_component",
            Self::Malformed(_) => "component_malformed",
            Self::FeatureRefused(_) => "feature_refused",
            Self::TooManyFunctions { .. } => "too_many_functions",
            Self::FunctionTooLarge { .. } => "function_too_large",
            Self::UnknownImport { .. } => "unknown_import",
            Self::ImportMismatch { .. } => "import_mismatch",
            Self::NoHandler => "no_handler",
            Self::TwoHandlers => "two_handlers",
            Self::ExportMismatch { .. } => "export_mismatch",
        }
    }

    /// What the publisher can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotAComponent => {
                "turn the module into a component, as `wasm-tools component new` or \
                 componentize-js do"
            }
            Self::Malformed(_) => "build it again: the file was cut or is not WebAssembly",
            Self::FeatureRefused(_) => {
                "build without threads, 64-bit memory, garbage collection, exceptions, \
                 relaxed SIMD and async functions (componentize-qjs: `--sync`), for WASI 0.2"
            }
            Self::TooManyFunctions { .. } | Self::FunctionTooLarge { .. } => {
                "build for size and leave out what is not used"
            }
            Self::UnknownImport { .. } | Self::ImportMismatch { .. } => {
                "build with the WIT of this appliance; of WASI 0.2 there are cli, clocks, \
                 http, io and random, and filesystem and sockets with nothing behind them; beside \
                 it `wasi:config/store@0.2.0-rc.1` and `wasi:keyvalue@0.2.0-draft`"
            }
            Self::NoHandler | Self::TwoHandlers | Self::ExportMismatch { .. } => {
                "export `handler` of the world `alga:extension/runner`, or \
                 `wasi:http/incoming-handler`, and not both"
            }
        }
    }
}
