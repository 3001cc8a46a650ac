//! Replacement: a changed agent or context graph means a new service and a hand-over. May import `model` only.
//!
//! At every moment the old or the new service is active, and the name itself is free for one request:
//! the new service is made inactive, tagged with the old one's id, and complete before the old one is
//! renamed; only then the new one is activated and the old one retired. A run that finds a new service
//! half made goes on from there; what is already right needs no step.
//!
//! Where inactive services may hold names, too, the new service is made under a passing name, and gets its
//! own together with its activation: still one request between the rename and that.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Draft, DraftStep};
use super::changes::{Field, ServiceChanges};
use super::diff::{self, Content};
use super::identity::Embodiment;
use super::types::{
    Action, Finding, LastChange, ProblemKind, Risk, ServiceKind, ServicePlan, StepId, Target,
};
use super::{former, names, pins, services};
use crate::model::{
    DesiredService, LatestVersion, LiveService, Pin, Retire, ServiceId, ServiceName, ServiceUpdate,
    TAG_REPLACES, VersionSetName,
};

/// Adds the steps that put a new service in the place of `old`.
pub(super) fn steps(
    draft: &mut Draft<'_>,
    embodiment: &Embodiment<'_>,
    old: &LiveService,
    content: &Content,
) {
    let wanted = embodiment.wanted;
    if draft.options.api.has_behavior_sets() {
        draft.replaced.insert(old.id.clone());
    }
    let mut content = content.clone();
    content.tags.insert(TAG_REPLACES.to_owned(), Some(old.id.as_str().to_owned()));
    if !services::tags_fit(draft, embodiment, &content.tags)
        || rename_old(draft, old)
            .and_then(|update| update.tags)
            .is_some_and(|tags| !services::tags_fit(draft, embodiment, &tags))
    {
        return;
    }
    carry_pins(draft, embodiment, old, &mut content);
    pins::check_new_sets_pinned(draft, embodiment, &content);
    drop_sets(draft, wanted, old, &content);
    let active = content.active;
    content.active = false;
    if let Some(new) = embodiment.half_made {
        content.name = new.name.clone();
    } else if draft.options.api.inactive_services_hold_names() {
        content.name = names::replacing(&wanted.name, &old.id, &|name| draft.is_taken(name));
    }

    let first = draft.steps.len();
    let Some(target) = make(draft, embodiment, old, &content) else { return };
    smoke(draft, wanted, &target, first);
    let takes_name = content.name != wanted.name;
    let mut retirement = None;
    let mut activation = None;
    if active || takes_name {
        let hand_over = hand_over(draft, wanted, old, target, &HandOver { active, takes_name }, first);
        if (active && old.active) || wanted.lifecycle.retire == Retire::Delete {
            retirement = Some(former::retire_one(draft, wanted, old, Some(hand_over)));
        }
        activation = (!old.active).then_some(hand_over);
    } else {
        step_aside(draft, wanted, old, first);
    }
    content.name = wanted.name.clone();
    former::retire(draft, embodiment, retirement, activation);
    draft.services.push(show(draft, embodiment, old, &Content { active, ..content }));
}

/// Makes the new service, or what is lacking of a half-made one, with all that belongs to it; none where it can't
/// be made.
fn make(
    draft: &mut Draft<'_>,
    embodiment: &Embodiment<'_>,
    old: &LiveService,
    content: &Content,
) -> Option<Target> {
    let (wanted, half_made) = (embodiment.wanted, embodiment.half_made);
    let target = match half_made {
        Some(new) => complete(draft, embodiment, new, content),
        None => create(draft, embodiment, content)?,
    };
    pins::collect_required_versions(draft, wanted, content, half_made);
    let created = match &target {
        Target::Created(StepId(index)) => Some(*index),
        Target::Live(_) => None,
    };
    behavior_sets(draft, wanted, old, half_made, &target, created);
    Some(target)
}

