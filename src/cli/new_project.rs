//! The files of a new project: the project file, example manifests for the sandbox, and `.gitignore`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::context::Context;
use super::credentials::{ORGANIZATION_VARIABLES, WORKSPACE_VARIABLES, first_variable};
use super::files;
use crate::checkout;
use crate::env::Env;
use crate::error::Failure;
use crate::manifest::PROJECT_FILE;
use crate::schema::SchemaFile;

/// The files that a new project on the sandbox has in addition to the project file.
const SANDBOX_FILES: &[(&str, &str)] = &[
    ("sandbox-seed.yaml", include_str!("new_project/sandbox-seed.yaml")),
    ("services/meet-and-greet.yaml", include_str!("new_project/meet-and-greet.yaml")),
    ("services/health-coach.yaml", include_str!("new_project/health-coach.yaml")),
];
/// The directory for the schemas that editors use.
pub(super) const SCHEMA_DIRECTORY: &str = "schema";
/// The placeholder in the project file that is replaced by the ownership value.
const OWNER: &str = "OWNER";
const IGNORE_FILE: (&str, &str) = (".gitignore", ".amigops/\n");
const MAX_IGNORE_BYTES: u64 = 1 << 20;

/// Writes a project that uses the sandbox, and returns the names of its files.
pub(super) fn write_sandbox_project(context: &Context<'_>, root: &Path) -> Result<Vec<String>, Failure> {
    let owner = new_ownership_value(context.env, root);
    let project = include_str!("new_project/amigops.yaml").replace(OWNER, &owner);
    write_project(context, root, &project, SANDBOX_FILES, &[SchemaFile::Seed])
}

/// Writes the project file for the organization or workspace that the environment variables name. Returns the names of
/// the files that were written.
pub(super) fn write_live_project(
    context: &Context<'_>,
    root: &Path,
    environment: &str,
) -> Result<Vec<String>, Failure> {
    let project = live_project_file(context.env, environment, &new_ownership_value(context.env, root))?;
    write_project(context, root, &project, &[], &[])
}

