//! `amigops completions`: what a shell needs to complete commands and flags. May import everything.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Context};
use crate::error::{Failure, Success};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell that is to complete
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "amigops", &mut script);
        context.ui.data(&String::from_utf8_lossy(&script));
        Ok(Success::Done)
    }
}
