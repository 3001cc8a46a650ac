//! Checks of the source code: imports between modules, circles, lengths, and banned phrases.

mod circles;
mod contents;
mod imports;
mod lengths;
mod names;
mod phrases;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use contents::{content_violations, process_violations};
use imports::import_violations;
use source::tokens;

/// The other crate of the Cargo workspace. It can't import modules of `amigops`, because Cargo forbids circles between
/// packages.
const EMULATOR: &str = "amigops_emulator";
/// The directories with the sources of both crates.
const SOURCES: &[&str] = &["src", "emulator/src"];

/// The rooms (top-level modules of `src`) that each room may import. They must equal the table in `src/lib.rs`.
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

/// Unit tests, as files or directories, that import another room.
const TESTS: &[(&str, &str)] = &[
    ("src/import/tests.rs", "manifest"),
    ("src/import/tests.rs", "plan"),
    ("src/report/tests.rs", "plan_file"),
];

/// Rooms of pure functions: the same input gives the same output.
const PURE: &[&str] = &["model", "edit", "plan", "plan_file", "import", "report"];
/// Words and modules of `std` that pure rooms must not use.
const IMPURE_WORDS: &[&str] = &["tokio", "reqwest", "SystemTime", "Instant"];
const IMPURE_MODULES: &[&str] = &["fs", "env"];

/// Files that may start processes. A child process must not get the APIs' secrets, so only one file of the production
/// code starts processes and sets their environment. The other files are tests that create repositories.
const PROCESS_FILES: &[&str] = &[
    "src/cli/git/process.rs",
    "src/cli/git/tests.rs",
    "src/cli/user_file/tests.rs",
    "src/checkout/tests.rs",
];
/// Names in a module `process` that other files may use. None of them can start a process, except `Program`, which the
/// first file of [`PROCESS_FILES`] defines.
const PROCESS_NAMES: &[&str] = &["ExitCode", "Output", "Stdio", "id", "Program"];

const MAX_FILE_LINES: usize = 500;
/// Files that may have more than [`MAX_FILE_LINES`] lines, each with a reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Circles between files that are allowed, each with a reason. There may be three at most.
const CIRCLES: &[(&[&str], &str)] = &[];

/// Names that public types of several rooms share, each with a reason.
const SHARED_NAMES: &[(&str, &str)] = &[
    ("BehaviorSet", "a word of the API, of which client and emulator have separate models"),
    ("Options", "the emulator is a crate of its own: `amigops_emulator::Options`"),
    ("VersionSet", "a word of the API, of which client and emulator have separate models"),
];

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

/// Returns the content of files by name. Each path in `top` is a file, or a directory whose files are returned.
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

#[track_caller]
fn assert_none(violations: &[String]) {
    assert!(
        violations.is_empty(),
        "rules of the source code (see src/lib.rs and CONTRIBUTING.md):\n{}",
        violations.join("\n")
    );
}

#[test]
fn rooms_import_only_the_rooms_of_the_table() {
    let violations = sources(&["src"])
        .iter()
        .flat_map(|file| import_violations(&file.name, &file.text))
        .collect::<Vec<_>>();
    assert_none(&violations);
}

#[test]
fn files_are_short_finished_and_begin_with_their_purpose() {
    let all = sources(&["src", "tests", "emulator"]);
    let violations: Vec<_> = all.iter().flat_map(|file| content_violations(&file.name, &file.text)).collect();
    assert_none(&violations);
    for (name, reason) in LONG_FILES {
        assert!(all.iter().any(|file| file.name == *name), "{name} is gone: take it off the list");
        assert!(!reason.is_empty());
    }
}

#[test]
fn files_import_each_other_without_circles() {
    let mut violations = Vec::new();
    let mut allowed: Vec<&[&str]> = CIRCLES.iter().map(|(files, _)| *files).collect();
    for root in SOURCES {
        for circle in circles::find_circles(root, &sources(&[root])) {
            let names: Vec<&str> = circle.iter().map(String::as_str).collect();
            let known = allowed.iter().position(|files| *files == names);
            match known {
                Some(at) => drop(allowed.remove(at)),
                None => violations.push(format!("a circle of imports: {}", names.join(", "))),
            }
        }
    }
    assert_none(&violations);
    assert_eq!(allowed, Vec::<&[&str]>::new(), "these circles are gone: take them off the list");
    assert!(CIRCLES.len() <= 3 && CIRCLES.iter().all(|(_, reason)| !reason.is_empty()));
}

#[test]
fn texts_contain_no_banned_phrases() {
    let all = files(&[
        "src",
        "emulator",
        "tests/suite",
        "docs",
        "examples",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
    ]);
    let violations: Vec<_> = all
        .iter()
        .filter(|(name, _)| !name.starts_with("tests/suite/house"))
        .filter_map(|(name, bytes)| Some((name, std::str::from_utf8(bytes).ok()?)))
        .flat_map(|(name, text)| phrases::find_phrases(name, text))
        .collect();
    assert_none(&violations);
}

#[test]
fn functions_are_short_and_have_few_parameters() {
    let all = sources(&["src", "tests", "emulator"]);
    let violations: Vec<_> =
        all.iter().flat_map(|file| lengths::find_long_functions(&file.name, &file.text)).collect();
    assert_none(&violations);
}

#[test]
fn public_types_of_different_rooms_have_different_names() {
    let shared = names::find_shared_names(&sources(SOURCES));
    let is_listed = |name: &str| SHARED_NAMES.iter().any(|(known, _)| *known == name);
    let new: Vec<_> = shared
        .iter()
        .filter(|(name, _)| !is_listed(name))
        .map(|(name, rooms)| format!("the rooms {rooms:?} have a type `{name}`"))
        .collect();
    assert_none(&new);
    for (name, reason) in SHARED_NAMES {
        assert!(shared.contains_key(*name), "`{name}` is no longer shared: take it off the list");
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
    // The file must create exactly one command, and must clear the command's environment.
    let process = all.iter().find(|file| file.name == PROCESS_FILES[0]).expect("it is on the list");
    let words: Vec<_> = tokens(&process.text).into_iter().map(|token| token.text).collect();
    let count = |wanted: &[&str]| words.windows(wanted.len()).filter(|words| *words == wanted).count();
    assert_eq!(count(&["Command", "::", "new"]), 1);
    assert_eq!(count(&[".", "env_clear", "("]), 1);
}

#[test]
fn the_map_in_lib_rs_matches_the_table() {
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
        assert_eq!(said, meant, "imports of `{room}`");
        assert!(map.contains(&format!("pub mod {room};")), "`{room}` is a module");
    }
}

/// Parses a row of the table in `src/lib.rs`. Returns the room, and the text of the rooms that it may import.
fn row(line: &str) -> Option<(&str, &str)> {
    let cells: Vec<&str> = line.strip_prefix("//! | [`")?.split(" | ").collect();
    let [room, _, imports] = cells.as_slice() else { return None };
    Some((room.trim_end_matches("`]"), imports.trim_end_matches(" |")))
}

#[test]
fn no_file_names_a_path_outside_of_the_repository() {
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
