//! Edits of YAML files: everything but the change stays, byte for byte.

mod bytes;
mod random;
mod refusals;
