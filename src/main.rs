//! The entry point of the `amigops` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(amigops::cli::main(std::env::args_os(), &amigops::env::Env::process()))
}
