//! Planning scenarios and properties. Every scenario ends with the verifier's approval and with
//! "plan again: nothing".

mod build;
mod cases;
mod properties;
