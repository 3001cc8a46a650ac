//! Renders the result of a validation as a versioned JSON document.
//!
//! The output is deterministic. It contains no time, and absolute paths only if the user gave them. Text from files is
//! not sanitized, so a program that shows it must sanitize it.

use serde::Serialize;

use super::explain;
use super::text;
use crate::manifest::{Diagnostic, Location, Severity, Validation};

/// The version of the format. It is increased when the format changes in a way that existing programs could misread.
const FORMAT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    tool_version: &'static str,
    valid: bool,
    files: usize,
    services: usize,
    /// The number of errors that are not listed, because the number of listed errors is limited.
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

/// The location of a problem. Lines and columns count from 1, and columns count characters. The end is the position
/// after the last character. The four numbers are null if the problem is about the whole file.
#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
}

/// Renders the result of a validation as a JSON document, with a final line break.
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
