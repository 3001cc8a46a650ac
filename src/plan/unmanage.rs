//! Ends the management of services that the user names, without taking them out of use: the tags that this tool has
//! written are removed, and nothing else changes.
//!
//! The guardrails against removals don't apply: the services stay as they are, and the user names each of them.

use super::changes::{Field, FieldChange, ServiceChanges};
use super::diff::tag_value;
use super::draft::Draft;
use super::matcher::ServiceMatch;
use super::types::{Action, Finding, LastChange, Problem, ProblemKind, ServiceKind, ServicePlan};
use super::{orphans, steps};
use crate::model::{Desired, DesiredService, LiveService, Retire, ServiceName, TAG_REPLACES, did_you_mean};

/// Adds the steps that end the management of the services in `options.unmanage`. A service without an owner needs no
/// step, and a note says so.
pub(super) fn plan_named<'a>(draft: &mut Draft<'a>, desired: &'a Desired, matches: &[ServiceMatch<'a>]) {
    // This plan leaves declared services as they are, so their notes and problems are not reported.
    draft.findings.clear();
    draft.problems.clear();
    for name in &draft.options.unmanage {
        match find_service(draft, desired, matches, name) {
            Ok(live) if draft.policy.ownership.owns(&live.tags) => stop_managing(draft, live),
            Ok(_) => draft.findings.push(Finding::note(name.clone(), "no project owns it")),
            Err(problem) => draft.problems.push(problem),
        }
    }
}

/// Returns the live service with this name, if it has no owner or if the project may stop managing it. Otherwise
/// returns the problem to report.
fn find_service<'a>(
    draft: &Draft<'a>,
    desired: &'a Desired,
    matches: &[ServiceMatch<'a>],
    name: &ServiceName,
) -> Result<&'a LiveService, Problem> {
    let problem = |kind, message: String, help: &str| Problem {
        kind,
        service: Some(name.clone()),
        place: None,
        message,
        help: vec![help.to_owned()],
    };
    let live = choose(draft, name)?;
    if let Some(wanted) = find_manifest(desired, matches, live) {
        let message = format!(
            "`{}` belongs to the manifest `{}`, so the next apply would manage it again",
            live.name, wanted.name
        );
        let refused =
            problem(ProblemKind::Refused, message, "remove the manifest first, then run this again");
        return Err(Problem { place: Some(wanted.place.clone()), ..refused });
    }
    if live.system {
        let message =
            format!("`{}` ({}) belongs to the platform itself and can't be managed", live.name, live.id);
        return Err(problem(ProblemKind::Impossible, message, "choose another name"));
    }
    let ownership = &draft.policy.ownership;
    if let Some(owner) = ownership.other_owner(&live.tags) {
        let message = format!(
            "`{}` ({}) belongs to another project: its tag `{}` says `{owner}`",
            live.name, live.id, ownership.tag
        );
        return Err(problem(ProblemKind::Refused, message, "run this in the project that owns it"));
    }
    if !ownership.owns(&live.tags) {
        return Ok(live);
    }
    if let Some((message, help)) = orphans::find_obstacle(draft, live, Retire::Keep) {
        return Err(problem(ProblemKind::Impossible, message, help));
    }
    if let Some(new) = unfinished_replacement(draft, live) {
        let message =
            format!("a replacement of `{}` is unfinished: its new service is {}", live.name, new.id);
        let help = "restore its manifest, apply until nothing is left to do, remove the manifest, and run this again";
        return Err(problem(ProblemKind::Impossible, message, help));
    }
    Ok(live)
}

/// Returns the manifest that a live service belongs to, or `None` if there is none. A manifest with unresolved
/// references has no match, so such a manifest is found by its name or by the name in `renamed_from`.
fn find_manifest<'a>(
    desired: &'a Desired,
    matches: &[ServiceMatch<'a>],
    live: &LiveService,
) -> Option<&'a DesiredService> {
    let matched = matches.iter().find(|matched| matched.services().any(|service| service.id == live.id));
    let names_it = |wanted: &&DesiredService| {
        let has_match = matches.iter().any(|matched| matched.wanted.name == wanted.name);
        wanted.name == live.name || (!has_match && wanted.lifecycle.renamed_from.as_ref() == Some(&live.name))
    };
    matched.map(|matched| matched.wanted).or_else(|| desired.services.values().find(names_it))
}

/// Returns the live service that a name stands for: the only active service with the name, or else the only inactive
/// service. Returns a problem if no service has the name, or if the name could mean several services.
fn choose<'a>(draft: &Draft<'a>, name: &ServiceName) -> Result<&'a LiveService, Problem> {
    let named: Vec<&LiveService> =
        draft.snapshot.services.iter().filter(|service| service.name == *name).collect();
    let active: Vec<&LiveService> = named.iter().copied().filter(|service| service.active).collect();
    let candidates = if active.is_empty() { named } else { active };
    let (kind, message, help) = match candidates[..] {
        [live] => return Ok(live),
        [] => {
            let known = draft.snapshot.services.iter().map(|service| service.name.as_str());
            let meant = did_you_mean(name.as_str(), known);
            let help = meant.map(|known| format!("did you mean `{known}`?"));
            (ProblemKind::Missing, format!("no live service is named `{name}`"), help)
        }
        _ => {
            let ids: Vec<&str> = candidates.iter().map(|service| service.id.as_str()).collect();
            let message = format!("several live services are named `{name}`: {}", ids.join(", "));
            (ProblemKind::Ambiguous, message, Some("give each of them a name of its own".to_owned()))
        }
    };
    let help = help.into_iter().collect();
    Err(Problem { kind, service: Some(name.clone()), place: None, message, help })
}

/// Returns the inactive new service, if an earlier run began to replace `live`. Otherwise returns `None`.
fn unfinished_replacement<'a>(draft: &Draft<'a>, live: &LiveService) -> Option<&'a LiveService> {
    draft.snapshot.services.iter().find(|new| {
        let replaces = new.tags.get(TAG_REPLACES).and_then(Option::as_deref);
        !new.active && replaces == Some(live.id.as_str()) && draft.policy.ownership.owns(&new.tags)
    })
}

/// Adds the step that removes this tool's tags from a service.
fn stop_managing(draft: &mut Draft<'_>, live: &LiveService) {
    let is_own = |key: &str| draft.policy.ownership.is_own_tag(key);
    let mut step = steps::retire(draft, &live.name, live, Retire::Keep);
    if let Action::Retire { update: Some(update), .. } = &mut step.action
        && let Some(tags) = &mut update.tags
    {
        tags.retain(|key, _| !is_own(key));
    }
    let removed = live.tags.iter().filter(|(key, _)| is_own(key));
    let change = |(key, value): (&String, &Option<String>)| {
        FieldChange::new(Field::Tag(key.clone()), tag_value(Some(value)), tag_value(None))
    };
    step.changes.fields = removed.map(change).collect();
    let state = if live.active { "it keeps running" } else { "it stays inactive" };
    step.reason = Some(state.to_owned());
    let changes: ServiceChanges = step.changes.clone();
    draft.push(step);
    draft.services.push(ServicePlan {
        name: live.name.clone(),
        kind: ServiceKind::Update,
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
