//! Planning scenarios and properties. Every scenario ends with the verifier's approval and with
//! "plan again: nothing".

mod absence;
pub(crate) mod build;
mod cases;
mod causes;
mod causes_of_services;
mod former;
pub(crate) mod generate;
mod looking;
mod new_services;
mod ownership;
mod pairs;
mod platform;
mod platform_replacements;
mod properties;
mod replacements;
mod sequences;
mod unfinished;
