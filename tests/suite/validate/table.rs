//! Tests the broken manifests in `tests/broken`. The output for each must be exactly as expected.
//!
//! * `NAME.yaml` is one manifest, `services/NAME.yaml`, in the project `projects/classic.yaml`; in
//!   `projects/platform.yaml` when its name begins with `platform-`. `NAME.txt` is the expected output.
//! * `NAME/` is a whole project; `expected.txt` is the expected output.
//!
//! `UPDATE_EXPECTED=1 cargo test --test suite table` writes the current output. Review each difference before
//! committing it: line, column, the marked text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use amigops::manifest::{Code, Problems, Spot};
use amigops::report::diagnostics::render_problems;

use crate::manifest::{Case, validate};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

/// Returns each case: its name, its project in a temporary directory, and the file with the expected output.
fn cases() -> Vec<(String, Case, PathBuf)> {
    let top = directory();
    let mut found = Vec::new();
    for entry in fs::read_dir(&top).expect("the table is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let kind = path.extension().map(|kind| kind.to_string_lossy().into_owned());
        if path.is_dir() && name != "projects" {
            let case = Case::new(&[]);
            copy(&path, "", &case);
            found.push((name, case, path.join("expected.txt")));
        } else if kind.as_deref() == Some("yaml") {
            let project = if name.starts_with("platform-") { "platform" } else { "classic" };
            let case = Case::new(&[]);
            let project = fs::read(top.join(format!("projects/{project}.yaml"))).expect("it is there");
            case.write("amigops.yaml", &project);
            case.write(&format!("services/{name}.yaml"), &fs::read(&path).expect("it can be read"));
            found.push((name, case, path.with_extension("txt")));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn copy(from: &Path, name: &str, case: &Case) {
    for entry in fs::read_dir(from).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        let name = format!("{name}/{}", path.file_name().expect("it has a name").to_string_lossy());
        if path.is_dir() {
            copy(&path, &name, case);
        } else if name != "/expected.txt" {
            case.write(name.trim_start_matches('/'), &fs::read(&path).expect("it can be read"));
        }
    }
}

/// Returns the line and the column of a byte offset. Computes them in another way than the loader, to check the loader.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text[..at].replace("\r\n", "\n").replace('\r', "\n");
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

/// Checks that the offset, line and column of each location in the problems are consistent with the file's text.
pub(crate) fn check_places(problems: &Problems) {
    let check = |file: &str, spot: Spot| {
        let Some(text) = problems.sources.get(file) else { return };
        // A masked text may have more characters than the file.
        if text.contains("**") {
            return;
        }
        assert!(spot.start <= spot.end && spot.end <= text.len(), "{file}: {spot:?}");
        assert!(text.is_char_boundary(spot.start) && text.is_char_boundary(spot.end), "{file}: {spot:?}");
        assert_eq!(line_and_column(text, spot.start), (spot.line, spot.column), "{file}: {spot:?}");
        assert_eq!(line_and_column(text, spot.end), (spot.end_line, spot.end_column), "{file}: {spot:?}");
    };
    for one in &problems.diagnostics {
        let places = one.related.iter().map(|other| &other.location).chain([&one.location]);
        places.for_each(|place| place.spot.iter().for_each(|spot| check(&place.file, *spot)));
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a variable of the test run, not of the tool")]
fn output_of_each_case_is_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for (name, case, expected) in &cases {
        let validation = validate(case.path(), &[]);
        let problems = &validation.problems;
        assert!(!problems.diagnostics.is_empty(), "{name}: it has no problem");
        check_places(problems);
        seen.extend(problems.diagnostics.iter().map(|one| one.code));
        let output = render_problems(problems, false);
        if update {
            fs::write(expected, &output).expect("it can be written");
        } else if fs::read_to_string(expected).unwrap_or_default() != output {
            wrong.push(format!("--- {name}\n{output}"));
        }
    }
    assert!(wrong.is_empty(), "different from the files in {}:\n{}", directory().display(), wrong.join("\n"));
    // No file in a repository can trigger these codes. The module `documented` tests them.
    let elsewhere =
        [Code::ProjectNotFound, Code::Unreadable, Code::TooLarge, Code::OutsideProject, Code::NotOfProject];
    let missing: Vec<_> =
        Code::ALL.iter().filter(|code| !seen.contains(code) && !elsewhere.contains(code)).collect();
    assert!(missing.is_empty(), "no case triggers {missing:?}");
}

#[test]
fn every_expectation_has_its_case() {
    for entry in fs::read_dir(directory()).expect("the table is there") {
        let path = entry.expect("it can be read").path();
        if path.extension().is_some_and(|kind| kind == "txt") {
            assert!(path.with_extension("yaml").is_file(), "{}: its case is missing", path.display());
        }
    }
}
