//! A plan in the format that was asked for. May import everything.

use clap::ValueEnum;

use super::Context;
use crate::report::{Section, html, human};

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    #[default]
    Human,
    /// One page for a browser, whole in one file
    Html,
}

/// Writes a report to stdout: of one environment, or of several.
pub(super) fn show(context: &Context<'_>, format: Format, command: &str, sections: &[Section<'_>]) {
    match format {
        Format::Human => context.ui.result(&human::render(command, sections)),
        // To the letter: the page's policy names the hashes of what is in it.
        Format::Html => context.ui.data(&html::render(command, sections)),
    }
}
