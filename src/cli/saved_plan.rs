//! Saves plans and reads them. Before a saved plan is applied, makes the plan again, and compares the new plan with the
//! saved one.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::connect::Connection;
use super::context::Context;
use super::files;
use super::prepare::Prepared;
use super::user_file;
use crate::checkout::PathError;
use crate::error::Failure;
use crate::manifest::{self, ManifestPatterns, Project};
use crate::model::{Lookups, Need, ServiceId, ServiceName, Snapshot};
use crate::plan::{ChangeRecord, Plan, PlanError, ProblemKind};
use crate::plan_file::{
    self, Difference, OptionMismatch, PlanDocument, ReadError, RecordedOptions, StaleValue,
};
use crate::remote::complete_snapshot;
use crate::report::{human, text};

/// The maximum size of a plan file, in bytes.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// The hint for a saved plan that can no longer be applied.
const PLAN_AGAIN: &str = "make a new plan with `amigops plan --out`, and have it reviewed";

/// The text at the beginning of every plan file that amigops writes.
const FILE_START: &str = "{\n  \"format_version\":";

/// Checks that a plan can be saved to a path.
///
/// # Errors
///
/// Fails if the file exists and is not a plan. Also fails if a pattern for manifests matches the path, because the plan
/// would then be read as a manifest.
pub(super) fn check_can_save(path: &Path, project: &Project) -> Result<(), Failure> {
    check_is_no_manifest(path, path, project)?;
    check_is_no_manifest(path, &find_target(path)?, project)
}

/// Checks that no pattern for manifests matches the file `target`, to which the plan would be written. `path` is the
/// path that the user chose, for the error message.
fn check_is_no_manifest(path: &Path, target: &Path, project: &Project) -> Result<(), Failure> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = std::fs::canonicalize(parent).unwrap_or_default();
    let Ok(directory) = directory.strip_prefix(&project.root) else { return Ok(()) };
    let is_manifest = target
        .file_name()
        .is_some_and(|name| ManifestPatterns::new(&project.manifests).is_match(directory.join(name)));
    if !is_manifest {
        return Ok(());
    }
    Err(Failure::other(format!(
        "can't save the plan as `{}`: a pattern under `manifests` in amigops.yaml matches this file, so it would be \
         read as a manifest",
        path.display()
    ))
    .hint("choose another file, such as plan.json in the root directory of the project"))
}

/// Saves a plan. May overwrite another saved plan, but no other file. If the path is a symbolic link, writes the file to
/// which the link leads.
///
/// # Errors
///
/// Fails if the file exists and is not a plan, or if it can't be written.
pub(super) fn write(path: &Path, document: &PlanDocument) -> Result<(), Failure> {
    let target = find_target(path)?;
    files::write_private(&target, &text::json(document)).map_err(|error| unwritable(path, &error.into()))
}

