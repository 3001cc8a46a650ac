//! Planning scenarios and properties. The verifier approves the plan of every scenario, and a second plan is empty.

mod absence;
pub(crate) mod build;
mod cases;
mod causes;
mod causes_of_services;
mod former;
pub(crate) mod generate;
mod new_services;
mod ownership;
mod pairs;
mod platform;
mod platform_replacements;
mod properties;
mod replacements;
mod sequences;
mod unenforced_guardrails;
mod unfinished;
