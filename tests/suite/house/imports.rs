//! Finds imports that the table of rooms does not allow, and impure words in pure rooms.

use super::Imports::{Everything, Only};
use super::source::{Route, routes, tokens};
use super::{IMPURE_MODULES, IMPURE_WORDS, Imports, PURE, ROOMS, TESTS};

/// Returns the imports of a file that the table does not allow, and impure words in pure rooms.
pub(super) fn import_violations(name: &str, text: &str) -> Vec<String> {
    let module = module(name);
    let room = module.first().map_or("", String::as_str);
    if matches!(name, "src/main.rs" | "src/lib.rs") {
        return Vec::new();
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| *known == room) else {
        return vec![format!("{name}: `{room}` is not in the table of rooms")];
    };
    let tokens = tokens(text);
    let routes = routes(&module, &tokens);
    let mut found: Vec<String> = routes
        .iter()
        .filter(|route| {
            !TESTS.iter().any(|(tests, room)| {
                belongs(name, tests) && route.segments.first().is_some_and(|to| to == room)
            })
        })
        .filter_map(|route| Some(format!("{name}:{}: {}", route.line, refusal(room, *allowed, route)?)))
        .collect();
    found.dedup();
    if PURE.contains(&room) {
        let impure = tokens.iter().filter(|token| IMPURE_WORDS.contains(&token.text.as_str()));
        found
            .extend(impure.map(|token| format!("{name}:{}: `{room}` knows no `{}`", token.line, token.text)));
    }
    found
}

/// Returns the module of a file below `src`: `src/plan/diff.rs` is `plan`, `diff`.
fn module(name: &str) -> Vec<String> {
    let path = name.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| *part != "mod").map(str::to_owned).collect()
}

/// Returns true if the file `name` is the file `tests`, or if `tests` is a directory that contains the file.
fn belongs(name: &str, tests: &str) -> bool {
    name == tests || (tests.ends_with('/') && name.starts_with(tests))
}

/// Returns the reason why a room must not use this path, or `None` if it may use the path.
fn refusal(room: &str, allowed: Imports, route: &Route) -> Option<String> {
    match route.segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["std", module, ..] if PURE.contains(&room) && IMPURE_MODULES.contains(module) => {
            Some(format!("`{room}` knows no `std::{module}`"))
        }
        ["std", ..] => None,
        [] | ["*"] => Some(format!("`{room}` takes the whole crate")),
        [other, ..] if *other == room => None,
        [other, ..] => match allowed {
            Everything => None,
            Only(rooms) if rooms.contains(other) => None,
            Only(_) => Some(format!("`{room}` may not import `{other}`")),
        },
    }
}

/// Tests the checks themselves: they must find violations in prepared texts.
#[test]
fn planted_imports_are_found() {
    let cases: &[(&str, &str, &str)] = &[
        ("src/model/a.rs", "use crate::plan::Plan;", "`model` may not import `plan`"),
        ("src/plan/a.rs", "use crate::{model::Pin, remote::{self, Call}};", "`plan` may not import `remote`"),
        ("src/plan/a.rs", "fn f() { let _ = crate::manifest::load(); }", "`plan` may not import `manifest`"),
        ("src/plan/a/b.rs", "use super::super::super::apply::Event;", "`plan` may not import `apply`"),
        ("src/plan/mod.rs", "use super::remote::Call;", "`plan` may not import `remote`"),
        ("src/plan/a.rs", "use amigops_emulator::World;", "`plan` may not import `amigops_emulator`"),
        ("src/plan/a.rs", "use ::{amigops_emulator as e};", "`plan` may not import `amigops_emulator`"),
        ("src/remote/a.rs", "mod tests { use super::super::super::plan; }", "`remote` may not import `plan`"),
        ("src/remote/a.rs", "mod tests { } use super::super::{model, ui};", "`remote` may not import `ui`"),
        ("src/remote/a.rs", "use super::{b, super::{model::Pin, cli}};", "`remote` may not import `cli`"),
        ("src/remote/a.rs", "use self::super::super::cli;", "`remote` may not import `cli`"),
        ("src/edit/a.rs", "use ::amigops::remote::Call;", "`edit` may not import `remote`"),
        ("src/edit/a.rs", "macro_rules! m { () => { $crate::env::Env } }", "`edit` may not import `env`"),
        ("src/env.rs", "use crate::*;", "`env` takes the whole crate"),
        ("src/env.rs", "use crate as all;", "`env` takes the whole crate"),
        ("src/env.rs", "use super::*;", "`env` takes the whole crate"),
        ("src/cellar/a.rs", "", "`cellar` is not in the table of rooms"),
        ("src/model/a.rs", "use std::{collections::BTreeMap, fs};", "`model` knows no `std::fs`"),
        ("src/plan/a.rs", "fn f() { ::std::env::args(); }", "`plan` knows no `std::env`"),
        ("src/report/a.rs", "use std::time::{Duration, Instant};", "`report` knows no `Instant`"),
        ("src/report/a.rs", "async fn f() { tokio::spawn(g()); }", "`report` knows no `tokio`"),
    ];
    for (name, text, expected) in cases {
        let found = import_violations(name, text);
        assert!(found.len() == 1 && found[0].ends_with(expected), "{text}: {found:?}");
    }
}

#[test]
fn allowed_imports_are_not_reported() {
    let cases: &[(&str, &str)] = &[
        ("src/plan/a.rs", "use crate::model::{self, Pin}; use super::b::{c, super::d};"),
        (
            "src/plan/a.rs",
            "mod tests { use super::super::b; mod deep { use super::super::super::c; } } use super::d;",
        ),
        (
            "src/plan/a.rs",
            "//! [`x`](crate::remote::X)\n/* crate::cli /* super::super::ui */ */ const A: &str = \"crate::cli\";",
        ),
        (
            "src/plan/a.rs",
            "const A: &str = r#\"\" crate::cli \"#; const B: char = '\"'; fn f<'a>(_: &'a str) -> char { '\\'' }",
        ),
        (
            "src/plan/a.rs",
            "pub(super) fn f() {} pub(in crate::plan) fn g() {} pub(crate) fn h(&self) { self.a }",
        ),
        ("src/remote/a.rs", "use std::{env, fs}; use tokio::time::Instant;"),
        ("src/cli/a.rs", "use amigops_emulator::World; use crate::env::Env;"),
        ("src/main.rs", "use amigops::cli;"),
    ];
    for (name, text) in cases {
        assert_eq!(import_violations(name, text), Vec::<String>::new(), "{text}");
    }
}
