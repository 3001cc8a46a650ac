//! Pure renderers: no files, no clock, no terminal. May import `plan`, `apply`, `manifest` and `model`.
//!
//! They give text with ANSI colours; `ui` takes the colours out where they aren't wanted. What comes from
//! files or the API is data: it passes through [`text::visible`] before it is shown.

pub mod diagnostics;
pub mod human;
pub mod pins;
pub mod progress;
pub mod text;
