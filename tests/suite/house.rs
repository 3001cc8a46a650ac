//! Checks of the source code: imports between modules, circles, lengths, and banned phrases.

mod source;

use std::collections::BTreeMap;
use std::path::Path;

use source::{Route, Token, routes, tokens};

/// The workspace's other crate. It can't import a room: Cargo forbids circles of packages.
const EMULATOR: &str = "amigops_emulator";
/// Where the sources of both crates are.
const SOURCES: &[&str] = &["src", "emulator/src"];

/// Who may import whom: the table in `src/lib.rs`, as a machine reads it.
const ROOMS: &[(&str, Imports)] = &[
    ("model", Only(&[])),
    ("checkout", Only(&[])),
    ("manifest", Only(&["checkout", "model"])),
    ("edit", Only(&["model"])),
    ("plan", Only(&["model"])),
    ("plan_file", Only(&["plan", "model"])),
    ("import", Only(&["edit", "model"])),
    ("remote", Only(&["model"])),
    ("apply", Only(&["plan", "remote", "model"])),
    ("report", Only(&["plan", "apply", "manifest", "model"])),
    ("schema", Only(&["model", "plan_file", EMULATOR])),
    ("cli", Everything),
    ("error", Only(&["manifest", "plan", "remote"])),
    ("ui", Only(&["error", "report", "remote", "model"])),
    ("env", Only(&[])),
];

/// Tests beside the code, files or directories, that need another room to run against.
const TESTS: &[(&str, &str)] = &[
    ("src/apply/simulation/", EMULATOR),
    ("src/apply/tests/", EMULATOR),
    ("src/import/tests.rs", "manifest"),
    ("src/import/tests.rs", "plan"),
    ("src/report/tests.rs", "plan_file"),
];

/// Rooms that compute and do nothing else: the same input gives the same output.
const PURE: &[&str] = &["model", "edit", "plan", "plan_file", "import", "report"];
/// What they must not know: words, and modules of `std`.
const IMPURE_WORDS: &[&str] = &["tokio", "reqwest", "SystemTime", "Instant"];
const IMPURE_MODULES: &[&str] = &["fs", "env"];

/// Files that may start processes. A child process must not get the secrets of the APIs, so one place makes its
/// environment; tests make repositories.
const PROCESS_FILES: &[&str] = &["src/cli/git/process.rs", "src/cli/git/tests.rs", "src/checkout/tests.rs"];
/// What others may use of a module `process`: none of these starts a process but `Program`, which that file has.
const PROCESS_NAMES: &[&str] = &["ExitCode", "Output", "Stdio", "id", "Program"];

const MOST_LINES: usize = 500;
/// Longer files, each with its reason. One that has become short is to be taken out.
const LONG_FILES: &[(&str, &str)] = &[];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Imports {
    Only(&'static [&'static str]),
    Everything,
}
use Imports::{Everything, Only};

/// A source file, by its name from the top of the repository.
struct Source {
    name: String,
    text: String,
}

/// The files below these directories (or these files), as `name → bytes`.
fn files(top: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = |entry: &walkdir::DirEntry| {
        !matches!(entry.file_name().to_str(), Some("target" | ".git" | ".amigops"))
    };
    let mut found = BTreeMap::new();
    for top in top {
        for entry in walkdir::WalkDir::new(root.join(top)).into_iter().filter_entry(kept) {
            let entry = entry.expect("the repository can be read");
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(root).expect("it is below the root");
                let name = name.to_string_lossy().replace('\\', "/");
                found.insert(name, std::fs::read(entry.path()).expect("a file can be read"));
            }
        }
    }
    found
}

fn sources(top: &[&str]) -> Vec<Source> {
    let rust = files(top).into_iter().filter(|(name, _)| name.ends_with(".rs"));
    let found: Vec<_> = rust
        .map(|(name, bytes)| Source { name, text: String::from_utf8(bytes).expect("sources are UTF-8") })
        .collect();
    assert!(found.len() > 5, "these are not the sources: {top:?}");
    found
}

/// The module that a file below `src` is: `src/plan/diff.rs` is `plan`, `diff`.
fn module(name: &str) -> Vec<String> {
    let path = name.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| *part != "mod").map(str::to_owned).collect()
}

