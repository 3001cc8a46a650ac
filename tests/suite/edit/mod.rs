//! Edits of YAML files: everything but the change is preserved, byte for byte.

mod bytes;
mod random;
mod refusals;