/// Writes the files of a new project, and returns their names. Every project has the schemas of the project file and of
/// manifests.
fn write_project(
    context: &Context<'_>,
    root: &Path,
    project: &str,
    more: &[(&str, &str)],
    more_schemas: &[SchemaFile],
) -> Result<Vec<String>, Failure> {
    // The first line of each file names its schema in this directory.
    let schemas = [SchemaFile::Project, SchemaFile::Service].iter().chain(more_schemas);
    let schemas: Vec<(String, String)> =
        schemas.map(|schema| (format!("{SCHEMA_DIRECTORY}/{}", schema.file_name()), schema.text())).collect();
    let mut files = vec![(PROJECT_FILE, project)];
    files.extend(more);
    files.extend(ignore_file(context, root));
    files.extend(schemas.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    refuse_existing(root, &files)?;
    write_all(root, &files)?;
    Ok(files.iter().map(|(name, _)| (*name).to_owned()).collect())
}

/// Returns the text of the project file for the organization or workspace that the environment variables name. The text
/// contains no credentials, because these stay in environment variables.
fn live_project_file(env: &Env, environment: &str, owner: &str) -> Result<String, Failure> {
    let organization = first_variable(env, ORGANIZATION_VARIABLES)?;
    let workspace = first_variable(env, WORKSPACE_VARIABLES)?;
    let workspaces = WORKSPACE_VARIABLES.join(" or ");
    let (api, (key, id), urls): (_, _, &[&str]) = match (organization, workspace) {
        (Some(id), None) => ("classic", ("organization", id), &["AMIGO_BASE_URL"]),
        (None, Some(id)) => ("platform", ("workspace", id), &["PLATFORM_API_URL", "AMIGO_BASE_URL"]),
        (Some(_), Some(_)) => {
            return Err(Failure::other(format!("both AMIGO_ORGANIZATION_ID and {workspaces} are set"))
                .hint("unset one of the variables: the first is for the Classic API, the other for the Platform API"));
        }
        (None, None) => {
            return Err(Failure::other("no variable names an organization or a workspace").hint(format!(
                "set AMIGO_ORGANIZATION_ID for the Classic API, or {workspaces} for the Platform API, and the \
                 credentials"
            )));
        }
    };
    // JSON strings are valid YAML, whatever characters they contain.
    let url = urls.iter().find_map(|name| env.variable(name));
    let url = url.map_or_else(String::new, |url| format!("    base_url: {}\n", json!(url)));
    Ok(format!(
        "# yaml-language-server: $schema={SCHEMA_DIRECTORY}/project.schema.json\n\
         version: 1\nmanifests: [services/**/*.yaml]    # globs, relative to this file\n\n\
         environments:\n  {}:\n    api: {api}\n    {key}: {}\n{url}    # credentials come from environment variables, never from a file\n\n\
         default_environment: {}\nownership: {{tag: managed_by, value: {}}}\n\
         prune: false                       # true: services without a manifest are retired without --prune\n\n\
         guardrails:\n  max_removals: 3                    # maximum number of removals in one plan\n",
        json!(environment),
        json!(id),
        json!(environment),
        json!(owner),
    ))
}

/// Returns an ownership value for a new project: the name of its directory and six random hexadecimal digits. Both APIs
/// accept it as the value of a tag.
fn new_ownership_value(env: &Env, root: &Path) -> String {
    const MAX_NAME_LENGTH: usize = 30;
    let root = env.working_directory().join(root);
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name: String = words.join("_").chars().take(MAX_NAME_LENGTH).collect();
    let name = if name.is_empty() { "agents" } else { &name };
    format!("{name}_{:06x}", (env.random() * f64::from(1 << 24)) as u32)
}

/// Returns a `.gitignore` that keeps the sandbox's state out of Git, or `None` if the directory already has one.
fn ignore_file(context: &Context<'_>, root: &Path) -> Option<(&'static str, &'static str)> {
    let (name, text) = IGNORE_FILE;
    let read = |root: PathBuf| checkout::read_text(&root, Path::new(name), MAX_IGNORE_BYTES).ok();
    let Some(existing) = fs::canonicalize(root).ok().and_then(read) else { return Some(IGNORE_FILE) };
    let is_listed =
        existing.lines().any(|line| line.trim().trim_matches('/') == text.trim().trim_matches('/'));
    if !is_listed {
        context.ui.note(
            "note: .gitignore already exists and was not changed; add `.amigops/`, the state of the sandbox, to this file",
        );
    }
    None
}

fn refuse_existing(root: &Path, files: &[(&str, &str)]) -> Result<(), Failure> {
    let existing = files.iter().filter(|(name, _)| root.join(name).symlink_metadata().is_ok());
    let existing: Vec<&str> = existing.map(|(name, _)| *name).collect();
    if existing.is_empty() {
        return Ok(());
    }
    Err(Failure::other(format!("these files already exist in {}: {}", root.display(), existing.join(", ")))
        .hint("`init` overwrites nothing: choose another directory, or move the files away"))
}

fn write_all(root: &Path, files: &[(&str, &str)]) -> Result<(), Failure> {
    let unusable = |error: io::Error| {
        Failure::other(format!("can't create the directory `{}`: {error}", root.display()))
    };
    fs::create_dir_all(root).map_err(unusable)?;
    let root = fs::canonicalize(root).map_err(unusable)?;
    // Create all directories before any file, so that an unusable directory does not leave half a project behind.
    let mut paths = Vec::new();
    for (name, text) in files {
        let path = Path::new(name);
        let directory = files::make_directory(&root, path.parent().unwrap_or(Path::new("")))?;
        paths.push((directory.join(path.file_name().unwrap_or_default()), text));
    }
    paths.iter().try_for_each(|(path, text)| files::create(path, text))
}
