//! Tests of `amigops validate` with the real binary, in each format, and of invalid input for the other commands.

mod documented;
mod formats;
mod invalid_input;
mod paths;
mod table;

pub(crate) use table::check_places;

use std::path::Path;

use crate::harness::{Run, amigops, run_command};

/// Runs `amigops validate` in a directory, with these arguments.
fn validate(directory: &Path, args: &[&str]) -> Run {
    let mut command = amigops(directory);
    command.arg("validate").args(args);
    run_command(command)
}
