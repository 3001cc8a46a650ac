//! A plan in the format that was asked for. May import everything.

use clap::ValueEnum;

use super::Context;
use crate::report::{Section, human, markdown};

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    #[default]
    Human,
    /// For a comment on a pull request
    Markdown,
}

/// Writes a report to stdout: of one environment, or of several.
pub(super) fn show(context: &Context<'_>, format: Format, command: &str, sections: &[Section<'_>]) {
    match format {
        Format::Human => context.ui.result(&human::render(command, sections)),
        Format::Markdown => context.ui.result(&markdown::render(command, sections)),
    }
}
