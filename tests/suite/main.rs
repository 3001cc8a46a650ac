//! The integration suite.

mod emulator;
mod examples;
mod manifest;