/// Returns the file to which a plan is saved: the path or, if it is a symbolic link, the file to which the link leads.
///
/// # Errors
///
/// Fails if the file exists and is not a plan.
fn find_target(path: &Path) -> Result<PathBuf, Failure> {
    if let Some(problem) = files::check_directory(path) {
        return Err(unwritable(path, &io::Error::other(problem).into()));
    }
    let target = user_file::find_target(path).map_err(|error| unwritable(path, &error))?;
    match is_plan_or_empty(&target) {
        Err(PathError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(target),
        Err(error) => Err(unwritable(path, &error)),
        Ok(true) => Ok(target),
        Ok(false) => Err(Failure::other(format!(
            "`{}` exists and is not a plan, so it was not overwritten",
            path.display()
        ))
        .hint("choose another file, such as plan.json")),
    }
}

/// Returns true if a file is empty or contains a plan, whatever its layout.
fn is_plan_or_empty(path: &Path) -> Result<bool, PathError> {
    let mut start = Vec::new();
    user_file::open(path)?.take(FILE_START.len() as u64).read_to_end(&mut start)?;
    if start.is_empty() || start == FILE_START.as_bytes() {
        return Ok(true);
    }
    let text = match user_file::read_text(path, MAX_BYTES) {
        Ok(text) => text,
        Err(PathError::NotUtf8 | PathError::TooLarge(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(!matches!(PlanDocument::read(&text), Err(ReadError::Malformed(_))))
}

fn unwritable(path: &Path, error: &PathError) -> Failure {
    let failure = Failure::other(format!("can't save the plan as `{}`: {error}", path.display()));
    match error {
        PathError::NotRegular => failure.hint("to print the plan instead of saving it, use `--format json`"),
        _ => failure,
    }
}

fn unreadable(path: &Path, error: &PathError) -> Failure {
    let name = path.display();
    match error {
        PathError::Io(error) => Failure::other(format!("can't read the plan `{name}`: {error}")),
        error => Failure::other(format!("`{name}` is not a plan: {error}")),
    }
}

/// A file with a saved plan, which this process has locked, so that no other process applies the plan at the same time.
/// The lock ends when this value is dropped.
pub(super) struct LockedPlan {
    path: PathBuf,
    /// The SHA-256 of the bytes that were read.
    digest: Vec<u8>,
    _lock: File,
}

fn digest_of(bytes: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().to_vec()
}

/// Locks a file with a saved plan, and reads the plan.
///
/// # Errors
///
/// Fails if the file is not a plan. Returns a refusal if the plan was edited after it was saved, if an apply of the
/// plan has already begun, or if another process has locked the file.
pub(super) fn read(path: &Path) -> Result<(LockedPlan, PlanDocument), Failure> {
    let name = path.display();
    let lock = lock(path)?;
    let bytes = user_file::read(path, MAX_BYTES).map_err(|error| unreadable(path, &error))?;
    let locked = LockedPlan { path: path.to_owned(), digest: digest_of(&bytes), _lock: lock };
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::other(format!("`{name}` is not a plan: it is not UTF-8 text")))?;
    let document = PlanDocument::read(&text).map_err(|error| match error {
        ReadError::Edited | ReadError::Inconsistent(_) => {
            Failure::refused(format!("can't apply the plan `{name}`: {error}"), "").hint(PLAN_AGAIN)
        }
        ReadError::Malformed(_) => Failure::other(format!("can't apply `{name}`: {error}"))
            .hint("save a plan with `amigops plan --out FILE`"),
        ReadError::Version(_) => Failure::other(format!("can't apply the plan `{name}`: {error}"))
            .hint("make a new plan with this version of amigops"),
    })?;
    match &document.applied_at {
        // The file records the start of an apply, not its end.
        Some(at) => {
            let message =
                format!("a saved plan can be applied only once: an apply of `{name}` began at {at}");
            Err(Failure::refused(message, "")
                .hint("that apply may have stopped early or failed in part: run `amigops plan` to see what is left to do"))
        }
        None => Ok((locked, document)),
    }
}

fn lock(path: &Path) -> Result<File, Failure> {
    let file = user_file::open(path).map_err(|error| unreadable(path, &error))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let name = path.display();
            Err(Failure::refused(format!("another process is applying the plan `{name}`"), ""))
        }
        // If the file system has no locks, `applied_at` and the check for stale plans still protect against applying
        // the plan twice.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Records in the plan's file that an apply of the plan has begun. If the file is a symbolic link, writes the file to
/// which the link leads.
///
/// # Errors
///
/// Fails if the file can't be written, because the plan could then be applied twice. Returns a refusal if the file was
/// changed after it was read, because it may contain another plan now.
pub(super) fn mark_applied(
    context: &Context<'_>,
    locked: &LockedPlan,
    document: PlanDocument,
) -> Result<(), Failure> {
    let name = locked.path.display();
    let marked = PlanDocument { applied_at: Some(context.env.timestamp()), ..document };
    let written = || {
        let target = user_file::find_target(&locked.path)?;
        if digest_of(&user_file::read(&target, MAX_BYTES)?) != locked.digest {
            return Ok(false);
        }
        files::write_private(&target, &text::json(&marked))?;
        Ok(true)
    };
    match written() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::refused(
            format!("`{name}` was changed while it was being applied; nothing was sent"),
            "",
        )
        .hint("run the command again to apply the plan that is in the file now")),
        Err(error) => {
            let error: PathError = error;
            Err(Failure::other(format!("can't mark `{name}` as applied: {error}; nothing was sent"))
                .hint("copy it to a writable directory, and apply the copy"))
        }
    }
}

/// Checks that a saved plan is for the environment that the user requested, and is not just a preview: a plan for which
/// guardrails were not enforced. Returns the project. Sends no requests.
///
/// # Errors
///
/// Returns a refusal that says why the plan can't be applied here. Also fails if the project file is invalid.
pub(super) fn check_environment(document: &PlanDocument, context: &Context<'_>) -> Result<Project, Failure> {
    let refused = |message: String, hint: &str| Err(Failure::refused(message, "").hint(hint));
    if !document.options.guardrails {
        return refused(
            "the plan is a preview and can't be applied: `drift` made it, or a guardrail refused it"
                .to_owned(),
            "make a plan to apply with `amigops plan --out FILE`",
        );
    }
    let planned = &document.environment;
    if let Some(asked) = context.global.env.as_ref().filter(|asked| *asked != planned) {
        return refused(
            format!("the plan is for environment `{planned}`, not for `{asked}`"),
            "omit --env, or make a plan for that environment",
        );
    }
    let project = match manifest::load_project(context.project()) {
        Err(problems) if problems.is_project_missing() => {
            let directory = context.global.directory.display();
            return refused(
                format!("applying a saved plan needs the manifests, but `{directory}` is not in a project"),
                "use -C DIR to select the project in which the plan was made",
            );
        }
        project => project?,
    };
    if !project.environments.contains_key(planned) {
        return refused(
            format!("the plan is for environment `{planned}`, which this project does not have"),
            "use -C DIR to select the project in which the plan was made",
        );
    }
    Ok(project)
}

/// Checks that the user has repeated the options that relax a guardrail. The plan file records these options, but the
/// record alone does not permit them.
///
/// # Errors
///
/// Returns a refusal that names the options that are missing, or that were given although the plan was made without
/// them.
pub(super) fn check_options(
    document: &PlanDocument,
    path: &Path,
    given: &RecordedOptions,
) -> Result<(), Failure> {
    let OptionMismatch { missing, unknown } = OptionMismatch::compare(&document.options, given);
    let listed =
        |options: &[String]| options.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
    if !missing.is_empty() {
        let message = format!(
            "the plan was made with {}; options that relax a guardrail must be given again to apply the plan",
            listed(&missing)
        );
        let again =
            format!("to apply the plan, run `amigops apply {} {}`", path.display(), missing.join(" "));
        return Err(Failure::refused(message, "").hint(again));
    }
    if !unknown.is_empty() {
        return Err(Failure::refused(format!("the plan was made without {}", listed(&unknown)), "")
            .hint("omit the option, or make and review a new plan with it"));
    }
    Ok(())
}

/// Checks that the environment still has the API, the organization or workspace, and the server for which the plan was
/// made.
///
/// # Errors
///
/// Returns a refusal that names the API, the organization and the server of the plan, and those of the environment now.
pub(super) fn check_organization(document: &PlanDocument, prepared: &Prepared) -> Result<(), Failure> {
    let environment = &prepared.loaded.environment.name;
    let Connection { organization, server, .. } = &prepared.connection;
    let api = prepared.connection.kind();
    if document.api == api && document.organization == *organization && document.server == *server {
        return Ok(());
    }
    let message = format!(
        "the plan is for {} `{}` at {}, but environment `{environment}` is now {} `{organization}` at {server}",
        document.api.as_str(),
        document.organization,
        document.server,
        api.as_str(),
    );
    Err(Failure::refused(message, "").hint(PLAN_AGAIN))
}

/// Reads the live state, and makes the plan again for the services that the saved plan changes. Returns the live state
/// and the plan.
///
/// # Errors
///
/// Fails if a request fails. Returns a refusal if the plan is stale, or if no plan can be made. The refusal shows each
/// changed field of a stale plan, or the reason why no plan can be made.
pub(super) async fn plan_again(
    document: &PlanDocument,
    prepared: &Prepared,
) -> Result<(Snapshot, Plan), Failure> {
    let api = prepared.connection.read();
    let missing = |snapshot: &Snapshot| missing_lookups(document, snapshot);
    // A second read makes sure that a service is gone, and not only missing from the first read of the list.
    let is_stale = |snapshot: &Snapshot| !find_changes(document, prepared, snapshot).is_empty();
    let (snapshot, plan) = prepared.read_and_plan(api, is_stale).await?;
    let plan = match plan {
        Ok(plan) => Ok(plan),
        Err(Failure::Plan(error)) => Err(into_refusal(error)),
        Err(other) => return Err(other),
    };
    // If services have changed, report that before any problem of the new plan.
    check_not_stale(document, prepared, &complete_snapshot(api, snapshot.clone(), missing).await?)?;
    Ok((snapshot, plan?))
}

/// Returns the values of the plan's services that have changed since the plan was made.
fn find_changes(document: &PlanDocument, prepared: &Prepared, snapshot: &Snapshot) -> Vec<StaleValue> {
    let policy = &prepared.loaded.project.policy;
    plan_file::find_stale_values(&document.fingerprints, snapshot, policy, prepared.connection.kind())
}

/// Returns the values that must still be read before the live state can be compared with the plan's fingerprints.
fn missing_lookups(document: &PlanDocument, snapshot: &Snapshot) -> Lookups {
    let exists = |id: &ServiceId| snapshot.services.iter().any(|service| service.id == *id);
    Lookups {
        agents: Need::Nothing,
        context_graphs: Need::Nothing,
        versions_of_agents: Default::default(),
        versions_of_context_graphs: Default::default(),
        behavior_sets_of: plan_file::behavior_sets_of(&document.fingerprints)
            .into_iter()
            .filter(|id| !snapshot.behavior_sets.contains_key(id) && exists(id))
            .collect(),
    }
}

/// Checks that the plan's services have not changed since the plan was made. If they have, returns a refusal that lists
/// the changed values.
fn check_not_stale(document: &PlanDocument, prepared: &Prepared, snapshot: &Snapshot) -> Result<(), Failure> {
    let changes = find_changes(document, prepared, snapshot);
    if changes.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the saved plan is stale: its services have changed since the plan was made at {}",
        document.created_at
    );
    let changes = changes
        .into_iter()
        .map(|StaleValue { service, what, before, now }| (service, ChangeRecord::new(what, before, now)));
    Err(Failure::refused(message, human::stale_services(&by_service(changes))).hint(PLAN_AGAIN).hint(
        "a plan that was already applied, even in part, is stale: make a new plan for what is left to do",
    ))
}

