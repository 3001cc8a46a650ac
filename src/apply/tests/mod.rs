//! Steps run for real against the emulator's rules: random plans over HTTP, and single moments under virtual time.

mod abandoned;
mod bench;
mod deadline;
mod edits;
mod operator;
mod pairs;
mod random;
mod requests;
mod whole_writes;
