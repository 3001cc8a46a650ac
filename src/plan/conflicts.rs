//! Finds conflicts: changes of a plan that would undo a change that another user has made since the base commit.

use std::collections::BTreeSet;

use serde_json::Value;

use super::causes::weight;
use super::changes::{Cause, ChangedValue};
use super::types::{Plan, Problem, ProblemKind, ServiceKind, ServicePlan};

/// The maximum length of a value that a message quotes, in characters.
const LONGEST: usize = 60;

/// Returns the most important of these causes, or `None` if there is no cause.
pub fn worst(causes: impl IntoIterator<Item = Option<Cause>>) -> Option<Cause> {
    causes.into_iter().flatten().max_by_key(|cause| weight(*cause))
}

/// Returns the conflicts of a plan: its changes with the cause `both` or `behind`. An apply refuses conflicts unless
/// the user allows it to overwrite the live state. Without a base there are no conflicts.
pub fn conflicts(plan: &Plan) -> Vec<Problem> {
    let mut found: Vec<(Cause, Problem)> = Vec::new();
    for service in &plan.services {
        found.extend(conflicts_of(plan, service).into_iter().map(|(change, cause)| {
            let message = change.map_or_else(|| whole(service, cause), |change| one(service, &change, cause));
            (cause, problem(service, message))
        }));
    }
    // Only the last conflict of each kind contains advice, so that the advice is not repeated.
    for kind in [Cause::Both, Cause::Behind] {
        if let Some((_, last)) = found.iter_mut().rfind(|(cause, _)| *cause == kind) {
            last.help = advice(kind).into_iter().map(str::to_owned).collect();
        }
    }
    found.into_iter().map(|(_, problem)| problem).collect()
}

/// Returns the conflicts of one service. Each changed value is listed once. If no changed value is a conflict, the
/// creation, replacement or retirement of the service can be a conflict. Then the only entry has `None` instead of a
/// value.
pub fn conflicts_of<'a>(plan: &'a Plan, service: &'a ServicePlan) -> Vec<(Option<ChangedValue<'a>>, Cause)> {
    let mut found = Vec::new();
    // If a service is created or retired, its values are not listed one by one.
    if service.kind == ServiceKind::Update || service.kind == ServiceKind::Replace {
        let mut seen = BTreeSet::new();
        let steps = plan.steps_of(service).flat_map(|step| step.changes.values());
        for change in service.changes.values().chain(steps) {
            if let Some(cause) = change.cause.filter(is_conflict)
                && seen.insert(change.path.clone())
            {
                found.push((Some(change), cause));
            }
        }
    }
    if let Some(cause) = service.cause.filter(is_conflict)
        && found.is_empty()
    {
        found.push((None, cause));
    }
    found
}

fn is_conflict(cause: &Cause) -> bool {
    matches!(cause, Cause::Both | Cause::Behind)
}

fn problem(service: &ServicePlan, message: String) -> Problem {
    Problem {
        kind: ProblemKind::Refused,
        service: Some(service.name.clone()),
        place: None,
        message,
        help: Vec::new(),
    }
}

fn one(service: &ServicePlan, change: &ChangedValue<'_>, cause: Cause) -> String {
    let (name, path) = (&service.name, &change.path);
    let (live, wanted) = (quoted(change.before), quoted(change.after));
    match cause {
        Cause::Behind => format!(
            "`{name}`: `{path}` is {live} live and in the base branch; this branch is behind and would change the value to {wanted}"
        ),
        _ => format!(
            "`{name}`: `{path}` is {live} live and {wanted} in the manifest, and both differ from the base"
        ),
    }
}

fn whole(service: &ServicePlan, cause: Cause) -> String {
    let name = &service.name;
    match (service.kind, cause) {
        (ServiceKind::Retire, Cause::Behind) => {
            format!(
                "`{name}` would be retired, but the base branch declares this service: this branch is behind"
            )
        }
        (ServiceKind::Retire, _) => format!(
            "`{name}` would be retired, but this service was changed after the base, live or in the base branch"
        ),
        (ServiceKind::Create, Cause::Behind) => format!(
            "`{name}` would be created, but the base branch no longer declares this service: this branch is behind"
        ),
        (ServiceKind::Create, _) => {
            format!(
                "`{name}` would be created, but it was removed live, and its manifest has changed since the base"
            )
        }
        (ServiceKind::Update, _) => {
            format!("`{name}` would be changed, but another user has changed this service")
        }
        (ServiceKind::Replace, Cause::Behind) => format!(
            "`{name}` would be replaced, but the base branch has the live values: this branch is behind"
        ),
        (ServiceKind::Replace, _) => {
            format!("`{name}` would be replaced, but the manifest, the base and the live service all differ")
        }
    }
}

fn advice(cause: Cause) -> [&'static str; 2] {
    match cause {
        Cause::Behind => {
            ["merge the base branch into this one and plan again", "or apply anyway with --overwrite-drift"]
        }
        _ => [
            "copy the live values into the manifests with `amigops import`, or undo the change of the live service",
            "or overwrite the live values with --overwrite-drift",
        ],
    }
}

/// Returns a value as messages quote it: in backticks, and shortened if it is long. Returns `absent` for null.
fn quoted(value: &Value) -> String {
    let text = match value {
        Value::Null => return "absent".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return format!("`{text}`");
    }
    format!("`{}…`", text.chars().take(LONGEST).collect::<String>())
}
