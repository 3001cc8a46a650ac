//! The manual's explanation of each diagnostic code.
//!
//! `docs/diagnostics.md` is built into the program, so the explanations always match the program's version.

use crate::manifest::Code;

const MANUAL: &str = include_str!("../../docs/diagnostics.md");

/// Returns the link to the explanation of a diagnostic code, relative to the repository: `docs/diagnostics.md#ag012`.
pub fn link(code: Code) -> String {
    format!("docs/diagnostics.md#{}", code.as_str().to_lowercase())
}

/// Returns the manual's explanation of a diagnostic code, as Markdown without its heading. Returns an empty string if
/// there is no explanation.
pub fn section(code: Code) -> &'static str {
    sections().find(|(name, _)| *name == code.as_str()).map_or("", |(_, text)| text)
}

/// Returns the heading and the text of each section of `docs/diagnostics.md`, in order.
pub fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let parts = MANUAL.split("\n## ").skip(1);
    parts.map(|part| part.split_once('\n').map_or((part, ""), |(name, text)| (name.trim(), text.trim())))
}
