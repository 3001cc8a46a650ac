//! The `amigops` command: parses, builds the environment and the terminal, and turns the end into an exit
//! code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(amigops::cli::main(std::env::args_os(), &amigops::env::Env::process()))
}
