//! Any bytes as a manifest, and as `amigops.yaml`: no panic, an answer in bounded time, and reports that
//! point into the file and hold nothing that a terminal obeys.
//!
//! With `cargo install cargo-fuzz`, on the stable toolchain, from the top of the repository:
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none validate fuzz/corpus/validate tests/broken -- \
//!     -timeout=5 -max_len=4096 -dict=fuzz/yaml.dict -max_total_time=600
//! ```
//!
//! The first byte says which of the two files the rest is, and on which API.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use amigops::manifest::{Validation, validate};
use amigops::report::{diagnostics, github, problems_json, sarif};
use libfuzzer_sys::fuzz_target;

const CLASSIC: &str = include_str!("../../tests/broken/projects/classic.yaml");
const PLATFORM: &str = include_str!("../../tests/broken/projects/platform.yaml");
const SERVICE: &str = "service: A\nagent: Greeter\ncontext_graph: Onboarding\n";

/// A directory of this process, in memory where the system has one.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let top = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let root = top.join(format!("amigops-fuzz-{}", std::process::id()));
    fs::create_dir_all(root.join("services")).expect("a directory can be made");
    root
});

fn write(name: &str, bytes: &[u8]) {
    fs::write(ROOT.join(name), bytes).expect("a file can be written");
}

fn check(validation: &Validation) {
    let problems = &validation.problems;
    for one in &problems.diagnostics {
        let Some(spot) = one.location.spot else { continue };
        assert!(spot.line > 0 && spot.column > 0 && spot.start <= spot.end, "{one:?}");
        assert!((spot.line, spot.column) <= (spot.end_line, spot.end_column), "{one:?}");
        let Some(text) = problems.sources.get(&one.location.file) else { continue };
        assert!(text.is_char_boundary(spot.start) && text.is_char_boundary(spot.end), "{one:?}");
    }
    let human = diagnostics::render_problems(problems, false);
    assert!(!human.chars().any(|c| c.is_control() && c != '\n'), "{human:?}");
    let commands = github::render(validation, "");
    assert_eq!(commands.lines().count(), problems.diagnostics.len(), "{commands:?}");
    assert!(commands.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")));
    for document in [problems_json::render(validation), sarif::render(validation, "")] {
        assert!(!document.chars().any(|c| c.is_control() && c != '\n'), "{document:?}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let project = if kind & 1 == 0 { CLASSIC } else { PLATFORM };
    if kind & 2 == 0 {
        write("amigops.yaml", project.as_bytes());
        write("services/a.yaml", bytes);
    } else {
        write("amigops.yaml", bytes);
        write("services/a.yaml", SERVICE.as_bytes());
    }
    check(&validate(&ROOT, None, &[]));
});