/// What breaks the import rule and the purity of rooms in one file.
fn import_violations(name: &str, text: &str) -> Vec<String> {
    let module = module(name);
    let room = module.first().map_or("", String::as_str);
    if matches!(name, "src/main.rs" | "src/lib.rs") {
        return Vec::new();
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| *known == room) else {
        return vec![format!("{name}: `{room}` is no room of the table")];
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
    if PURE.contains(&room) {
        let impure = tokens.iter().filter(|token| IMPURE_WORDS.contains(&token.text.as_str()));
        found
            .extend(impure.map(|token| format!("{name}:{}: `{room}` knows no `{}`", token.line, token.text)));
    }
    found
}

/// Whether a file is this one, or below this directory.
fn belongs(name: &str, tests: &str) -> bool {
    name == tests || (tests.ends_with('/') && name.starts_with(tests))
}

/// Why a room may not go this way.
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

/// What no source may hold, wherever it is.
fn content_violations(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{name}: a file begins with `//!` and says what it is for"));
    }
    let lines = text.lines().count();
    let excused = LONG_FILES.iter().any(|(known, _)| *known == name);
    if (lines > MOST_LINES) != excused {
        found.push(format!("{name}: {lines} lines; {MOST_LINES} are the most, unless a reason is listed"));
    }
    let tokens = tokens(text);
    let word = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    for (i, Token { text, line }) in tokens.iter().enumerate() {
        if matches!(text.as_str(), "todo" | "unimplemented") && word(i + 1) == "!" {
            found.push(format!("{name}:{line}: `{text}!` is unfinished work"));
        }
        if text == "ignore"
            && i > 1
            && matches!((word(i - 2), word(i - 1)), ("#", "[") | (_, ","))
            && in_attribute(&tokens, i)
        {
            found.push(format!("{name}:{line}: a test that is ignored proves nothing"));
        }
    }
    found
}

/// Every way in which a file could start a process: a use of a module `process`, of `std` or of another crate.
fn process_violations(name: &str, text: &str) -> Vec<String> {
    if PROCESS_FILES.contains(&name) {
        return Vec::new();
    }
    let tokens = tokens(text);
    let word = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    let starts = |i: usize| match (word(i), word(i + 1)) {
        ("process", "::") if word(i + 2) == "{" => {
            let group = tokens[i + 3..].iter().take_while(|token| token.text != "}");
            group.filter(|token| token.text != ",").any(|token| !PROCESS_NAMES.contains(&token.text.as_str()))
        }
        ("process", "::") => !PROCESS_NAMES.contains(&word(i + 2)),
        // The module itself, as the last part of a path.
        ("process", ";" | "," | "}" | "as") => i > 0 && matches!(word(i - 1), "::" | "{" | ","),
        ("std", "::") => word(i + 2) == "*",
        _ => false,
    };
    let found = tokens.iter().enumerate().filter(|(i, _)| starts(*i));
    found.map(|(_, token)| format!("{name}:{}: only one file starts processes", token.line)).collect()
}

/// Whether a word stands in an attribute: `#[ignore]`, or `#[cfg_attr(…, ignore)]`.
fn in_attribute(tokens: &[Token], i: usize) -> bool {
    let opened =
        tokens[..i].iter().rposition(|token| matches!(token.text.as_str(), "[" | "]" | "{" | "}" | ";"));
    opened.is_some_and(|at| at > 0 && tokens[at].text == "[" && tokens[at - 1].text == "#")
}

#[track_caller]
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "the house has rules (see src/lib.rs):\n{}", violations.join("\n"));
}

#[test]
fn rooms_import_only_what_they_may() {
    let violations = sources(&["src"])
        .iter()
        .flat_map(|file| import_violations(&file.name, &file.text))
        .collect::<Vec<_>>();
    assert_none(&violations);
}

#[test]
fn files_are_short_finished_and_say_what_they_are_for() {
    let all = sources(&["src", "tests", "emulator"]);
    let violations: Vec<_> = all.iter().flat_map(|file| content_violations(&file.name, &file.text)).collect();
    assert_none(&violations);
    for (name, reason) in LONG_FILES {
        assert!(all.iter().any(|file| file.name == *name), "{name} is gone: take it off the list");
        assert!(!reason.is_empty());
    }
}

#[test]
fn one_file_starts_processes() {
    let all = sources(SOURCES);
    let violations: Vec<_> = all.iter().flat_map(|file| process_violations(&file.name, &file.text)).collect();
    assert_none(&violations);
    for name in PROCESS_FILES {
        assert!(all.iter().any(|file| file.name == *name), "{name} is gone: take it off the list");
    }
    // It makes the one command that there is, and clears its environment.
    let process = all.iter().find(|file| file.name == PROCESS_FILES[0]).expect("it is on the list");
    let words: Vec<_> = tokens(&process.text).into_iter().map(|token| token.text).collect();
    let count = |wanted: &[&str]| words.windows(wanted.len()).filter(|words| *words == wanted).count();
    assert_eq!(count(&["Command", "::", "new"]), 1);
    assert_eq!(count(&[".", "env_clear", "("]), 1);
}

