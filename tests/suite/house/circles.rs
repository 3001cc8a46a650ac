//! Finds circles between files: files that import each other, directly or through other files.
//!
//! If a path leads to a re-exported item, it counts as an import of the file that defines the item. The file of a
//! module and the files below the module may import each other, because the module re-exports their items.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::{DiGraph, NodeIndex};

use super::Source;
use super::source::{Import, Token, imports, routes, tokens, without_tests};

/// The maximum number of re-exports that are followed to find the file that defines an item.
const MAX_REEXPORTS: usize = 5;

/// A module, by its path from the crate's root.
type Module = Vec<String>;

/// The production code of one file.
struct File {
    tokens: Vec<Token>,
    imports: Vec<Import>,
}

/// The modules of a crate that have a file of their own.
struct Crate {
    files: BTreeMap<Module, File>,
}

/// Returns the circles between the files below `root`, each as the names of its files.
pub(super) fn find_circles(root: &str, sources: &[Source]) -> Vec<Vec<String>> {
    let krate = Crate::read(root, sources);
    let modules: Vec<&Module> = krate.files.keys().collect();
    let mut graph = DiGraph::<(), ()>::new();
    let nodes: Vec<NodeIndex> = modules.iter().map(|_| graph.add_node(())).collect();
    for (from, (module, file)) in nodes.iter().zip(&krate.files) {
        for target in krate.targets(module, file) {
            if let Some(to) = modules.iter().position(|known| **known == target) {
                graph.add_edge(*from, nodes[to], ());
            }
        }
    }
    let circles = petgraph::algo::tarjan_scc(&graph).into_iter().filter(|circle| circle.len() > 1);
    let mut found: Vec<Vec<String>> = circles
        .map(|circle| {
            let mut names: Vec<String> =
                circle.into_iter().map(|at| format!("{root}/{}", modules[at.index()].join("/"))).collect();
            names.sort();
            names
        })
        .collect();
    found.sort();
    found
}

impl Crate {
    fn read(root: &str, sources: &[Source]) -> Self {
        let mut files = BTreeMap::new();
        let mut test_modules = BTreeSet::new();
        for source in sources {
            let name = source.name.strip_prefix(root).and_then(|name| name.strip_prefix('/'));
            let Some(name) = name.filter(|name| *name != "main.rs") else { continue };
            let module = module_of(name);
            let production = without_tests(&tokens(&source.text));
            for test in production.test_modules {
                test_modules.insert([module.clone(), vec![test]].concat());
            }
            let imports = imports(&production.tokens);
            files.insert(module, File { tokens: production.tokens, imports });
        }
        files.retain(|module, _| !test_modules.iter().any(|test| module.starts_with(test)));
        Self { files }
    }

    /// Returns the files that a file's production code names, without the file itself, its ancestors and the
    /// files below it.
    fn targets(&self, module: &Module, file: &File) -> BTreeSet<Module> {
        let paths = routes(module, &file.tokens).into_iter().map(|route| route.segments);
        let targets = paths.filter_map(|path| self.resolve(&path, MAX_REEXPORTS));
        targets.filter(|target| !target.starts_with(module) && !module.starts_with(target)).collect()
    }

    /// Returns the file that defines a path's item.
    fn resolve(&self, path: &[String], reexports: usize) -> Option<Module> {
        let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let reexported = || {
            let name = rest.first()?;
            let import = self.files[module].imports.iter().find(|import| import.name == *name)?;
            let target = self.absolute(module, &import.path)?;
            self.resolve(&target, reexports.checked_sub(1)?)
        };
        Some(reexported().unwrap_or_else(|| module.to_vec()))
    }

    /// Converts a path of a `use` declaration in `module` to a path from the crate's root. Returns `None` if the path
    /// leads to another crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let target = match path.first()?.as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [module, &path[1..]].concat(),
            "super" => [&module[..module.len().checked_sub(supers)?], &path[supers..]].concat(),
            first => {
                let child = [module, &[first.to_owned()]].concat();
                return self.files.contains_key(&child).then(|| [module, path].concat());
            }
        };
        Some(target)
    }
}

/// Returns the module of a file: `plan/diff.rs` is `plan`, `diff`, and `lib.rs` is the root.
fn module_of(name: &str) -> Module {
    let parts = name.trim_end_matches(".rs").split('/');
    parts.filter(|part| !matches!(*part, "mod" | "lib")).map(str::to_owned).collect()
}

#[track_caller]
fn expect(files: &[(&str, &str)], expected: &[&[&str]]) {
    let sources: Vec<_> = files
        .iter()
        .map(|(name, text)| Source { name: format!("src/{name}"), text: (*text).to_owned() })
        .collect();
    assert_eq!(find_circles("src", &sources), expected, "{files:?}");
}

#[test]
fn direct_and_indirect_circles_are_found() {
    expect(&[("a.rs", "use crate::b::B;"), ("b.rs", "fn f() { super::a::g(); }")], &[&["src/a", "src/b"]]);
    expect(
        &[
            ("lib.rs", "mod r;"),
            ("r/mod.rs", "mod a; mod b; mod c;"),
            ("r/a.rs", "use super::{b::{self, B}, d};"),
            ("r/b.rs", "use super::c;"),
            ("r/c.rs", "use crate::r::a::A;"),
        ],
        &[&["src/r/a", "src/r/b", "src/r/c"]],
    );
}

#[test]
fn reexports_are_followed() {
    expect(
        &[
            ("r/mod.rs", "mod a; mod b; pub use b::{B, C as D}; pub(crate) use self::a::A;"),
            ("r/a.rs", "use super::D;"),
            ("r/b.rs", "use crate::r::A;"),
        ],
        &[&["src/r/a", "src/r/b"]],
    );
}

#[test]
fn tests_and_parents_make_no_circle() {
    expect(
        &[
            ("r/mod.rs", "mod a; mod b; use a::A; pub struct R;"),
            ("r/a.rs", "use super::R; use super::b::B;"),
            (
                "r/b.rs",
                "#[cfg(test)] mod tests { use super::super::a::A; } #[cfg(test)] use super::a::A; struct B;",
            ),
        ],
        &[],
    );
    expect(
        &[
            ("a.rs", "#[cfg(test)] mod tests; fn f() { crate::b::g() }"),
            ("a/tests.rs", "use crate::b::B;"),
            ("b.rs", "enum B { #[cfg(test)] T(crate::a::A), U } //! crate::a"),
        ],
        &[],
    );
}
