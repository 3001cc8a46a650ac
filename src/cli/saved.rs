//! Saved plans: written, read back, held against the environment, the manifests and the live state. May import
//! everything.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::connect::Connection;
use super::prepare::Prepared;
use super::{Context, files};
use crate::error::Failure;
use crate::manifest;
use crate::model::{Lookups, Need, ServiceName, Snapshot};
use crate::plan::{self, Change};
use crate::plan_file::{self, Document, Moved, NotAPlan};
use crate::remote::read_snapshot;
use crate::report::{human, text};

/// The largest file that is taken for a plan, in bytes.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// How every plan file begins.
const BEGINNING: &str = "{\n  \"format_version\":";

/// Saves a plan; over another plan, if need be, but over nothing else.
pub(super) fn write(path: &Path, document: &Document) -> Result<(), Failure> {
    let is_other = std::fs::File::open(path).is_ok_and(|file| {
        let mut beginning = Vec::new();
        let read = file.take(BEGINNING.len() as u64).read_to_end(&mut beginning);
        read.is_ok() && !beginning.is_empty() && beginning != BEGINNING.as_bytes()
    });
    if is_other {
        return Err(Failure::other(format!(
            "`{}` is there and is not a plan: it is left alone",
            path.display()
        ))
        .hint("choose another file, such as plan.json"));
    }
    files::write_private(path, &text::json(document))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::other(format!("the plan `{}` can't be read: {error}", path.display()))
}

/// Reads a saved plan that was taken hold of.
///
/// # Errors
///
/// A file that is none; refusals where it was changed or applied since.
pub(super) fn read(path: &Path) -> Result<Document, Failure> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::other(format!("`{name}` is not a plan: it is no UTF-8")))?;
    let document = Document::read(&text).map_err(|error| match error {
        NotAPlan::Changed => Failure::refused(format!("the plan `{name}` can't be applied: {error}"), "")
            .hint("plan again, and have the new plan reviewed"),
        NotAPlan::Form(_) => Failure::other(format!("`{name}` can't be applied: {error}"))
            .hint("`amigops plan --out FILE` saves a plan"),
        NotAPlan::Version(_) | NotAPlan::Unsound(_) => {
            Failure::other(format!("the plan `{name}` can't be applied: {error}"))
                .hint("plan again with this version of amigops")
        }
    })?;
    match &document.applied_at {
        Some(at) => Err(Failure::refused(format!("the plan `{name}` was applied before, at {at}"), "")
            .hint("plan again: what is left to do, if anything, is a new plan")),
        None => Ok(document),
    }
}

/// Takes hold of a plan file, so that nobody else applies it at the same time. It is let go when this is dropped.
///
/// # Errors
///
/// What is no file, or can't be opened; a refusal where somebody else holds it.
pub(super) fn claim(path: &Path) -> Result<std::fs::File, Failure> {
    let name = path.display();
    // Before it is opened: a pipe that nobody writes to would never be.
    let meta = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !meta.is_file() || meta.len() > MAX_BYTES {
        return Err(Failure::other(format!("`{name}` is not a plan: it is no file, or too large to be one")));
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    match file.try_lock() {
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Failure::refused(format!("the plan `{name}` is being applied by another process"), ""))
        }
        // Where files can't be locked, the mark and what the plan touches must do.
        Ok(()) | Err(std::fs::TryLockError::Error(_)) => Ok(file),
    }
}

/// Notes in the file that the plan is being applied.
///
/// # Errors
///
/// A file that can't be written: it could be applied again.
pub(super) fn mark(context: &Context<'_>, path: &Path, document: Document) -> Result<(), Failure> {
    let marked = Document { applied_at: Some(context.env.timestamp()), ..document };
    write(path, &marked).map_err(|_| {
        let name = path.display();
        Failure::other(format!("`{name}` can't be marked as applied: it can't be written; nothing was sent"))
            .hint("copy it to where it can be written, and apply the copy")
    })
}

