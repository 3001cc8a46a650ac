//! Saved plans: written, read back, made again and compared with what was approved. May import everything.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::connect::Connection;
use super::prepare::Prepared;
use super::{Context, files};
use crate::error::Failure;
use crate::manifest;
use crate::model::{Lookups, Need, ServiceId, ServiceName, Snapshot};
use crate::plan::{Change, Plan, PlanError, ProblemKind};
use crate::plan_file::{self, Chosen, Difference, Document, GivenAgain, Moved, NotAPlan};
use crate::remote::complete_snapshot;
use crate::report::{human, text};

/// The largest file that is taken for a plan, in bytes.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// What to do about a plan that can't be applied any more.
const AGAIN: &str = "plan again, and have the new plan reviewed";

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
        NotAPlan::Changed | NotAPlan::Unsound(_) => {
            Failure::refused(format!("the plan `{name}` can't be applied: {error}"), "").hint(AGAIN)
        }
        NotAPlan::Form(_) => Failure::other(format!("`{name}` can't be applied: {error}"))
            .hint("`amigops plan --out FILE` saves a plan"),
        NotAPlan::Version(_) => Failure::other(format!("the plan `{name}` can't be applied: {error}"))
            .hint("plan again with this version of amigops"),
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
            "the plan is a preview and can't be applied: `drift` made it, or a rule stands against it"
                .to_owned(),
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
    let Ok(root) = manifest::find_root(&context.global.directory) else {
        let directory = context.global.directory.display();
        return refused(
            format!("a saved plan is made again from its manifests, and `{directory}` is in no project"),
            "-C DIR names the project that the plan was made in, with the manifests that it was made from",
        );
    };
    let project = manifest::load_project(&root)?;
    if !project.environments.contains_key(planned) {
        return refused(
            format!("the plan is for environment `{planned}`, which this project does not have"),
            "-C DIR names the project that the plan was made in",
        );
    }
    Ok(())
}

/// Checks that the options that loosen a rule are given again. The file records them and can't grant them.
///
/// # Errors
///
/// Refusals that name the options that are missing, or that the plan was made without.
pub(super) fn has_its_options(document: &Document, path: &Path, given: &Chosen) -> Result<(), Failure> {
    let GivenAgain { missing, unknown } = GivenAgain::compare(&document.options, given);
    let listed =
        |options: &[String]| options.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
    if !missing.is_empty() {
        let message = format!(
            "the plan was made with {}, and options that loosen a rule must be given again to apply it",
            listed(&missing)
        );
        let again = format!("if that is meant: `amigops apply {} {}`", path.display(), missing.join(" "));
        return Err(Failure::refused(message, "").hint(again));
    }
    if !unknown.is_empty() {
        return Err(Failure::refused(format!("the plan was made without {}", listed(&unknown)), "")
            .hint("leave it out, or make and review a plan with it"));
    }
    Ok(())
}

/// Whether the plan is for this organization.
///
/// # Errors
///
/// A refusal that says what is another.
pub(super) fn belongs(document: &Document, prepared: &Prepared) -> Result<(), Failure> {
    let environment = &prepared.loaded.environment.name;
    let Connection { organization, server, .. } = &prepared.connection;
    let api = prepared.connection.kind();
    if document.api == api && document.organization == *organization && document.server == *server {
        return Ok(());
    }
    let message = format!(
        "the plan is for {} `{}` at {}; environment `{environment}` is {} `{organization}` at {server} by now",
        document.api.as_str(),
        document.organization,
        document.server,
        api.as_str(),
    );
    Err(Failure::refused(message, "").hint(AGAIN))
}

