//! Reads the manifests at the base commit, so that `--base` can compare the current manifests with them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::context::Context;
use super::git::{Entry, Git, LoadedFiles};
use crate::env::Env;
use crate::error::Failure;
use crate::manifest::{
    self, Environment, EnvironmentTarget, LoadOptions, Loaded, ManifestPatterns, PROJECT_FILE, Problems,
    ProjectSource,
};
use crate::model::{Desired, Policy};
use crate::plan::{self, Bases, Side};
use crate::report::diagnostics;
use crate::report::text::visible;

/// The desired states at the base commit and, if HEAD is behind, at the reference that `--base` names. A comparison
/// with them shows the cause of each change.
pub(super) struct ThreeWay {
    /// The reference that `--base` names, and the commits that were found for it.
    pub(super) origin: plan::Base,
    base: CommitState,
    upstream: Option<CommitState>,
}

/// The desired state and the project's rules, as the files of one commit declare them.
#[derive(Default)]
pub(super) struct CommitState {
    desired: Desired,
    policy: Policy,
}

impl CommitState {
    /// Returns the state in the form in which the planner compares it.
    pub(super) fn side(&self) -> Side<'_> {
        Side { desired: &self.desired, policy: &self.policy }
    }
}

impl ThreeWay {
    /// Returns the desired states at the base commit and at the newest commit of the base branch, for the planner.
    pub(super) fn bases(&self) -> Bases<'_> {
        Bases { base: self.base.side(), upstream: self.upstream.as_ref().map(CommitState::side) }
    }
}

/// Returns the id of the commit that is checked out. Appends `+` if the commit does not contain every byte that was
/// loaded, or if files were changed after the commit or can't be compared. Returns `None` if there is no commit, or if
/// it can't be read.
pub(super) fn checked_out_commit(env: &Env, root: &Path, loaded: &LoadedFiles<'_>) -> Option<String> {
    let git = Git::open(root, env).ok()?;
    let head = git.head().ok()??;
    let changed = git.is_changed(&head, loaded).unwrap_or(true);
    Some(if changed { head + "+" } else { head })
}

/// Reads the manifests at the base commit. If HEAD is behind the reference, also reads the manifests at the reference.
/// Prints a warning and returns `None` if the manifests are invalid.
///
/// # Errors
///
/// Fails if HEAD or the reference names no commit, if they share no commit, or if git can't read a commit.
pub(super) fn read(
    context: &Context<'_>,
    loaded: &Loaded,
    reference: &str,
) -> Result<Option<ThreeWay>, Failure> {
    let root = &loaded.project.root;
    let git = Git::open(root, context.env)?;
    let head = git
        .head()?
        .ok_or_else(|| Failure::other("--base compares with a commit, but this repository has no commits"))?;
    let tip = git.commit(reference)?.ok_or_else(|| unknown(&git, reference))?;
    let (commit, upstream) = match git.merge_base(&tip, &head)? {
        Some(shared) if shared == tip => (tip, None),
        Some(shared) => (shared, Some(tip)),
        None if git.is_shallow() => {
            context.ui.note(&format!(
                "note: this clone is too shallow to find the last commit that `{reference}` and HEAD share, \
                 so `{reference}` itself is the base and the cause `behind` can't be detected (fetch all commits with `fetch-depth: 0`)",
                reference = visible(reference)
            ));
            (tip, None)
        }
        None => return Err(unrelated(reference)),
    };
    let tip_behind = upstream.clone();
    let read = |commit: &str| read_base_commit(context, &git, loaded, reference, commit);
    let Some(base) = read(&commit)? else { return Ok(None) };
    let upstream = match &upstream {
        None => None,
        Some(tip) => match read(tip)? {
            None => return Ok(None),
            known => known,
        },
    };
    let origin = plan::Base { reference: reference.to_owned(), commit, upstream: tip_behind };
    Ok(Some(ThreeWay { origin, base, upstream }))
}

/// Reads the manifests at the commits with which a saved plan was compared, so that its conflicts can be checked again.
///
/// # Errors
///
/// Returns a refusal if this clone does not have one of the commits, or if the manifests at a commit are invalid.
pub(super) fn read_recorded(
    context: &Context<'_>,
    loaded: &Loaded,
    recorded: &plan::Base,
) -> Result<ThreeWay, Failure> {
    let git = Git::open(&loaded.project.root, context.env)?;
    let read = |commit: &str| -> Result<CommitState, Failure> {
        // The commit comes from the plan file. Only a full commit id is accepted, so that the file can't name a branch
        // or anything else.
        let is_id = commit.len() >= 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
        let found = if is_id { git.commit(commit)? } else { None };
        let known = match found {
            Some(commit) => read_base_commit(context, &git, loaded, &recorded.reference, &commit)?,
            None => None,
        };
        known.ok_or_else(|| unreadable(recorded, commit))
    };
    let base = read(&recorded.commit)?;
    let upstream = recorded.upstream.as_deref().map(read).transpose()?;
    Ok(ThreeWay { origin: recorded.clone(), base, upstream })
}

