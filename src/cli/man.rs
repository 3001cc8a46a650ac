//! `amigops man`: manual pages, for packagers. May import everything.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};

use super::{Cli, Context, schema};
use crate::error::{Failure, Success};

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write a page for each command into this directory instead of printing the first
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    /// Prints a page, or writes all.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let mut command = Cli::command();
        // Only then do commands know their flags that all have, and their whole name.
        command.build();
        let Some(directory) = &self.out else {
            context.ui.data(&String::from_utf8_lossy(&page(&command)?));
            return Ok(Success::Done);
        };
        let below = command.get_subcommands().filter(|below| !below.is_hide_set());
        for command in std::iter::once(&command).chain(below) {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name());
            schema::write(context, directory, &format!("{name}.1"), &page(command)?)?;
        }
        Ok(Success::Done)
    }
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Failure::other(format!("the page can't be made: {error}")))?;
    Ok(page)
}
