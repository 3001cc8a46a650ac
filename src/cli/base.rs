//! The manifests of a base commit: what `--base` compares with. May import everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::Context;
use super::git::{Entry, Git};
use crate::env::Env;
use crate::error::Failure;
use crate::manifest::{self, Environment, Loaded, PROJECT_FILE, Problems, Target};
use crate::model::{Desired, Policy};
use crate::plan::{self, Bases, Side};
use crate::report::diagnostics;
use crate::report::text::visible;

/// What the causes of changes are told by.
pub(super) struct ThreeWay {
    /// Where it is from.
    pub(super) origin: plan::Base,
    base: Memory,
    upstream: Option<Memory>,
}

/// What the manifests of one commit wanted.
#[derive(Default)]
struct Memory {
    desired: Desired,
    policy: Policy,
}

impl Memory {
    fn side(&self) -> Side<'_> {
        Side { desired: &self.desired, policy: &self.policy }
    }
}

impl ThreeWay {
    /// The commits as planning takes them.
    pub(super) fn bases(&self) -> Bases<'_> {
        Bases { base: self.base.side(), upstream: self.upstream.as_ref().map(Memory::side) }
    }
}

/// The commit of the manifests, with `+` if files were changed since or can't be compared; none if it can't be
/// told.
pub(super) fn commit(env: &Env, root: &Path) -> Option<String> {
    let git = Git::open(root, env).ok()?;
    let head = git.head().ok()??;
    let changed = git.is_changed(&head).unwrap_or(true);
    Some(if changed { head + "+" } else { head })
}

/// Reads the manifests at the base, and at the tip of the branch that it is compared with. None, and a
/// warning, where they can't be read as manifests.
///
/// # Errors
///
/// Where there is no such commit, or git can't read it.
pub(super) fn read(
    context: &Context<'_>,
    loaded: &Loaded,
    reference: &str,
) -> Result<Option<ThreeWay>, Failure> {
    let root = &loaded.project.root;
    let git = Git::open(root, context.env)?;
    let head = git
        .head()?
        .ok_or_else(|| Failure::other("--base compares with a commit, and nothing is committed here yet"))?;
    let tip = git.commit(reference)?.ok_or_else(|| unknown(&git, reference))?;
    let (commit, upstream) = match git.merge_base(&tip, &head)? {
        Some(shared) if shared == tip => (tip, None),
        Some(shared) => (shared, Some(tip)),
        None if git.is_shallow() => {
            context.ui.note(&format!(
                "note: this clone is too shallow to tell the last commit that `{reference}` and HEAD share: \
                 `{reference}` itself is the base, and `behind` can't be told (`fetch-depth: 0` fetches all)",
                reference = visible(reference)
            ));
            (tip, None)
        }
        None => return Err(strangers(reference)),
    };
    let tip_behind = upstream.clone();
    let memory = |commit: &str| remember(context, &git, loaded, reference, commit);
    let Some(base) = memory(&commit)? else { return Ok(None) };
    let upstream = match &upstream {
        None => None,
        Some(tip) => match memory(tip)? {
            None => return Ok(None),
            known => known,
        },
    };
    let origin = plan::Base { reference: reference.to_owned(), commit, upstream: tip_behind };
    Ok(Some(ThreeWay { origin, base, upstream }))
}

/// Reads the manifests of the commits that a saved plan was compared with, so that its conflicts can be judged again.
///
/// # Errors
///
/// A refusal where this clone lacks a commit, or its manifests can't be read.
pub(super) fn read_recorded(
    context: &Context<'_>,
    loaded: &Loaded,
    recorded: &plan::Base,
) -> Result<ThreeWay, Failure> {
    let git = Git::open(&loaded.project.root, context.env)?;
    let memory = |commit: &str| -> Result<Memory, Failure> {
        // What a file says is taken for a commit's id, and never for another name.
        let is_id = commit.len() >= 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
        let found = if is_id { git.commit(commit)? } else { None };
        let known = match found {
            Some(commit) => remember(context, &git, loaded, &recorded.reference, &commit)?,
            None => None,
        };
        known.ok_or_else(|| unjudged(recorded, commit))
    };
    let base = memory(&recorded.commit)?;
    let upstream = recorded.upstream.as_deref().map(memory).transpose()?;
    Ok(ThreeWay { origin: recorded.clone(), base, upstream })
}

fn unjudged(recorded: &plan::Base, commit: &str) -> Failure {
    let message = format!(
        "the plan was made with `--base {}`, and the manifests at {} can't be read here, so that its conflicts can't \
         be judged again",
        visible(&recorded.reference),
        visible(commit)
    );
    Failure::refused(message, "")
        .hint("fetch that commit: with actions/checkout, `fetch-depth: 0` fetches all")
        .hint("or overwrite what has changed live, with --overwrite-drift, if that is meant")
}

fn unknown(git: &Git, reference: &str) -> Failure {
    let failure = Failure::other(format!("--base: this clone has no commit that `{reference}` names"));
    let failure = match reference.split_once('/') {
        Some(("origin", branch)) => failure
            .hint(format!("fetch it: `git fetch --depth=1 origin +{branch}:refs/remotes/origin/{branch}`")),
        _ => failure.hint("`git branch --all` and `git tag` list the names there are"),
    };
    if git.is_shallow() {
        failure.hint("this clone is shallow: with actions/checkout, `fetch-depth: 0` fetches all branches")
    } else {
        failure
    }
}