fn unreadable(recorded: &plan::Base, commit: &str) -> Failure {
    let message = format!(
        "the plan was made with `--base {}`, but the manifests at {} can't be read here, so conflicts with live \
         changes can't be detected",
        visible(&recorded.reference),
        visible(commit)
    );
    Failure::refused(message, "")
        .hint("fetch that commit: with actions/checkout, set `fetch-depth: 0`")
        .hint("or use --overwrite-drift to overwrite live changes")
}

fn unknown(git: &Git, reference: &str) -> Failure {
    let failure = Failure::other(format!("--base: this clone has no commit named `{reference}`"));
    let failure = match reference.split_once('/') {
        Some(("origin", branch)) => failure.hint(format!(
            "fetch this branch: `git fetch --depth=1 origin +{branch}:refs/remotes/origin/{branch}`"
        )),
        _ => failure.hint("list the names with `git branch --all` and `git tag`"),
    };
    if git.is_shallow() {
        failure
            .hint("this clone is shallow: with actions/checkout, set `fetch-depth: 0` to fetch all branches")
    } else {
        failure
    }
}

fn unrelated(reference: &str) -> Failure {
    Failure::other(format!("--base: `{reference}` and HEAD share no commit"))
        .hint("use the branch into which this branch will be merged")
}

/// The result of reading the manifests at one commit.
pub(super) enum CommitContent {
    /// The desired state and the project's rules.
    State(Box<CommitState>),
    /// The commit does not have this environment. The text says what is missing or different.
    OtherEnvironment(String),
    /// The manifests are invalid.
    Invalid(Problems),
}

/// Reads the manifests at one commit.
///
/// # Errors
///
/// Fails if git can't read the commit, or if the files can't be written to a temporary directory.
pub(super) fn read_commit(git: &Git, loaded: &Loaded, commit: &str) -> Result<CommitContent, Failure> {
    let environment = &loaded.environment;
    let Some(exported) = export(git, commit)? else {
        return Ok(CommitContent::OtherEnvironment("the project did not exist".to_owned()));
    };
    let tree = ProjectSource::CommitTree(exported.path());
    let options = LoadOptions { allow_empty: true, ..LoadOptions::new(tree, Some(&environment.name)) };
    let read =
        manifest::load_project(tree).and_then(|project| match project.environments.get(&environment.name) {
            None => Ok(Err(format!("environment `{}` did not exist", environment.name))),
            Some(former) if !is_same_target(former, environment) => Ok(Err(format!(
                "environment `{}` was a different organization or workspace",
                environment.name
            ))),
            Some(_) => manifest::load(&options).map(Ok),
        });
    Ok(match read {
        Ok(Ok(Loaded { desired, project, .. })) => {
            CommitContent::State(Box::new(CommitState { desired, policy: project.policy }))
        }
        Ok(Err(what)) => CommitContent::OtherEnvironment(what),
        Err(problems) => CommitContent::Invalid(problems),
    })
}

/// Reads the manifests at one of the commits of `--base`. Prints a warning and returns `None` if they are invalid. If the
/// commit does not have this environment, prints a note and returns an empty state.
fn read_base_commit(
    context: &Context<'_>,
    git: &Git,
    loaded: &Loaded,
    reference: &str,
    commit: &str,
) -> Result<Option<CommitState>, Failure> {
    let source = format!("{} (from --base {})", short(commit), visible(reference));
    match read_commit(git, loaded, commit)? {
        CommitContent::State(state) => Ok(Some(*state)),
        CommitContent::OtherEnvironment(what) => {
            context.ui.note(&format!(
                "note: at commit {source} {what}, so every change counts as made on this branch"
            ));
            Ok(Some(CommitState::default()))
        }
        CommitContent::Invalid(problems) => {
            warn_invalid(context, &source, &problems);
            Ok(None)
        }
    }
}

/// Returns the first characters of a commit's id, for messages.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// Prints the problems in the manifests at a commit. `source` names the commit and says why it was read.
pub(super) fn warn_invalid(context: &Context<'_>, source: &str, problems: &Problems) {
    let shown = diagnostics::render_problems(problems, context.ui.colors_errors());
    context.ui.note(&format!(
        "warning: can't read the manifests at commit {source}, so causes are not shown:\n{}",
        shown.trim_end()
    ));
}

