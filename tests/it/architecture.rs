//! The rules of docs/ARCHITECTURE.md that a machine can check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Every module, lowest first, with the modules it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("allocator", &[]),
    ("fail_point", &[]),
    ("gcra", &[]),
    ("held_memory", &[]),
    ("memory_file", &[]),
    ("pieces", &[]),
    ("redb_file", &[]),
    ("tls_client", &[]),
    ("model", &[]),
    ("config", &["model"]),
    ("telemetry", &["config"]),
    ("bundle", &["model"]),
    ("trust", &["model", "config", "bundle"]),
    ("registry", &["fail_point", "redb_file", "model"]),
    ("state", &["fail_point", "gcra", "redb_file", "model", "config"]),
    ("guest_logs", &["model", "config"]),
    ("store", &["fail_point", "tls_client", "model", "config", "bundle", "trust"]),
    ("egress", &["held_memory", "tls_client", "model", "config"]),
    ("callbacks", &["tls_client", "model", "config"]),
    ("traces", &["tls_client", "model", "config"]),
    (
        "runner",
        &[
            "allocator",
            "memory_file",
            "pieces",
            "model",
            "config",
            "state",
            "guest_logs",
            "egress",
            "callbacks",
            "traces",
        ],
    ),
    (
        "app",
        &[
            "fail_point",
            "gcra",
            "held_memory",
            "memory_file",
            "model",
            "config",
            "telemetry",
            "bundle",
            "trust",
            "registry",
            "state",
            "guest_logs",
            "store",
            "egress",
            "callbacks",
            "traces",
            "runner",
        ],
    ),
    // A door uses the types that use cases take and give; it calls only `app`.
    (
        "web",
        &[
            "held_memory",
            "pieces",
            "model",
            "config",
            "telemetry",
            "bundle",
            "trust",
            "registry",
            "state",
            "guest_logs",
            "store",
            "egress",
            "traces",
            "runner",
            "app",
        ],
    ),
    (
        "cli",
        &[
            "allocator",
            "held_memory",
            "model",
            "config",
            "telemetry",
            "bundle",
            "trust",
            "registry",
            "state",
            "guest_logs",
            "store",
            "egress",
            "callbacks",
            "traces",
            "runner",
            "app",
            "web",
        ],
    ),
];

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// `src/<module>.rs` and everything below `src/<module>/`.
fn rust_files(module: &str) -> Vec<PathBuf> {
    let mut files = vec![source_root().join(format!("{module}.rs"))];
    let mut folders = vec![source_root().join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The top-level modules that a file names: `crate::x`, `$crate::x`.
fn used_modules(source: &str) -> BTreeSet<&str> {
    let named = source.match_indices("crate::").filter_map(|(at, prefix)| {
        let rest = &source[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let inside_word = source[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        (!inside_word && end > 0).then(|| &rest[..end])
    });
    named.filter(|name| ALLOWED.iter().any(|(module, _)| module == name)).collect()
}

#[test]
fn every_module_is_listed_and_points_down() {
    let lib = fs::read_to_string(source_root().join("lib.rs")).unwrap();
    let declared: BTreeSet<_> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let listed = ALLOWED.iter().map(|(module, _)| *module);
    assert_eq!(declared, listed.collect());

    for (index, (module, allowed)) in ALLOWED.iter().enumerate() {
        let below = &ALLOWED[..index];
        let points_down = |used: &&str| below.iter().any(|(lower, _)| lower == used);
        assert!(allowed.iter().all(points_down), "{module} points up");
    }
}

#[test]
fn modules_use_only_the_modules_below_them() {
    for (module, allowed) in ALLOWED {
        for file in rust_files(module) {
            let source = fs::read_to_string(&file).unwrap();
            let extra: BTreeSet<_> = used_modules(&source)
                .into_iter()
                .filter(|used| used != module && !allowed.contains(used))
                .collect();
            assert!(extra.is_empty(), "{} uses {extra:?}", file.display());
        }
    }
}

#[test]
fn only_the_web_door_knows_axum_and_only_the_runner_knows_wasmtime() {
    for (module, _) in ALLOWED {
        for file in rust_files(module) {
            let source = fs::read_to_string(&file).unwrap();
            let code: String =
                source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            assert!(*module == "web" || !code.contains("axum::"), "{}", file.display());
            assert!(*module == "runner" || !code.contains("wasmtime::"), "{}", file.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_is_short_enough_to_read() {
    for (module, _) in ALLOWED {
        for file in rust_files(module) {
            let source = fs::read_to_string(&file).unwrap();
            assert!(source.starts_with("//!"), "{} does not say what it is", file.display());
            let code = if file.ends_with("tests.rs") { "" } else { before_tests(&source) };
            let lines = code.lines().count();
            assert!(lines <= 400, "{} has {lines} lines", file.display());
        }
    }
}

/// The lines of every function of a file, from its signature to its closing
/// brace, without those that only tests have.
#[derive(Default)]
struct Lengths(Vec<(usize, String)>);

impl Lengths {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let from = signature.fn_token.span.start().line;
        let to = block.brace_token.span.close().end().line;
        self.0.push((to - from + 1, signature.ident.to_string()));
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let is_test = |text: &str| text == "test";
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && is_test(&list.tokens.to_string()),
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::NameValue(_) => false,
    })
}

impl<'ast> Visit<'ast> for Lengths {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_for_tests(&function.attrs) {
            self.add(&function.sig, &function.block);
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn is_only_for_tests(file: &Path) -> bool {
    ["tests.rs", "samples.rs", "fixtures.rs"].iter().any(|name| file.ends_with(name))
}

/// The value that 95 of 100 do not pass.
fn p95<T: Clone + Ord>(values: &mut [T]) -> T {
    values.sort();
    values[(values.len() * 95).div_ceil(100) - 1].clone()
}

#[test]
fn functions_and_files_are_short_and_nearly_all_of_them_very_short() {
    let (mut functions, mut files) = (Lengths::default(), Vec::new());
    for (module, _) in ALLOWED {
        for file in rust_files(module).into_iter().filter(|file| !is_only_for_tests(file)) {
            let source = fs::read_to_string(&file).unwrap();
            functions.visit_file(&syn::parse_file(&source).unwrap());
            files.push(before_tests(&source).lines().count());
        }
    }

    assert!(functions.0.len() > 1_000, "only {} functions were found", functions.0.len());
    let longest = functions.0.iter().max().unwrap();
    assert!(longest.0 <= 80, "{} has {} lines", longest.1, longest.0);
    let usual = p95(&mut functions.0);
    assert!(usual.0 <= 40, "the 95th percentile of function lengths is {}", usual.0);
    let usual = p95(&mut files);
    assert!(usual <= 250, "the 95th percentile of file lengths is {usual}");
}

#[test]
fn no_file_is_called_what_says_nothing() {
    let banned = [
        "util", "utils", "helpers", "common", "misc", "manager", "service", "handler", "types",
        "prelude", "mod",
    ];
    for (module, _) in ALLOWED {
        for file in rust_files(module) {
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(!banned.contains(&stem.as_str()), "{}", file.display());
        }
    }
}

fn before_tests(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap_or_default()
}
