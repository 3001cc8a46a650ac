//! `amigops validate`: checks the manifests without sending requests.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::allowlist;
use crate::cli::context::Context;
use crate::error::{Failure, Success};
use crate::manifest::{self, Problems, Validation};
use crate::report::{diagnostics, github, problems_json, sarif, text};

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Validate {
    /// Report only problems in these files and directories; all files are still read
    #[arg(value_name = "PATHS")]
    paths: Vec<PathBuf>,
    /// Output format: text on stderr, or JSON, GitHub annotations or SARIF on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Github,
    Sarif,
}

impl Validate {
    /// Loads the project and reports its problems. Sends no requests.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let allowlist = allowlist::read(context)?;
        let validation = manifest::validate(&context.load_options(), &self.paths, &allowlist);
        let directory = validation.project.as_deref().map(path_in_repository).unwrap_or_default();
        let ui = context.ui;
        match self.format {
            Format::Human => {}
            Format::Json => ui.data(&problems_json::render(&validation)),
            Format::Github => ui.data(&github::render(&validation, &directory)),
            Format::Sarif => ui.data(&sarif::render(&validation, &directory)),
        }
        let valid = validation.is_valid();
        match self.format {
            Format::Human | Format::Github if !valid => {
                Err(Failure::Manifests(Box::new(validation.problems)))
            }
            Format::Human => {
                print_warnings(context, &validation.problems);
                ui.result(&format!("{}\n", verdict(&validation)));
                Ok(Success::Done)
            }
            Format::Github => {
                print_warnings(context, &validation.problems);
                ui.note(&verdict(&validation));
                Ok(Success::Done)
            }
            Format::Json | Format::Sarif if valid => Ok(Success::Done),
            Format::Json | Format::Sarif => {
                Err(Failure::Invalid { refused: validation.problems.is_refusal() })
            }
        }
    }
}

fn print_warnings(context: &Context<'_>, problems: &Problems) {
    if !problems.diagnostics.is_empty() {
        let colors = context.ui.colors_errors();
        let shown = diagnostics::render(&problems.diagnostics, &problems.sources, colors);
        context.ui.note(shown.trim_end());
    }
}

fn verdict(validation: &Validation) -> String {
    let word = if validation.problems.diagnostics.is_empty() { "" } else { " with warnings" };
    let services = text::count(validation.services, "service");
    format!("valid{word}: {services} in {}", text::count(validation.files, "file"))
}

/// Returns the path of the project in its Git repository, or an empty string if there is no repository. Annotations and
/// code scanning need paths that begin at the top of the repository.
fn path_in_repository(root: &Path) -> String {
    let top = root.ancestors().find(|directory| directory.join(".git").exists());
    let path = top.and_then(|top| root.strip_prefix(top).ok()).unwrap_or(Path::new(""));
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}