/// Returns true if an environment has the same organization or workspace at two commits. A value that comes from a
/// variable counts as equal to every other value.
fn is_same_target(one: &Environment, other: &Environment) -> bool {
    let same =
        |one: &Option<String>, other: &Option<String>| one.is_none() || other.is_none() || one == other;
    match (&one.target, &other.target) {
        (
            EnvironmentTarget::Classic { organization: one, .. },
            EnvironmentTarget::Classic { organization: other, .. },
        ) => same(one, other),
        (
            EnvironmentTarget::Platform { workspace: one, .. },
            EnvironmentTarget::Platform { workspace: other, .. },
        ) => same(one, other),
        (
            EnvironmentTarget::Embedded { dialect: one, .. },
            EnvironmentTarget::Embedded { dialect: other, .. },
        ) => one == other,
        _ => false,
    }
}

/// Writes the project as it is at a commit into a temporary directory. Returns `None` if the commit has no project.
fn export(git: &Git, commit: &str) -> Result<Option<tempfile::TempDir>, Failure> {
    let Some(entries) = git.entries(commit, PROJECT_FILE)? else { return Ok(None) };
    let directory = tempfile::Builder::new()
        .prefix("amigops-base-")
        .tempdir()
        .map_err(|error| Failure::other(format!("can't create a temporary directory: {error}")))?;
    let project_file: Vec<&Entry> = entries.iter().filter(|entry| entry.path == PROJECT_FILE).collect();
    write(git, directory.path(), &project_file)?;
    // The project file says which other files belong to the project. If it is invalid, no other files are needed.
    let tree = ProjectSource::CommitTree(directory.path());
    let Ok(project) = manifest::load_project(tree) else { return Ok(Some(directory)) };
    let seeds: BTreeSet<PathBuf> = project
        .environments
        .values()
        .filter_map(|environment| match &environment.target {
            EnvironmentTarget::Embedded { seed: Some(seed), .. } => {
                seed.strip_prefix(&project.root).ok().map(Path::to_owned)
            }
            _ => None,
        })
        .collect();
    let globs = ManifestPatterns::new(&project.manifests);
    let targets = link_targets(git, &entries)?;
    let belongs = |entry: &&Entry| {
        entry.path != PROJECT_FILE
            && (entry.is_link
                || globs.is_match(&entry.path)
                || seeds.contains(Path::new(&entry.path))
                || targets.iter().any(|target| Path::new(&entry.path).starts_with(target)))
    };
    let (links, files): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().filter(belongs).partition(|entry| entry.is_link);
    // Write links last, so that no file is written through a link.
    write(git, directory.path(), &files)?;
    write(git, directory.path(), &links)?;
    Ok(Some(directory))
}

/// Returns the paths to which the project's symbolic links lead, relative to the project. Leaves out links that lead
/// out of the project.
fn link_targets(git: &Git, entries: &[Entry]) -> Result<BTreeSet<PathBuf>, Failure> {
    let links: Vec<&Entry> = entries.iter().filter(|entry| entry.is_link).collect();
    if links.is_empty() {
        return Ok(BTreeSet::new());
    }
    let contents = git.contents(&links)?;
    let target = |(link, content): (&&Entry, Vec<u8>)| {
        let mut path = Path::new(&link.path).parent()?.to_owned();
        for part in Path::new(std::str::from_utf8(&content).ok()?).components() {
            match part {
                Component::Normal(name) => path.push(name),
                Component::CurDir => {}
                // Skip a link that leads out of the project, because the loader refuses it.
                Component::ParentDir => path.pop().then_some(())?,
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        Some(path)
    };
    Ok(links.iter().zip(contents).filter_map(target).collect())
}

fn write(git: &Git, directory: &Path, entries: &[&Entry]) -> Result<(), Failure> {
    // Only a damaged repository has a path that leads out of the directory. Never write to such a path.
    let inside = |path: &str| Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let entries: Vec<&Entry> = entries.iter().copied().filter(|entry| inside(&entry.path)).collect();
    if entries.is_empty() {
        return Ok(());
    }
    for (entry, content) in entries.iter().zip(git.contents(&entries)?) {
        let path = directory.join(&entry.path);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| if entry.is_link { link(&content, &path) } else { fs::write(&path, &content) });
        written.map_err(|error| Failure::other(format!("can't write `{}`: {error}", path.display())))?;
    }
    Ok(())
}

#[cfg(unix)]
fn link(target: &[u8], path: &Path) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), path)
}

/// Writes the target path of a link into an ordinary file. Git does the same on systems where a process needs a
/// privilege to create symbolic links.
#[cfg(not(unix))]
fn link(target: &[u8], path: &Path) -> std::io::Result<()> {
    fs::write(path, target)
}
