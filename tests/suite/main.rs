//! The integration suite.

mod emulator;
mod manifest;
