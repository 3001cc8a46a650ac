//! Services of ours that no manifest declares any more, and how they go. May import `model` only.
//!
//! The manifest that could say `lifecycle.retire` is gone; what the project's defaults say of it is all that is
//! known. One that is inactive was retired before, or switched off by somebody, and is left alone: there is
//! nothing to take out of use, and to delete what nobody asks about would be more than was asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::build::{Draft, DraftStep};
use super::changes::{Field, FieldChange, ServiceChanges};
use super::names;
use super::replacement::abandonment;
use super::services::retirement;
use super::types::{Action, Finding, LastChange, Problem, ProblemKind, ServiceKind, ServicePlan};
use crate::model::{Desired, LiveService, Retire, ServiceId, ServiceName, TAG_REPLACES};

/// Adds the step that retires an orphan, as the project's defaults say, or the manifest whose former service it is.
pub(super) fn retire(draft: &mut Draft<'_>, live: &LiveService) {
    // An operator may have gone back to a former service of a manifest: that says how it is retired.
    let how = draft.former.get(&live.id).copied().unwrap_or(draft.policy.retire_orphans);
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
    let changes = ServiceChanges::from(change(draft, live, how));
    let mut step = retirement(draft, &live.name, live, how);
    abandon(draft, live, &mut step);
    step.after.extend(activations_of_successors(draft, live));
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

/// Renames an unfinished replacement, or one of two that took the same service's place, in the request that deactivates
/// it: inactive, a later run would take it for one that goes on, or have to rename it then.
fn abandon(draft: &Draft<'_>, live: &LiveService, step: &mut DraftStep) {
    let Action::Retire { update: Some(update), how: Retire::Deactivate, .. } = &mut step.action else {
        return;
    };
    if names::replacing_for(live).is_some() || shares_predecessor(draft, live) {
        let abandoned = abandonment(live, &draft.options.today, &|name| draft.is_taken(name));
        (update.name, update.tags) = (abandoned.name, abandoned.tags);
        step.frees = Some(live.name.clone());
    }
}

/// Returns the steps that bring services into use which replace this one, directly or through others.
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

/// Returns true if another service of ours has replaced the same service as this one (two runs at once), or does so in this
/// plan. Where inactive services hold names, an unfinished replacement has a passing name: it is not mistaken for one.
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

/// Says of a new service that it may be an orphan under another name: without a word in the manifest the one is
/// made and the other left behind, or retired. Told where a single orphan joins the same agent and context graph.
pub(super) fn renamed(draft: &mut Draft<'_>, desired: &Desired, kept: &[(ServiceName, ServiceId)]) {
    let retired = draft.services.iter().filter(|service| service.kind == ServiceKind::Retire);
    let retired = retired.filter_map(|service| Some((draft.live(service.id.as_ref()?)?, true)));
    let kept = kept.iter().filter_map(|(_, id)| Some((draft.live(id)?, false)));
    let mut orphans: BTreeMap<_, Vec<(&LiveService, bool)>> = BTreeMap::new();
    for (live, goes) in retired.chain(kept).filter(|(live, _)| !names::is_leftover(live)) {
        orphans.entry((&live.agent, &live.context_graph)).or_default().push((live, goes));
    }
    let new: BTreeSet<&ServiceName> = draft
        .services
        .iter()
        .filter(|service| service.kind == ServiceKind::Create)
        .map(|service| &service.name)
        .collect();
    let mut findings = Vec::new();
    for step in draft.steps.iter().filter(|step| new.contains(&step.service)) {
        let Action::Create(made) = &step.action else { continue };
        let Some([(old, goes)]) = orphans.get(&(&made.agent, &made.context_graph)).map(Vec::as_slice) else {
            continue;
        };
        let said =
            desired.services.get(&step.service).and_then(|wanted| wanted.lifecycle.renamed_from.as_ref());
        if said != Some(&old.name) {
            let goes = if *goes { ", which this plan retires," } else { "" };
            let message = format!(
                "if this is `{}`{goes} under a new name, say `lifecycle: {{renamed_from: {}}}`: it keeps its id",
                old.name,
                in_yaml(old.name.as_str())
            );
            findings.push(Finding::note(step.service.clone(), message));
        }
    }
    draft.findings.extend(findings);
}

/// A name as it can be written into a flow mapping: in quotes where YAML might read it as something else.
fn in_yaml(name: &str) -> String {
    let plain = name.starts_with(char::is_alphabetic)
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '(' | ')'));
    let word =
        matches!(name.to_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if plain && !word { name.to_owned() } else { json!(name).to_string() }
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
