//! `amigops init`: a new project, on the sandbox or from an organization that exists. May import everything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::connect::{self, WORKSPACE_VARIABLES};
use super::import::Importer;
use super::{Context, files};
use crate::checkout;
use crate::env::Env;
use crate::error::{Failure, Success};
use crate::import::select::Scope;
use crate::manifest::{self, PROJECT_FILE};
use crate::report::text::visible;

/// The files of a new project on the sandbox, besides the project file.
const FILES: &[(&str, &str)] = &[
    ("sandbox-seed.yaml", include_str!("init/sandbox-seed.yaml")),
    ("services/meet-and-greet.yaml", include_str!("init/meet-and-greet.yaml")),
    ("services/health-coach.yaml", include_str!("init/health-coach.yaml")),
];
/// Where the ownership value goes in the project file.
const OWNER: &str = "OWNER";
const IGNORE: (&str, &str) = (".gitignore", ".amigops/\n");
const MAX_IGNORE_BYTES: u64 = 1 << 20;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Where; it is made if it does not exist
    #[arg(value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Import the organization or workspace that the environment variables name
    #[arg(long)]
    from_env: bool,
}

impl Init {
    /// Writes the project, and says what to do next.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let root = context.global.directory.join(&self.project);
        if self.from_env {
            return self.import(context, &root).await;
        }
        let project = include_str!("init/amigops.yaml").replace(OWNER, &ownership_value(context.env, &root));
        let mut wanted = vec![(PROJECT_FILE, project.as_str())];
        wanted.extend(FILES);
        wanted.extend(ignore_file(context, &root));
        refuse_existing(&root, &wanted)?;
        write_all(&root, &wanted)?;
        let mut text = String::new();
        for (name, _) in &wanted {
            text += &format!("  + {name}\n");
        }
        let at = option(&root);
        text += "A project on the embedded sandbox: nothing to install, nothing to sign up for. Next:\n";
        text += &format!("  amigops plan{at}\n  amigops apply{at}\n");
        context.ui.result(&text);
        Ok(Success::Done)
    }

    async fn import(&self, context: &Context<'_>, root: &Path) -> Result<Success, Failure> {
        let name = context.global.env.as_deref().unwrap_or("live");
        let project = project(context.env, name, &ownership_value(context.env, root))?;
        let mut wanted = vec![(PROJECT_FILE, project.as_str())];
        wanted.extend(ignore_file(context, root));
        refuse_existing(root, &wanted)?;
        write_all(root, &wanted)?;
        let files = wanted.iter().map(|(file, _)| (*file).to_owned()).collect();
        let imported = import(context, root, name, files).await;
        let empty = fs::read_dir(root.join("services")).map_or(true, |mut entries| entries.next().is_none());
        if imported.is_err() && empty {
            // Nothing has come of it: the next attempt begins where this one did.
            for (file, _) in &wanted {
                let _ = fs::remove_file(root.join(file));
            }
        }
        imported?;
        let at = option(root);
        context.ui.result(&format!("Next:\n  amigops plan{at}\n  amigops apply{at}\n"));
        Ok(Success::Done)
    }
}

/// What later commands have to be told to find the project.
fn option(root: &Path) -> String {
    let path: PathBuf = root.components().filter(|part| *part != std::path::Component::CurDir).collect();
    match path.to_str() {
        Some("") => String::new(),
        _ => format!(" -C {}", visible(&path.display().to_string())),
    }
}

/// Imports into a project whose own files were written just now.
async fn import(
    context: &Context<'_>,
    root: &Path,
    name: &str,
    project_files: Vec<String>,
) -> Result<Success, Failure> {
    let root = manifest::find_root(root)?;
    let survey = manifest::load_documents(&root, Some(name), &Default::default())?;
    let connection = connect::connect(context, &survey.loaded)?;
    let out = root.join("services");
    Importer { context, root, survey, connection, scope: Scope::default(), project_files }.run(&out).await
}

