//! Retires orphans, which are owned, active services that no manifest declares.
//!
//! An orphan has no manifest that could set `lifecycle.retire`, so the project's defaults determine how orphans are
//! retired.
//!
//! Owned inactive services that no manifest declares stay as they are: an earlier run has retired them, or a user has
//! deactivated them. Deleting them would be more than the user asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::abandonment::abandonment;
use super::changes::{Field, FieldChange, ServiceChanges};
use super::draft::{Draft, DraftStep};
use super::matcher::ServiceMatch;
use super::origin_index::is_made_for;
use super::types::{Action, Finding, LastChange, Problem, ProblemKind, ServiceKind, ServicePlan};
use super::{copies, guardrails, names, steps};
use crate::model::{Desired, DesiredService, LiveService, Retire, ServiceId, ServiceName, TAG_REPLACES};

/// The live services that belong to no manifest and that the plan does not change.
#[derive(Default)]
pub(super) struct Unmatched {
    pub(super) orphans: Vec<(ServiceName, ServiceId)>,
    pub(super) unmanaged: Vec<(ServiceName, ServiceId)>,
}

/// Adds the steps that retire orphans, if the options ask for it. Returns the orphans that are not retired, and the
/// services without a manifest that the project does not own.
pub(super) fn plan_unmatched(
    draft: &mut Draft<'_>,
    desired: &Desired,
    matches: &[ServiceMatch<'_>],
) -> Unmatched {
    let mut unmatched = Unmatched::default();
    let known: BTreeSet<&ServiceId> =
        matches.iter().flat_map(ServiceMatch::services).map(|service| &service.id).collect();
    // A manifest with unresolved references has no match, but its service is not an orphan. So services with the name
    // of a manifest are left out, too.
    let mut rest: Vec<&LiveService> = draft
        .snapshot
        .services
        .iter()
        .filter(|service| !service.system)
        .filter(|service| !known.contains(&service.id) && !desired.services.contains_key(&service.name))
        .collect();
    rest.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let copies = copies::leave_copies(draft, matches, &known);
    for service in rest.into_iter().filter(|service| !copies.contains(&service.id)) {
        let entry = (service.name.clone(), service.id.clone());
        match (draft.policy.ownership.owns(&service.tags), service.active) {
            (true, true) if draft.options.prunes(&service.name) => retire(draft, service),
            // The plan is limited to the services in `options.touched`, and this orphan is not one of them.
            (true, true) if draft.options.prune && draft.options.only.is_empty() => {}
            (true, true) => unmatched.orphans.push(entry),
            // The service is already retired.
            (true, false) => {}
            (false, _) => unmatched.unmanaged.push(entry),
        }
    }
    unmatched
}

/// Adds the step that retires an orphan.
fn retire(draft: &mut Draft<'_>, live: &LiveService) {
    // If an operator has activated a former service again, the manifest of the service that replaced it says how to
    // retire it.
    let how = draft.former_services.get(&live.id).copied().unwrap_or(draft.policy.retire_orphans);
    if let Some((message, help)) = find_obstacle(draft, live, how) {
        draft.problems.push(Problem {
            kind: ProblemKind::Impossible,
            service: Some(live.name.clone()),
            place: None,
            message,
            help: vec![help.to_owned()],
        });
        return;
    }
    let changes = ServiceChanges::from(change(draft, live, how));
    let mut step = steps::retire(draft, &live.name, live, how);
    abandon_if_unfinished(draft, live, &mut step);
    step.after.extend(activations_of_successors(draft, live));
    step.reason = Some("owned by this project, not declared".to_owned());
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

/// Extends the step that deactivates an orphan, so that the same request also gives the orphan an abandoned name. This
/// is done for the new service of an unfinished replacement, and for a service whose old service is also replaced by
/// another service. Otherwise a later run would continue the replacement, or would have to rename the orphan.
fn abandon_if_unfinished(draft: &Draft<'_>, live: &LiveService, step: &mut DraftStep) {
    let Action::Retire { update: Some(update), how: Retire::Deactivate, .. } = &mut step.action else {
        return;
    };
    if names::replacing_target(live).is_some() || shares_predecessor(draft, live) {
        let abandoned = abandonment(live, &draft.options.today, &|name| draft.is_taken(name));
        (update.name, update.tags) = (abandoned.name, abandoned.tags);
        step.releases_name = Some(live.name.clone());
    }
}

/// Returns the indices of the steps that activate a service that has replaced `live`, directly or through a chain of
/// replacements.
fn activations_of_successors(draft: &Draft<'_>, live: &LiveService) -> Vec<usize> {
    let mut successors: Vec<&str> = vec![live.id.as_str()];
    let mut at = 0;
    while let Some(old) = successors.get(at).copied() {
        let replaces =
            |new: &&LiveService| new.tags.get(TAG_REPLACES).and_then(Option::as_deref) == Some(old);
        let next: Vec<&str> =
            draft.snapshot.services.iter().filter(replaces).map(|new| new.id.as_str()).collect();
        successors.extend(next.into_iter().filter(|id| !successors.contains(id)).collect::<Vec<_>>());
        at += 1;
    }
    let activates = |step: &DraftStep| match &step.action {
        Action::Update { id, update } => update.active == Some(true) && successors.contains(&id.as_str()),
        _ => false,
    };
    let steps = draft.steps.iter().enumerate().filter(|(_, step)| activates(step));
    steps.map(|(index, _)| index).collect()
}

/// Returns true if a concurrent run has replaced the old service of `live` with another owned service, or if this plan
/// replaces that old service. Always returns false for an API in which an inactive service may block its name. In such
/// an API, the new services of unfinished replacements are recognized by their temporary names.
fn shares_predecessor(draft: &Draft<'_>, live: &LiveService) -> bool {
    let replaced = live.tags.get(TAG_REPLACES).and_then(Option::as_deref);
    let replaced = replaced.filter(|_| !draft.options.api.inactive_services_hold_names());
    let Some(replaced) = replaced else { return false };
    let has_replaced = |other: &LiveService| {
        other.active
            && other.id != live.id
            && other.tags.get(TAG_REPLACES).and_then(Option::as_deref) == Some(replaced)
            && draft.policy.ownership.owns(&other.tags)
    };
    let replaces =
        |step: &DraftStep| matches!(&step.action, Action::HandOver { old, .. } if old.as_str() == replaced);
    draft.snapshot.services.iter().any(has_replaced) || draft.steps.iter().any(replaces)
}

/// Reports each new service that may be an orphan under a new name. Without `renamed_from`, the plan would create the
/// new service, and the orphan would stay or be retired. A service is reported only if exactly one orphan has the same
/// agent and context graph.
///
/// If the tag `origin` of the orphan stores the orphan's own name, no other client has renamed it, so the report is a
/// note. Otherwise another client may have renamed the service, so that two active services would do the same. Then the
/// plan is refused, unless `--create NAME` allows it.
pub(super) fn check_possible_renames(
    draft: &mut Draft<'_>,
    desired: &Desired,
    remaining: &[(ServiceName, ServiceId)],
) {
    let retired = draft.services.iter().filter(|service| service.kind == ServiceKind::Retire);
    let retired = retired.filter_map(|service| Some((draft.live(service.id.as_ref()?)?, true)));
    let remaining = remaining.iter().filter_map(|(_, id)| Some((draft.live(id)?, false)));
    let mut orphans: BTreeMap<_, Vec<(&LiveService, bool)>> = BTreeMap::new();
    for (live, is_retired) in retired.chain(remaining).filter(|(live, _)| !names::is_leftover(live)) {
        orphans.entry((&live.agent, &live.context_graph)).or_default().push((live, is_retired));
    }
    let new: BTreeSet<&ServiceName> = draft
        .services
        .iter()
        .filter(|service| service.kind == ServiceKind::Create)
        .map(|service| &service.name)
        .collect();
    let mut found = Vec::new();
    for step in draft.steps.iter().filter(|step| new.contains(&step.service)) {
        let Action::Create(created) = &step.action else { continue };
        let same_content = orphans.get(&(&created.agent, &created.context_graph)).map(Vec::as_slice);
        let Some([(old, is_retired)]) = same_content else { continue };
        let Some(wanted) = desired.services.get(&step.service) else { continue };
        if wanted.lifecycle.renamed_from.as_ref() != Some(&old.name) {
            found.push((wanted, *old, *is_retired));
        }
    }
    for (wanted, old, is_retired) in found {
        report_possible_rename(draft, wanted, old, is_retired);
    }
}

/// Reports that the new service of a manifest may be the orphan `old` under a new name.
fn report_possible_rename(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    old: &LiveService,
    is_retired: bool,
) {
    let renamed_from = format!("lifecycle: {{renamed_from: {}}}", quote_for_yaml(old.name.as_str()));
    let is_another = draft.policy.ownership.origin && is_made_for(&old.tags, &old.name);
    if is_another || draft.options.create.contains(&wanted.name) {
        let retired = if is_retired { ", which this plan retires," } else { "" };
        let message = format!(
            "if this is `{}`{retired} under a new name, write `{renamed_from}` to keep its id",
            old.name
        );
        draft.findings.push(Finding::note(wanted.name.clone(), message));
        return;
    }
    draft.problems.push(Problem {
        kind: ProblemKind::Refused,
        service: Some(wanted.name.clone()),
        place: Some(wanted.place.clone()),
        message: format!(
            "`{}` would be created, but `{}` ({}) has the same agent and context graph and is in no manifest, so it may be \
             the same service under another name",
            wanted.name, old.name, old.id
        ),
        help: vec![
            format!("if it is, write `{renamed_from}` to keep its id"),
            format!("if it is not, use `--create {}` to create a second service", guardrails::quoted(wanted.name.as_str())),
        ],
    });
}

/// Returns a name as it must be written in a YAML flow mapping: in quotes if YAML could read it as something else.
fn quote_for_yaml(name: &str) -> String {
    let is_plain = name.starts_with(char::is_alphabetic)
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '(' | ')'));
    let is_keyword =
        matches!(name.to_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if is_plain && !is_keyword { name.to_owned() } else { json!(name).to_string() }
}

/// Returns the reason why an orphan can't be retired as `how` says, and advice for the user. Returns `None` if the
/// orphan can be retired.
pub(super) fn find_obstacle(
    draft: &Draft<'_>,
    live: &LiveService,
    how: Retire,
) -> Option<(String, &'static str)> {
    if how == Retire::Delete && !draft.options.api.deletes_services() {
        let message = format!(
            "`{}` ({}) can't be deleted, although `defaults.lifecycle.retire` is `delete`: the Classic API can't delete services",
            live.name, live.id
        );
        return Some((
            message,
            "set `defaults.lifecycle.retire` to `deactivate` or `keep`, and write `delete` only in the manifests of Platform services",
        ));
    }
    if how == Retire::Keep && !live.repeated_tags.is_empty() {
        let keys: Vec<&str> = live.repeated_tags.iter().map(String::as_str).collect();
        let message = format!(
            "`{}` ({}) has several tags with the key `{}`: removing the ownership tag would lose all but one of them",
            live.name,
            live.id,
            keys.join("`, `")
        );
        return Some((message, "remove the duplicate tags or the ownership tag from the live service"));
    }
    None
}

/// Returns the change that reports show for an orphan that is retired as `how` says.
fn change(draft: &Draft<'_>, live: &LiveService, how: Retire) -> FieldChange {
    let ownership = &draft.policy.ownership;
    match how {
        Retire::Deactivate => FieldChange::new(Field::Active, json!(true), json!(false)),
        Retire::Keep => {
            FieldChange::new(Field::Tag(ownership.tag.clone()), json!(ownership.value), Value::Null)
        }
        Retire::Delete => FieldChange::new(Field::Name, json!(live.name), Value::Null),
    }
}