/// Notes the version sets that the old service has and the new one is made without: users lose them as surely as
/// if they were deleted.
fn drop_sets(draft: &mut Draft<'_>, wanted: &DesiredService, old: &LiveService, content: &Content) {
    let servers_own = |name: &VersionSetName| name.is_edge() && draft.options.api.makes_version_sets();
    let stays = |name: &VersionSetName| content.version_sets.contains_key(name) || servers_own(name);
    let lost: Vec<_> = old.version_sets.keys().filter(|name| !stays(name)).collect();
    draft.dropped.extend(lost.into_iter().map(|name| (wanted.name.clone(), name.clone())));
}

/// Holds the smoke tests with the new service, after all steps from `first` on.
fn smoke(draft: &mut Draft<'_>, wanted: &DesiredService, target: &Target, first: usize) {
    let prepared: Vec<usize> = (first..draft.steps.len()).collect();
    let mut smoked: Vec<usize> = Vec::new();
    for test in &wanted.smoke {
        let action = Action::Smoke { target: target.clone(), test: test.clone() };
        let mut step = DraftStep::new(&wanted.name, action, Risk::Safe);
        step.after.extend(&prepared);
        // A user can hold one conversation with a service at a time.
        step.after.extend(smoked.last());
        smoked.push(draft.push(step));
    }
}

/// Whether this is the new service of a replacement whose old one was deleted before it could hand over: it
/// was never in use, and nobody else is.
pub(super) fn is_heir(draft: &Draft<'_>, live: &LiveService) -> bool {
    let is_gone = |old: &str| draft.live(&ServiceId::new(old)).is_none();
    let old = live.tags.get(TAG_REPLACES).and_then(Option::as_deref);
    !live.active && names::replacing_for(live).is_some() && old.is_some_and(is_gone)
}

/// What a reader sees of a replacement: what changes from the old to the new service.
fn show(draft: &Draft<'_>, embodiment: &Embodiment<'_>, old: &LiveService, content: &Content) -> ServicePlan {
    let mut shown = services::service_plan(embodiment, ServiceKind::Replace);
    shown.continued = embodiment.half_made.is_some();
    shown.adopted = draft.policy.ownership.is_free(&old.tags);
    let (_, changes) = diff::fields(content, old);
    let own_tag = Field::Tag(TAG_REPLACES.to_owned());
    shown.changes.fields.extend(
        changes
            .into_iter()
            .filter(|change| change.field != own_tag)
            .map(|change| services::named(draft, change)),
    );
    // What forces the new service comes first.
    shown.changes.fields.sort_by_key(|change| !change.field.is_reference());
    let names: BTreeSet<_> =
        content.version_sets.keys().chain(old.version_sets.keys()).filter(|name| !name.is_edge()).collect();
    for name in names {
        let (before, after) = (old.version_sets.get(name), content.version_sets.get(name));
        shown.changes.version_sets.extend(diff::version_set(name, before, after));
    }
    shown
}

/// Pins that no manifest declares come from the old service. Where the new agent or graph has no such
/// version, the set follows the latest; either way a reader is told.
pub(super) fn carry_pins(
    draft: &mut Draft<'_>,
    embodiment: &Embodiment<'_>,
    old: &LiveService,
    content: &mut Content,
) {
    let declared = embodiment.wanted.version_sets.clone().unwrap_or_default();
    let agent = draft.snapshot.agents.entries.get(&content.agent).map(|entry| entry.latest);
    let graph = draft.snapshot.context_graphs.entries.get(&content.context_graph).map(|entry| entry.latest);
    let (agent_changes, graph_changes) =
        (content.agent != old.agent, content.context_graph != old.context_graph);
    let mut told: BTreeMap<String, Pin> = BTreeMap::new();
    let mut unpinned: Vec<String> = Vec::new();
    let pinned = |name: &VersionSetName| draft.policy.guardrails.require_pins.contains(name);
    for (name, set) in &mut content.version_sets {
        let declared = declared.get(name);
        let mut carry = |noun: &str, pin: &mut Pin, latest: Option<LatestVersion>| {
            let Pin::Number(number) = *pin else { return };
            if latest.is_some_and(|latest| !has_version(latest, number)) {
                *pin = Pin::Latest;
                if pinned(name) {
                    unpinned.push(format!(
                        "version set `{name}` of `{}` would follow the latest {noun}, which has no version {number}, but `guardrails.require_pins` names it",
                        embodiment.wanted.name
                    ));
                }
            }
            told.insert(format!("{noun} version of version set `{name}`"), *pin);
        };
        if agent_changes && declared.is_none_or(|set| set.agent_version.is_none()) {
            carry("agent", &mut set.agent_version, agent);
        }
        if graph_changes && declared.is_none_or(|set| set.context_graph_version.is_none()) {
            carry("context graph", &mut set.context_graph_version, graph);
        }
    }
    for (what, pin) in told {
        draft.findings.push(Finding::note(
            embodiment.wanted.name.clone(),
            format!("the {what} is not declared: it is carried over as {pin}"),
        ));
    }
    refuse_unpinned(draft, embodiment, unpinned);
}

