//! The amigops binary.
fn main() {}