/// Turns all problems of a plan error into refusals, because a saved plan that can't be made again is refused.
fn into_refusal(mut error: PlanError) -> PlanError {
    for problem in &mut error.problems {
        problem.kind = ProblemKind::Refused;
    }
    error
}

/// Checks that the plan that was made again (`current`) equals the approved plan.
///
/// # Errors
///
/// Returns a refusal that shows both values of each difference.
pub(super) fn check_same(document: &PlanDocument, current: &PlanDocument) -> Result<(), Failure> {
    let differences = plan_file::differences(document, current);
    if differences.is_empty() {
        return Ok(());
    }
    let made = document.commit.as_ref().map(|commit| format!(" from commit {commit}")).unwrap_or_default();
    let message = format!(
        "the saved plan is stale or was edited: the plan from the current manifests and live state differs from the \
         one that was made at {}{made}",
        document.created_at
    );
    let changes = differences.into_iter().map(|Difference { service, what, approved, current }| {
        let service = service.unwrap_or_else(|| ServiceName::new("the plan as a whole"));
        (service, ChangeRecord::new(what, approved, current))
    });
    Err(Failure::refused(message, human::stale_services(&by_service(changes)))
        .hint("each line shows the approved value and then the current value")
        .hint(PLAN_AGAIN))
}

fn by_service(
    changes: impl Iterator<Item = (ServiceName, ChangeRecord)>,
) -> BTreeMap<ServiceName, Vec<ChangeRecord>> {
    let mut services: BTreeMap<ServiceName, Vec<ChangeRecord>> = BTreeMap::new();
    for (service, change) in changes {
        services.entry(service).or_default().push(change);
    }
    services
}