/// A version set that must be pinned is not made to follow the latest, whoever wrote its number.
fn refuse_unpinned(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, refused: Vec<String>) {
    for message in refused {
        let help = ["declare the version set with a version that exists; no flag allows it"];
        draft.problem(ProblemKind::Refused, embodiment, message, &help);
    }
}

fn has_version(latest: LatestVersion, number: u32) -> bool {
    match latest {
        LatestVersion::Unknown => true,
        LatestVersion::None => false,
        LatestVersion::Number(latest) => number <= latest,
    }
}

/// Creates the new service, inactive, and writes its version sets.
fn create(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, content: &Content) -> Option<Target> {
    let wanted = embodiment.wanted;
    let new = services::new_service(draft, embodiment, content)?;
    let created = draft.push(DraftStep::new(&wanted.name, Action::Create(Box::new(new)), Risk::Safe));
    draft.steps[created].born_as = Some(content.name.clone());
    draft.steps[created].reason =
        Some("another agent or context graph means a new service, as `on_agent_change` says".to_owned());
    let target = Target::Created(StepId(created));
    services::write_other_sets(draft, wanted, content, created);
    Some(target)
}

/// Brings a new service that an earlier run made up to date.
fn complete(
    draft: &mut Draft<'_>,
    embodiment: &Embodiment<'_>,
    new: &LiveService,
    content: &Content,
) -> Target {
    if let Some(step) = services::update_step(draft, embodiment.wanted, new, content) {
        draft.push(step);
    }
    let mut content = content.clone();
    for (name, set) in &mut content.version_sets {
        // What the server has put into the new set meanwhile stays, unless the old one says otherwise.
        for (key, value) in new.version_sets.get(name).into_iter().flat_map(|there| &there.carried) {
            set.carried.entry(key).or_insert_with(|| value.clone());
        }
    }
    services::version_set_steps(draft, embodiment.wanted, new, &content, true);
    Target::Live(new.id.clone())
}

/// Applies the old service's behavior sets to the new one, too.
fn behavior_sets(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    old: &LiveService,
    half_made: Option<&LiveService>,
    target: &Target,
    created: Option<usize>,
) {
    let sets = draft.snapshot.behavior_sets.get(&old.id).cloned().unwrap_or_default();
    for set in sets {
        if half_made.is_some_and(|new| set.applied_to.contains(&new.id)) {
            continue;
        }
        let action = Action::ApplyBehaviorSet {
            behavior_set: set.id.clone(),
            behavior_set_name: set.name.clone(),
            target: target.clone(),
        };
        let mut step = DraftStep::new(&wanted.name, action, Risk::Safe);
        step.after.extend(created);
        draft.push(step);
    }
}

/// The update by which the old service gives its name up; none if it has done so.
pub(super) fn rename_old(draft: &Draft<'_>, old: &LiveService) -> Option<ServiceUpdate> {
    if names::is_replaced(old) {
        return None;
    }
    let name = names::replaced(&old.name, &draft.options.today, &old.id, &|name| draft.is_taken(name));
    // Ours from now on, so that a run that dies here is continued by one that finds the tag.
    let mut tags = old.tags.clone();
    tags.insert(draft.policy.ownership.tag.clone(), Some(draft.policy.ownership.value.clone()));
    let tags = (tags != old.tags).then_some(tags);
    Some(ServiceUpdate { name: Some(name), tags, ..ServiceUpdate::default() })
}

