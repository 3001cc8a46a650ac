//! Tests of edits of YAML files: everything except the changed value is preserved, byte for byte.

mod bytes;
mod random;
mod refusals;