/// Whether the plan is for the environment that was asked for, and may be applied at all; told before anything
/// of an environment is needed.
///
/// # Errors
///
/// Refusals that say what is another.
pub(super) fn is_for(document: &Document, context: &Context<'_>) -> Result<(), Failure> {
    let refused = |message: String, hint: &str| Err(Failure::refused(message, "").hint(hint));
    if !document.options.guardrails {
        return refused(
            "the plan was made to look at: by `drift`, or although rules stand against it".to_owned(),
            "`amigops plan --out FILE` makes one to apply",
        );
    }
    let planned = &document.environment;
    if let Some(asked) = context.global.env.as_ref().filter(|asked| *asked != planned) {
        return refused(
            format!("the plan is for environment `{planned}`, not for `{asked}`"),
            "leave --env out, or plan for the other environment",
        );
    }
    let project = manifest::load_project(&manifest::find_root(&context.global.directory)?)?;
    if !project.environments.contains_key(planned) {
        return refused(
            format!("the plan is for environment `{planned}`, which this project does not have"),
            "-C DIR names the project that the plan was made in",
        );
    }
    Ok(())
}

/// Whether the plan is for this organization and these manifests.
///
/// # Errors
///
/// Refusals that say what is another.
pub(super) fn belongs(document: &Document, prepared: &Prepared) -> Result<(), Failure> {
    let refused = |message: String| {
        Err(Failure::refused(message, "").hint("plan again, and have the new plan reviewed"))
    };
    let environment = &prepared.loaded.environment.name;
    let Connection { organization, server, .. } = &prepared.connection;
    let api = prepared.connection.kind();
    if document.api != api || document.organization != *organization || document.server != *server {
        return refused(format!(
            "the plan is for {} `{}` at {}; environment `{environment}` is {} `{organization}` at {server} by now",
            document.api.as_str(),
            document.organization,
            document.server,
            api.as_str(),
        ));
    }
    let manifests = plan_file::of_manifests(&prepared.loaded.desired, &prepared.loaded.project.policy);
    if document.manifests != manifests {
        let made = document.commit.as_ref().map(|commit| format!(" (they were at commit {commit})"));
        return refused(format!(
            "the manifests or the project's rules have changed since the plan was made{}",
            made.unwrap_or_default()
        ));
    }
    Ok(())
}

/// Reads the live state, and checks that the plan still fits it. Gives what was read.
///
/// # Errors
///
/// A refusal that shows what has moved, field by field.
pub(super) async fn fits(document: &Document, prepared: &Prepared) -> Result<Snapshot, Failure> {
    let lacking = |snapshot: &Snapshot| Lookups {
        agents: Need::Nothing,
        context_graphs: Need::Nothing,
        versions_of_agents: Default::default(),
        versions_of_context_graphs: Default::default(),
        behavior_sets_of: plan_file::behavior_sets_of(&document.fingerprints)
            .into_iter()
            .filter(|id| !snapshot.behavior_sets.contains_key(id))
            .collect(),
    };
    let (policy, api) = (&prepared.loaded.project.policy, prepared.connection.kind());
    let moved = |snapshot: &Snapshot| plan_file::moved(&document.fingerprints, snapshot, policy, api);
    let plan = document.plan();
    let rests_on_absence =
        |snapshot: &Snapshot| plan::rests_on_absence(Ok(&plan), snapshot) || !moved(snapshot).is_empty();
    let snapshot = read_snapshot(prepared.connection.read(), lacking, rests_on_absence).await?;
    let moved = moved(&snapshot);
    if moved.is_empty() {
        return Ok(snapshot);
    }
    let message = format!(
        "the plan no longer fits: what it touches has moved since it was made, at {}",
        document.created_at
    );
    Err(Failure::refused(message, human::moved(&by_service(moved)))
        .hint("plan again, and have the new plan reviewed")
        .hint("a plan that was applied before, in whole or in part, does not fit any more: what is left is a new plan"))
}

fn by_service(moved: Vec<Moved>) -> BTreeMap<ServiceName, Vec<Change>> {
    let mut services: BTreeMap<ServiceName, Vec<Change>> = BTreeMap::new();
    for Moved { service, what, seen, now } in moved {
        services.entry(service).or_default().push(Change::new(what, seen, now));
    }
    services
}