/// What the new service of a hand-over becomes.
struct HandOver {
    active: bool,
    takes_name: bool,
}

/// The old service's rename and the new one's activation, in one step. An old service that is inactive
/// gives its name up, too: it would be mistaken for the service otherwise. Where nobody is to use the
/// service, the old one is deactivated with its rename, and the new one takes the name only.
fn hand_over(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    old: &LiveService,
    target: Target,
    becomes: &HandOver,
    first: usize,
) -> usize {
    let rename = if becomes.active { rename_old(draft, old) } else { aside(draft, old) };
    let held = old.active || draft.options.api.inactive_services_hold_names();
    let renames = rename.as_ref().is_some_and(|update| update.name.is_some());
    let activation = ServiceUpdate {
        active: becomes.active.then_some(true),
        name: becomes.takes_name.then(|| wanted.name.clone()),
        ..ServiceUpdate::default()
    };
    let action = Action::HandOver {
        old: old.id.clone(),
        old_name: old.name.clone(),
        rename: rename.map(Box::new),
        new: target,
        activation: Box::new(activation),
    };
    let risk = if old.active && !becomes.active { Risk::Destructive } else { Risk::Disruptive };
    let mut step = DraftStep::new(&wanted.name, action, risk);
    step.after.extend(first..draft.steps.len());
    step.takes = Some(wanted.name.clone());
    step.frees = (renames && held).then(|| old.name.clone());
    draft.push(step)
}

/// The update by which an old service gives its name up and goes out of use; none if it has done so.
fn aside(draft: &Draft<'_>, old: &LiveService) -> Option<ServiceUpdate> {
    let mut update = rename_old(draft, old).unwrap_or_default();
    update.active = old.active.then_some(false);
    (!update.is_empty()).then_some(update)
}

/// Nobody uses the service: the old one leaves its name in one request, and the new one stays inactive.
fn step_aside(draft: &mut Draft<'_>, wanted: &DesiredService, old: &LiveService, first: usize) {
    let Some(update) = aside(draft, old) else { return };
    // The manifest wants the service inactive, so that `keep` has nothing to keep running.
    let how = Retire::Deactivate;
    let action = Action::Retire { id: old.id.clone(), update: Some(Box::new(update)), how };
    let risk = if old.active { Risk::Destructive } else { Risk::Disruptive };
    let mut step = DraftStep::new(&wanted.name, action, risk);
    step.after.extend(first..draft.steps.len());
    step.frees = old.active.then(|| old.name.clone());
    draft.push(step);
}

/// The update that sets a half-made service aside: it stays inactive, and nobody takes it for another again.
pub fn abandonment(
    leftover: &LiveService,
    today: &str,
    taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceUpdate {
    let name = names::abandoned(&leftover.name, today, &leftover.id, taken);
    let mut tags = leftover.tags.clone();
    tags.remove(TAG_REPLACES);
    ServiceUpdate { name: Some(name), tags: Some(tags), ..ServiceUpdate::default() }
}

/// Renames a half-made replacement that no longer fits; it stays inactive.
pub(super) fn discard(draft: &mut Draft<'_>, wanted: &DesiredService, leftover: &LiveService) {
    let update = abandonment(leftover, &draft.options.today, &|name| draft.is_taken(name));
    let action = Action::Discard { id: leftover.id.clone(), update: Box::new(update) };
    let mut step = DraftStep::new(&wanted.name, action, Risk::Safe);
    step.awaited = false;
    step.reason = Some("a replacement that an earlier run began and that no longer fits".to_owned());
    draft.push(step);
    if !draft.services.iter().any(|service| service.name == wanted.name) {
        draft.services.push(ServicePlan {
            name: wanted.name.clone(),
            kind: ServiceKind::Update,
            id: Some(leftover.id.clone()),
            former_name: None,
            adopted: false,
            continued: false,
            joins: None,
            changes: ServiceChanges::default(),
            cause: None,
            last_change: LastChange::of(leftover),
            steps: Vec::new(),
        });
    }
}
