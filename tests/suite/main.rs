//! The integration suite.

mod manifest;
