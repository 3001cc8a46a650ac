//! `amigops man`: prints or writes manual pages, for packagers.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::cli::context::Context;
use crate::cli::files;
use crate::error::{Failure, Success};

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Man {
    /// Write one page for each command into this directory instead of printing the main page
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    /// Prints the main page, or writes all pages into a directory.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let mut command = (context.definition)();
        // `build` gives each subcommand the global flags and its full name.
        command.build();
        let Some(directory) = &self.out else {
            context.ui.data(&String::from_utf8_lossy(&render_page(&command)?));
            return Ok(Success::Done);
        };
        let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
        for command in std::iter::once(&command).chain(subcommands) {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name());
            files::write_generated(context, directory, &format!("{name}.1"), &render_page(command)?)?;
        }
        Ok(Success::Done)
    }
}

fn render_page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Failure::other(format!("can't render the manual page: {error}")))?;
    Ok(page)
}
