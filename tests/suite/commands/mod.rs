//! The other commands with the real binary.

pub(crate) mod emulator;
mod import;
mod outdated;
mod packaging;
mod promote;
