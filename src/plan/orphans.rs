//! Services of ours that no manifest declares any more, and how they go. May import `model` only.
//!
//! The manifest that could say `lifecycle.retire` is gone; what the project's defaults say of it is all that is
//! known. One that is inactive was retired before, or switched off by somebody, and is left alone: there is
//! nothing to take out of use, and to delete what nobody asks about would be more than was asked for.

use serde_json::{Value, json};

use super::build::Draft;
use super::services::retirement;
use super::types::{Change, LastChange, Problem, ProblemKind, ServiceKind, ServicePlan};
use crate::model::{LiveService, Retire};

/// Adds the step that retires an orphan, as the project's defaults say.
pub(super) fn retire(draft: &mut Draft<'_>, live: &LiveService) {
    let how = draft.policy.retire_orphans;
    if let Some((message, help)) = impossible(draft, live, how) {
        draft.problems.push(Problem {
            kind: ProblemKind::Impossible,
            service: Some(live.name.clone()),
            place: None,
            message,
            help: vec![help.to_owned()],
        });
        return;
    }
    let changes = vec![change(draft, live, how)];
    let mut step = retirement(draft, &live.name, live, how);
    step.reason = Some("owned by this project, in no manifest".to_owned());
    step.changes = changes.clone();
    draft.push(step);
    draft.services.push(ServicePlan {
        name: live.name.clone(),
        kind: ServiceKind::Retire,
        id: Some(live.id.clone()),
        former_name: None,
        adopted: false,
        continued: false,
        joins: None,
        changes,
        cause: None,
        last_change: LastChange::of(live),
        steps: Vec::new(),
    });
}

/// Why an orphan can't go in this way, and what to do about it.
fn impossible(draft: &Draft<'_>, live: &LiveService, how: Retire) -> Option<(String, &'static str)> {
    if how == Retire::Delete && !draft.options.api.deletes_services() {
        let message = format!(
            "`{}` ({}) can't be retired as `defaults.lifecycle.retire: delete` says: the Classic API deletes no services",
            live.name, live.id
        );
        return Some((
            message,
            "write `deactivate` or `keep` there, and `delete` in the manifests that mean it",
        ));
    }
    if how == Retire::Keep && !live.repeated_tags.is_empty() {
        let keys: Vec<&str> = live.repeated_tags.iter().map(String::as_str).collect();
        let message = format!(
            "`{}` ({}) has several tags with the key `{}`: to take the ownership tag away would lose all but one of them",
            live.name,
            live.id,
            keys.join("`, `")
        );
        return Some((message, "remove the others, or the ownership tag, from the live service"));
    }
    None
}

/// What the step changes, in a line.
fn change(draft: &Draft<'_>, live: &LiveService, how: Retire) -> Change {
    let ownership = &draft.policy.ownership;
    match how {
        Retire::Deactivate => Change::new("active", json!(true), json!(false)),
        Retire::Keep => Change::new(format!("tags.{}", ownership.tag), json!(ownership.value), Value::Null),
        Retire::Delete => Change::new("service", json!(live.name), Value::Null),
    }
}
