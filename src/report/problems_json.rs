//! A validation for programs: one JSON document of a versioned form. Imports `manifest`.
//!
//! Pure, and deterministic: no time, no absolute paths but those that were asked about. Texts are given to
//! the letter; a program that shows them must make them harmless itself.

use serde::Serialize;

use super::explain;
use super::text;
use crate::manifest::{Diagnostic, Location, Severity, Validation};

/// The form's version. It changes when a program that knew the form before could misread it.
const FORMAT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    tool_version: &'static str,
    valid: bool,
    files: usize,
    services: usize,
    /// Errors that were too many to keep.
    omitted: usize,
    diagnostics: Vec<Problem<'a>>,
}

#[derive(Serialize)]
struct Problem<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    label: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
    help: &'a [String],
    related: Vec<Other<'a>>,
    docs: String,
}

#[derive(Serialize)]
struct Other<'a> {
    label: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
}

/// Lines and columns count from 1, columns in characters; the end is the place after the last character.
/// All four are null where the file as a whole is meant.
#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
}

/// The document, with a line break at its end.
pub fn render(validation: &Validation) -> String {
    text::json(&Document {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        valid: validation.is_valid(),
        files: validation.files,
        services: validation.services,
        omitted: validation.problems.omitted,
        diagnostics: validation.problems.diagnostics.iter().map(problem).collect(),
    })
}

fn problem(one: &Diagnostic) -> Problem<'_> {
    Problem {
        code: one.code.as_str(),
        severity: match one.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: &one.message,
        label: &one.label,
        place: place(&one.location),
        help: &one.help,
        related: one
            .related
            .iter()
            .map(|other| Other { label: &other.label, place: place(&other.location) })
            .collect(),
        docs: explain::link(one.code),
    }
}

fn place(location: &Location) -> Place<'_> {
    let spot = location.spot;
    Place {
        file: &location.file,
        line: spot.map(|spot| spot.line),
        column: spot.map(|spot| spot.column),
        end_line: spot.map(|spot| spot.end_line),
        end_column: spot.map(|spot| spot.end_column),
    }
}
