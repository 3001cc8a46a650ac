//! Pure renderers: no files, no clock, no terminal. Imports `plan`, `apply`, `manifest` and `model`.

pub mod diagnostics;