fn strangers(reference: &str) -> Failure {
    Failure::other(format!("--base: `{reference}` and HEAD share no commit"))
        .hint("name the branch that this one will be merged into")
}

/// The manifests of one commit. None, and a warning, where they are broken; empty, and a note, where the commit
/// says nothing of this environment.
fn remember(
    context: &Context<'_>,
    git: &Git,
    loaded: &Loaded,
    reference: &str,
    commit: &str,
) -> Result<Option<Memory>, Failure> {
    let short = commit.get(..10).unwrap_or(commit);
    let reference = &visible(reference);
    let nothing = |what: &str| {
        context.ui.note(&format!(
            "note: at {short}, by which `{reference}` is compared with, {what}: all changes count as this branch's"
        ));
        Ok(Some(Memory::default()))
    };
    let environment = &loaded.environment;
    let Some(exported) = export(git, commit)? else {
        return nothing("the project did not exist");
    };
    let read = manifest::load_project(exported.path()).and_then(|project| {
        match project.environments.get(&environment.name) {
            None => Ok(Err(format!("environment `{}` did not exist", environment.name))),
            Some(former) if !is_same_place(former, environment) => {
                Ok(Err(format!("environment `{}` was another place", environment.name)))
            }
            Some(_) => {
                manifest::load_documents(exported.path(), Some(&environment.name), &BTreeMap::new()).map(Ok)
            }
        }
    });
    match read {
        Ok(Ok(survey)) => {
            let Loaded { desired, project, .. } = survey.loaded;
            Ok(Some(Memory { desired, policy: project.policy }))
        }
        Ok(Err(what)) => nothing(&what),
        Err(problems) => {
            warn(context, reference, short, &problems);
            Ok(None)
        }
    }
}

fn warn(context: &Context<'_>, reference: &str, short: &str, problems: &Problems) {
    let shown = diagnostics::render_problems(problems, context.ui.colors_errors());
    context.ui.note(&format!(
        "warning: the manifests at {short}, by which `{reference}` is compared with, can't be read, so that no \
         causes are told:\n{}",
        shown.trim_end()
    ));
}

/// Whether two commits mean the same services by an environment's name. What only a variable says is taken
/// to be the same.
fn is_same_place(one: &Environment, other: &Environment) -> bool {
    let same =
        |one: &Option<String>, other: &Option<String>| one.is_none() || other.is_none() || one == other;
    match (&one.target, &other.target) {
        (Target::Classic { organization: one, .. }, Target::Classic { organization: other, .. }) => {
            same(one, other)
        }
        (Target::Platform { workspace: one, .. }, Target::Platform { workspace: other, .. }) => {
            same(one, other)
        }
        (Target::Embedded { dialect: one, .. }, Target::Embedded { dialect: other, .. }) => one == other,
        _ => false,
    }
}

/// Writes a commit's project to a directory of its own; none where the commit has no project.
fn export(git: &Git, commit: &str) -> Result<Option<tempfile::TempDir>, Failure> {
    let Some(entries) = git.entries(commit, PROJECT_FILE)? else { return Ok(None) };
    let directory = tempfile::Builder::new()
        .prefix("amigops-base-")
        .tempdir()
        .map_err(|error| Failure::other(format!("no temporary directory can be made: {error}")))?;
    let project_file: Vec<&Entry> = entries.iter().filter(|entry| entry.path == PROJECT_FILE).collect();
    write(git, directory.path(), &project_file)?;
    // What else belongs to the project, its file says; where that is broken, nothing does.
    let Ok(project) = manifest::load_project(directory.path()) else { return Ok(Some(directory)) };
    let root = fs::canonicalize(directory.path()).unwrap_or_else(|_| directory.path().to_owned());
    let seeds: BTreeSet<PathBuf> = project
        .environments
        .values()
        .filter_map(|environment| match &environment.target {
            Target::Embedded { seed: Some(seed), .. } => seed.strip_prefix(&root).ok().map(Path::to_owned),
            _ => None,
        })
        .collect();
    let globs = manifest::globs(&project.manifests);
    let links = links(git, &entries)?;
    let belongs = |entry: &&Entry| {
        entry.path != PROJECT_FILE
            && (entry.is_link
                || globs.is_match(&entry.path)
                || seeds.contains(Path::new(&entry.path))
                || links.iter().any(|target| Path::new(&entry.path).starts_with(target)))
    };
    let (links, files): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().filter(belongs).partition(|entry| entry.is_link);
    // Links last, so that nothing is ever written through one.
    write(git, directory.path(), &files)?;
    write(git, directory.path(), &links)?;
    Ok(Some(directory))
}

/// What the project's symbolic links lead to, as paths within it.
fn links(git: &Git, entries: &[Entry]) -> Result<BTreeSet<PathBuf>, Failure> {
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
                // Out of the project: the loader refuses such a link.
                Component::ParentDir => path.pop().then_some(())?,
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        Some(path)
    };
    Ok(links.iter().zip(contents).filter_map(target).collect())
}

fn write(git: &Git, directory: &Path, entries: &[&Entry]) -> Result<(), Failure> {
    // Nothing but a damaged repository holds such a path; it must not lead anywhere else all the same.
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
        written.map_err(|error| Failure::other(format!("`{}` can't be written: {error}", path.display())))?;
    }
    Ok(())
}

#[cfg(unix)]
fn link(target: &[u8], path: &Path) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), path)
}

/// Where links need a privilege, git writes their targets into plain files, too.
#[cfg(not(unix))]
fn link(target: &[u8], path: &Path) -> std::io::Result<()> {
    fs::write(path, target)
}
