//! Tests of planning with scenarios and random states. In most tests, the verifier must accept the plan, and a second
//! plan that is made after the first one was applied must be empty.

mod absence;
pub(crate) mod build;
mod cases;
mod causes;
mod causes_of_services;
mod former;
pub(crate) mod generate;
mod new_services;
mod origin_causes;
mod ownership;
mod pairs;
mod platform;
mod platform_replacements;
mod properties;
mod replacements;
mod sequences;
mod unenforced_guardrails;
mod unfinished;
mod unmanage;
