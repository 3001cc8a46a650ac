//! `amigops init`: creates a project that uses the sandbox or an existing organization.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::context::Context;
use crate::cli::importer::{ImportTarget, Importer};
use crate::cli::new_project;
use crate::error::{Failure, Success};
use crate::import::select::Scope;
use crate::manifest::{LoadOptions, ProjectSource};
use crate::report::text::visible;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Init {
    /// Directory of the new project; created if it does not exist
    #[arg(value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Import the organization or workspace that the environment variables name; --env sets the name of its environment
    /// in amigops.yaml [default: live]
    #[arg(long)]
    from_env: bool,
}

impl Init {
    /// Writes the project, and prints the commands that the user can run next.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        if context.global.env.is_some() && !self.from_env {
            return Err(Failure::other(
                "--env can't be used without --from-env: `init` alone creates a project with a sandbox environment of its own",
            )
            .hint("omit --env, or use --from-env to import an organization or workspace"));
        }
        let root = context.global.directory.join(&self.project);
        let next = next_commands(&root);
        if self.from_env {
            import(context, &root).await?;
            context.ui.result(&format!("Next:\n{next}"));
            return Ok(Success::Done);
        }
        let mut text = String::new();
        for name in new_project::write_sandbox_project(context, &root)? {
            text += &format!("  + {name}\n");
        }
        text += "Created a project on the built-in sandbox: no account and no installation needed. Next:\n";
        context.ui.result(&(text + &next));
        Ok(Success::Done)
    }
}

fn next_commands(root: &Path) -> String {
    let option = directory_option(root);
    format!("  amigops plan{option}\n  amigops apply{option}\n")
}

/// Returns the `-C` option that the user needs in later commands. It is empty if the project is in the working
/// directory.
fn directory_option(root: &Path) -> String {
    let path: PathBuf = root.components().filter(|part| *part != std::path::Component::CurDir).collect();
    match path.to_str() {
        Some("") => String::new(),
        _ => format!(" -C {}", visible(&path.display().to_string())),
    }
}

/// Writes a project for the organization or workspace that the environment variables name, and imports its services. If
/// the import fails before it writes a manifest, removes the project files again.
async fn import(context: &Context<'_>, root: &Path) -> Result<(), Failure> {
    let environment = context.global.env.as_deref().unwrap_or("live");
    let files = new_project::write_live_project(context, root, environment)?;
    let result = import_services(context, root, environment, files.clone()).await;
    let is_empty = fs::read_dir(root.join("services")).map_or(true, |mut entries| entries.next().is_none());
    if result.is_err() && is_empty {
        // Nothing was imported: remove the project files, so that `init` can be run again.
        for file in &files {
            let _ = fs::remove_file(root.join(file));
        }
        // This fails if the directory has other files, which is intended.
        let _ = fs::remove_dir(root.join(new_project::SCHEMA_DIRECTORY));
    }
    result.map(|_| ())
}

async fn import_services(
    context: &Context<'_>,
    root: &Path,
    environment: &str,
    project_files: Vec<String>,
) -> Result<Success, Failure> {
    let options = LoadOptions::new(ProjectSource::WorkingDirectory(root), Some(environment));
    let target = ImportTarget::open(context, options)?;
    let out = target.root().join("services");
    let importer = Importer { target, scope: Scope::default(), project_files, dry_run: false };
    importer.run(Some(&out)).await
}