/// The project file for the organization or workspace that the variables name. No credentials: they stay
/// where they are.
fn project(env: &Env, name: &str, owner: &str) -> Result<String, Failure> {
    let first = |names: &[&str]| names.iter().find_map(|name| env.variable(name));
    let organization = env.variable("AMIGO_ORGANIZATION_ID");
    let workspace = first(WORKSPACE_VARIABLES);
    let (api, home, urls): (_, _, &[&str]) = match (organization, workspace) {
        (Some(home), None) => ("classic", ("organization", home), &["AMIGO_BASE_URL"]),
        (None, Some(home)) => ("platform", ("workspace", home), &["PLATFORM_API_URL", "AMIGO_BASE_URL"]),
        (Some(_), Some(_)) => {
            let workspaces = WORKSPACE_VARIABLES.join(" or ");
            return Err(Failure::other(format!("both AMIGO_ORGANIZATION_ID and {workspaces} are set"))
                .hint("unset the one that is not meant: one is on the Classic API, the other on Platform"));
        }
        (None, None) => {
            let workspaces = WORKSPACE_VARIABLES.join(" or ");
            return Err(Failure::other("no variable names an organization or a workspace").hint(format!(
                "set AMIGO_ORGANIZATION_ID for the Classic API, or {workspaces} for Platform, and the credentials"
            )));
        }
    };
    let (key, home) = home;
    // A JSON text is a YAML text, whatever is in it.
    let url = first(urls).map_or_else(String::new, |url| format!("    base_url: {}\n", json!(url)));
    Ok(format!(
        "version: 1\nmanifests: [services/**/*.yaml]    # globs, relative to this file\n\n\
         environments:\n  {}:\n    api: {api}\n    {key}: {}\n{url}    # credentials come from the environment, never from a file\n\n\
         default_environment: {}\nownership: {{tag: managed_by, value: {}}}\n\n\
         guardrails:\n  max_removals: 3                    # services retired + version sets deleted in one plan\n",
        json!(name),
        json!(home),
        json!(name),
        json!(owner),
    ))
}

/// Returns an ownership value of the new project's own: the name of its directory, and six digits that set projects
/// with one name apart. Both APIs take it as a tag.
fn ownership_value(env: &Env, root: &Path) -> String {
    const LONGEST: usize = 30;
    let root = env.working_directory().join(root);
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name: String = words.join("_").chars().take(LONGEST).collect();
    let name = if name.is_empty() { "agents" } else { &name };
    format!("{name}_{:06x}", (env.random() * f64::from(1 << 24)) as u32)
}

/// The file that keeps the sandbox's state out of Git; one that is there is left to its owner.
fn ignore_file(context: &Context<'_>, root: &Path) -> Option<(&'static str, &'static str)> {
    let (name, text) = IGNORE;
    let read = |root: PathBuf| checkout::read_text(&root, Path::new(name), MAX_IGNORE_BYTES).ok();
    let Some(there) = fs::canonicalize(root).ok().and_then(read) else { return Some(IGNORE) };
    let covered = there.lines().any(|line| line.trim().trim_matches('/') == text.trim().trim_matches('/'));
    if !covered {
        context.ui.note("note: .gitignore is left as it is; `.amigops/`, the sandbox's state, belongs in it");
    }
    None
}

fn refuse_existing(root: &Path, wanted: &[(&str, &str)]) -> Result<(), Failure> {
    let there = wanted.iter().filter(|(name, _)| root.join(name).symlink_metadata().is_ok());
    let there: Vec<&str> = there.map(|(name, _)| *name).collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(Failure::other(format!("{} has these files already: {}", root.display(), there.join(", ")))
        .hint("`init` overwrites nothing: name another directory, or move them away"))
}

fn write_all(root: &Path, wanted: &[(&str, &str)]) -> Result<(), Failure> {
    let unusable = |error: io::Error| {
        Failure::other(format!("the directory `{}` can't be made: {error}", root.display()))
    };
    fs::create_dir_all(root).map_err(unusable)?;
    let root = fs::canonicalize(root).map_err(unusable)?;
    // All directories first: one that can't be used must not leave half a project.
    let mut paths = Vec::new();
    for (name, text) in wanted {
        let path = Path::new(name);
        let directory = files::make_directory(&root, path.parent().unwrap_or(Path::new("")))?;
        paths.push((directory.join(path.file_name().unwrap_or_default()), text));
    }
    paths.iter().try_for_each(|(path, text)| files::create(path, text))
}
