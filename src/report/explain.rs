//! The manual's words on each code of a problem. Imports `manifest`.
//!
//! `docs/diagnostics.md` is built in, so that what a report links to is what this version means.

use crate::manifest::Code;

const MANUAL: &str = include_str!("../../docs/diagnostics.md");

/// Where the manual tells of a code, within the repository: `docs/diagnostics.md#ag012`.
pub fn link(code: Code) -> String {
    format!("docs/diagnostics.md#{}", code.as_str().to_lowercase())
}

/// What the manual says of a code, as Markdown without its heading; empty where it says nothing.
pub fn section(code: Code) -> &'static str {
    sections().find(|(name, _)| *name == code.as_str()).map_or("", |(_, text)| text)
}

/// The manual's sections by their headings, in its order.
pub fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let parts = MANUAL.split("\n## ").skip(1);
    parts.map(|part| part.split_once('\n').map_or((part, ""), |(name, text)| (name.trim(), text.trim())))
}