/// Reads the live state and makes the plan again, for what the saved one touches. Returns both.
///
/// # Errors
///
/// Refusals that show what has moved, field by field, or what keeps the plan from being made.
pub(super) async fn plan_anew(document: &Document, prepared: &Prepared) -> Result<(Snapshot, Plan), Failure> {
    let api = prepared.connection.read();
    let lacking = |snapshot: &Snapshot| lacking(document, snapshot);
    // Services that one reading of the list leaves out would be told as gone.
    let has_moved = |snapshot: &Snapshot| !moved(document, prepared, snapshot).is_empty();
    let (snapshot, plan) = prepared.read_and_plan(api, has_moved).await?;
    let plan = match plan {
        Ok(plan) => Ok(plan),
        Err(Failure::Plan(error)) => Err(no_more(error)),
        Err(other) => return Err(other),
    };
    // Where something has moved, that is the reason why no plan can be made.
    check_fit(document, prepared, &complete_snapshot(api, snapshot.clone(), lacking).await?)?;
    Ok((snapshot, plan?))
}

/// What the plan touches and is not as it was when the plan was made.
fn moved(document: &Document, prepared: &Prepared, snapshot: &Snapshot) -> Vec<Moved> {
    let policy = &prepared.loaded.project.policy;
    plan_file::moved(&document.fingerprints, snapshot, policy, prepared.connection.kind())
}

/// What must be read to compare a live state with a plan's fingerprints.
fn lacking(document: &Document, snapshot: &Snapshot) -> Lookups {
    let is_there = |id: &ServiceId| snapshot.services.iter().any(|service| service.id == *id);
    Lookups {
        agents: Need::Nothing,
        context_graphs: Need::Nothing,
        versions_of_agents: Default::default(),
        versions_of_context_graphs: Default::default(),
        behavior_sets_of: plan_file::behavior_sets_of(&document.fingerprints)
            .into_iter()
            .filter(|id| !snapshot.behavior_sets.contains_key(id) && is_there(id))
            .collect(),
    }
}

/// Checks that what the plan touches is as it was when the plan was made.
fn check_fit(document: &Document, prepared: &Prepared, snapshot: &Snapshot) -> Result<(), Failure> {
    let moved = moved(document, prepared, snapshot);
    if moved.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the saved plan is stale: its services changed since it was made, at {}",
        document.created_at
    );
    let moved =
        moved.into_iter().map(|Moved { service, what, seen, now }| (service, Change::new(what, seen, now)));
    Err(Failure::refused(message, human::moved(&by_service(moved))).hint(AGAIN).hint(
        "a plan that was applied before, in whole or in part, is stale: what is left to do is a new plan",
    ))
}

/// Makes a refusal of whatever keeps a saved plan from being made again.
fn no_more(mut error: PlanError) -> PlanError {
    for problem in &mut error.problems {
        problem.kind = ProblemKind::Refused;
    }
    error
}

/// Checks that the plan made again is the one that was approved.
///
/// # Errors
///
/// A refusal that shows each value that differs, on both sides.
pub(super) fn is_same(document: &Document, anew: &Document) -> Result<(), Failure> {
    let differences = plan_file::differences(document, anew);
    if differences.is_empty() {
        return Ok(());
    }
    let made = document.commit.as_ref().map(|commit| format!(" from commit {commit}")).unwrap_or_default();
    let message = format!(
        "the saved plan is stale or was edited: made again from the manifests and the live state, it is a different \
         plan than the one that was made at {}{made}",
        document.created_at
    );
    let changes = differences.into_iter().map(|Difference { service, what, approved, anew }| {
        let service = service.unwrap_or_else(|| ServiceName::new("the plan as a whole"));
        (service, Change::new(what, approved, anew))
    });
    Err(Failure::refused(message, human::moved(&by_service(changes)))
        .hint("each line shows what was approved, and what would be done now")
        .hint(AGAIN))
}

fn by_service(changes: impl Iterator<Item = (ServiceName, Change)>) -> BTreeMap<ServiceName, Vec<Change>> {
    let mut services: BTreeMap<ServiceName, Vec<Change>> = BTreeMap::new();
    for (service, change) in changes {
        services.entry(service).or_default().push(change);
    }
    services
}
