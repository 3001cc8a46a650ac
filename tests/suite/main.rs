//! The integration suite.

mod emulator;
mod examples;
mod house;
mod manifest;
