//! The integration suite.

mod emulator;