#[test]
fn the_map_says_what_the_table_says() {
    let map = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"))
        .expect("there is a map");
    let rows: Vec<(&str, &str)> = map.lines().filter_map(row).collect();
    assert_eq!(rows.len(), ROOMS.len(), "a row a room");
    for ((room, said), (known, imports)) in rows.iter().zip(ROOMS) {
        assert_eq!(room, known);
        let meant = match imports {
            Everything => vec!["everything"],
            Only(rooms) => rooms.to_vec(),
        };
        let said: Vec<&str> = match *said {
            "nothing" | "nothing of ours" => Vec::new(),
            list => list.split(", ").map(|room| room.trim_matches('`')).collect(),
        };
        assert_eq!(said, meant, "what `{room}` may import");
        assert!(map.contains(&format!("pub mod {room};")), "`{room}` is a module");
    }
}

/// A row of the map's table of rooms: the room, and what it may import.
fn row(line: &str) -> Option<(&str, &str)> {
    let cells: Vec<&str> = line.strip_prefix("//! | [`")?.split(" | ").collect();
    let [room, _, imports] = cells.as_slice() else { return None };
    Some((room.trim_end_matches("`]"), imports.trim_end_matches(" |")))
}

/// The repository stands on its own: it names no directory beside it.
#[test]
fn nothing_points_out_of_the_repository() {
    let elsewhere = [concat!("..", "/shared"), concat!("/work", "/")];
    let mentions =
        |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let all = files(&[""]);
    assert!(all.contains_key("Cargo.toml") && all.keys().any(|name| name.starts_with("examples/")));
    let violations: Vec<_> = all
        .iter()
        .flat_map(|(name, bytes)| {
            elsewhere.iter().filter(|text| mentions(bytes, text)).map(move |text| format!("{name}: {text}"))
        })
        .collect();
    assert_none(&violations);
}

/// A checker that finds nothing is to be trusted only if it finds what was planted.
#[test]
fn planted_violations_are_found() {
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
        ("src/cellar/a.rs", "", "`cellar` is no room of the table"),
        ("src/model/a.rs", "use std::{collections::BTreeMap, fs};", "`model` knows no `std::fs`"),
        ("src/plan/a.rs", "fn f() { ::std::env::args(); }", "`plan` knows no `std::env`"),
        ("src/report/a.rs", "use std::time::{Duration, Instant};", "`report` knows no `Instant`"),
        ("src/report/a.rs", "async fn f() { tokio::spawn(g()); }", "`report` knows no `tokio`"),
    ];
    for (name, text, expected) in cases {
        let found = import_violations(name, text);
        assert!(found.len() == 1 && found[0].ends_with(expected), "{text}: {found:?}");
    }
    for text in [
        "use std::process::Command;",
        "use std::process;",
        "use std::*;",
        "use std::{fs, process::{Output, Command as Program}};",
        "use std::{fs, process};",
        "use std::process as system;",
        "fn f() { ::std::process::Command::new(\"x\"); }",
        "use std::os::unix::process::CommandExt;",
        "async fn f() { tokio::process::Command::new(\"x\"); }",
    ] {
        let found = process_violations("src/cli/a.rs", text);
        assert_eq!(found, ["src/cli/a.rs:1: only one file starts processes"], "{text}");
    }
    let unfinished: &[(&str, &str)] = &[
        ("use a;", "begins with"),
        ("//! A\nfn f() { todo!() }", ":2: `todo!`"),
        ("//! A\nfn f() { core::unimplemented!(\"x\") }", ":2: `unimplemented!`"),
        ("//! A\n\n#[test]\n#[ignore = \"slow\"]\nfn f() {}", ":4: a test that is ignored"),
        ("//! A\n#[cfg_attr(unix, ignore)]\nfn f() {}", ":2: a test that is ignored"),
    ];
    for (text, expected) in unfinished {
        let found = content_violations("src/model/a.rs", text);
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
    }
    let long = format!("//! A\n{}", "\n".repeat(MOST_LINES));
    assert_eq!(content_violations("src/model/a.rs", &long).len(), 1);
}

#[test]
fn what_is_allowed_is_not_found() {
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
    let harmless =
        "use std::process::{ExitCode, Stdio}; fn f() { std::process::id(); process(); Env::process(); }";
    assert_eq!(process_violations("src/cli/a.rs", harmless), Vec::<String>::new());
    let fine = "//! A\n#[allow(dead_code)]\nfn f(ignore: bool) { let _ = [true, ignore]; g(1, ignore); \"todo!()\"; }";
    assert_eq!(content_violations("src/model/a.rs", fine), Vec::<String>::new());
}
