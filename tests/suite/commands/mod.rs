//! Tests of the commands that have no test module of their own, with the real binary.

pub(crate) mod emulator;
mod import;
mod import_modes;
mod outdated;
mod packaging;
mod promote;
