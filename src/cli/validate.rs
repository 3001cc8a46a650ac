//! `amigops validate`: checks manifests offline. May import everything.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{Context, allowlist};
use crate::error::{Failure, Success};
use crate::manifest::{self, Problems, Validation};
use crate::report::{diagnostics, github, problems_json, sarif, text};

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// Tell the problems of these files and directories only; all files are read all the same
    #[arg(value_name = "PATHS")]
    paths: Vec<PathBuf>,
    /// How problems are told: for people, or on stdout for programs, GitHub's annotations, code scanning
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
    /// Loads the project and says what is wrong with it. Sends nothing.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let allowlist = allowlist::read(context)?;
        let (validation, directory) = match manifest::find_root(&context.global.directory) {
            Ok(root) => {
                let environment = context.global.env.as_deref();
                (manifest::validate(&root, environment, &self.paths, &allowlist), in_repository(&root))
            }
            Err(problems) => (problems.into(), String::new()),
        };
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
                warn(context, &validation.problems);
                ui.result(&format!("{}\n", verdict(&validation)));
                Ok(Success::Done)
            }
            Format::Github => {
                warn(context, &validation.problems);
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

fn warn(context: &Context<'_>, problems: &Problems) {
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

/// The way from the top of the Git repository to the project; empty where there is none. Annotations and
/// code scanning name files from there, wherever the command was run.
fn in_repository(root: &Path) -> String {
    let top = root.ancestors().find(|directory| directory.join(".git").exists());
    let way = top.and_then(|top| root.strip_prefix(top).ok()).unwrap_or(Path::new(""));
    let parts: Vec<_> = way.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}
