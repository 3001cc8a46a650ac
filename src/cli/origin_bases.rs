//! Reads the manifests at the commits in the tags `origin`, so that a plan can be compared with what was applied.
//!
//! A commit that can't be read is no error: the causes of its services' changes are unknown then, and a note says why.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::base::{self, CommitContent, CommitState};
use super::context::Context;
use super::git::Git;
use crate::error::Failure;
use crate::manifest::Loaded;
use crate::model::ServiceName;
use crate::plan::{OriginBases, OriginCommits};
use crate::report::text::visible;
use crate::ui;

/// The maximum number of services that a note names.
const MAX_NAMES: usize = 5;

/// The manifests at the commits in the tags `origin`.
#[derive(Default)]
pub(super) struct OriginManifests {
    commits: BTreeMap<String, CommitState>,
    /// The base of services that a plan creates.
    newest: Option<String>,
}

impl OriginManifests {
    /// Returns the manifests in the form in which the planner compares them.
    pub(super) fn bases(&self) -> OriginBases<'_> {
        let commits = self.commits.iter().map(|(commit, state)| (commit.clone(), state.side()));
        OriginBases { commits: commits.collect(), newest: self.newest.clone() }
    }
}

/// Reads the manifests at these commits. Runs git only if there are commits. Prints a note for each commit that can't be
/// read.
pub(super) fn read(context: &Context<'_>, loaded: &Loaded, commits: &OriginCommits) -> OriginManifests {
    if commits.of_changed.is_empty() && commits.applied.is_empty() {
        return OriginManifests::default();
    }
    let reader =
        Git::open(&loaded.project.root, context.env).map(|git| Reader { context, loaded, commits, git });
    reader.and_then(|reader| reader.read()).unwrap_or_else(|failure| {
        let names = commits.of_changed.values().flatten().chain(&commits.created);
        note_unknown(context, names, &first_line(&failure));
        OriginManifests::default()
    })
}

struct Reader<'a> {
    context: &'a Context<'a>,
    loaded: &'a Loaded,
    commits: &'a OriginCommits,
    git: Git,
}

impl Reader<'_> {
    fn read(&self) -> Result<OriginManifests, Failure> {
        let OriginCommits { of_changed, created, applied } = self.commits;
        let times = self.git.commit_times(of_changed.keys().chain(applied))?;
        for (commit, names) in of_changed.iter().filter(|(commit, _)| !times.contains_key(commit.as_str())) {
            self.context.ui.note(&format!(
                "note: this clone does not have commit {commit}, which was applied last to {}, so the causes of changes \
                 are unknown; fetch the commit with `git fetch --depth=1 origin {commit}`",
                listed(names.iter())
            ));
        }
        let newest = if created.is_empty() { None } else { self.newest(&times)? };
        let of_changed = of_changed.iter().map(|(commit, names)| (commit.as_str(), names));
        let of_created = newest.as_deref().map(|commit| (commit, created));
        let mut read = OriginManifests { commits: BTreeMap::new(), newest: newest.clone() };
        for (commit, names) in of_changed.chain(of_created) {
            if times.contains_key(commit) && !read.commits.contains_key(commit) {
                read.commits.extend(self.state(commit, names).map(|state| (commit.to_owned(), state)));
            }
        }
        Ok(read)
    }

    /// Returns the newest applied commit that HEAD contains. Of two commits, the one that was made later is newer, or that
    /// contains the other one if both were made in the same second. If there is none, and the clone is shallow, prints a
    /// note.
    fn newest(&self, times: &BTreeMap<&str, i64>) -> Result<Option<String>, Failure> {
        let Some(head) = self.git.head()? else { return Ok(None) };
        let time = |commit: &&String| times.get(commit.as_str()).copied();
        let mut applied: Vec<&String> =
            self.commits.applied.iter().filter(|commit| time(commit).is_some()).collect();
        applied.sort_by_key(|commit| Reverse(time(commit)));
        let mut newest: Option<&String> = None;
        for commit in applied {
            if newest.is_some_and(|newest| time(&commit) < time(&newest)) {
                break;
            }
            let is_newer = newest.map_or(Ok(true), |newest| self.git.is_ancestor(newest, commit))?;
            if is_newer && self.git.is_ancestor(commit, &head)? {
                newest = Some(commit);
            }
        }
        if newest.is_none() && self.git.is_shallow() {
            self.context.ui.note(&format!(
                "note: this clone is too shallow to find out if {} existed before; fetch all commits with `git fetch \
                 --unshallow`",
                listed(self.commits.created.iter())
            ));
        }
        Ok(newest.cloned())
    }

    /// Reads the manifests at a commit. Prints a note and returns `None` if that is impossible.
    fn state(&self, commit: &str, names: &[ServiceName]) -> Option<CommitState> {
        let short = base::short(commit);
        match base::read_commit(&self.git, self.loaded, commit) {
            Ok(CommitContent::State(state)) => return Some(*state),
            Ok(CommitContent::OtherEnvironment(what)) => {
                note_unknown(self.context, names.iter(), &format!("at commit {short} {what}"));
            }
            Ok(CommitContent::Invalid(problems)) => {
                let source = format!("{short} (from the tag `origin` of {})", listed(names.iter()));
                base::warn_invalid(self.context, &source, &problems);
            }
            Err(failure) => {
                let reason = format!("can't read commit {short}: {}", first_line(&failure));
                note_unknown(self.context, names.iter(), &reason);
            }
        }
        None
    }
}

fn note_unknown<'a>(context: &Context<'_>, names: impl Iterator<Item = &'a ServiceName>, reason: &str) {
    context.ui.note(&format!("note: the causes of changes are unknown for {}: {reason}", listed(names)));
}

/// Returns the message of a failure, without its hints, which are about `--base`.
fn first_line(failure: &Failure) -> String {
    let message = ui::plain_message(failure);
    let line = message.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Returns the names of the first services in a list, and the number of services that are not named.
fn listed<'a>(names: impl Iterator<Item = &'a ServiceName>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{}`", visible(name.as_str()))).collect();
    let mut shown = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>();
    if names.len() > MAX_NAMES {
        shown.push(format!("{} more", names.len() - MAX_NAMES));
    }
    match shown.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
