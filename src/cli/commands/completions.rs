//! `amigops completions`: prints the script that lets a shell complete commands and options.

use clap::Args;
use clap_complete::Shell;

use crate::cli::context::Context;
use crate::error::{Failure, Success};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Completions {
    /// Shell to write the script for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    /// Prints the script to stdout.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut (context.definition)(), "amigops", &mut script);
        context.ui.data(&String::from_utf8_lossy(&script));
        Ok(Success::Done)
    }
}
