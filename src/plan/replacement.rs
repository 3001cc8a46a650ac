//! Replacement: if the agent or the context graph changes, a new service takes the place of the old one.
//!
//! If the manifest asks for an active service, the old or the new service is active at every moment. During a single
//! request, no active service has the name.
//!
//! The new service is created as inactive, with the old service's id in a tag, and then completed. After that, the old
//! service is renamed, the new one is activated, and the old one is retired. If a replacement is unfinished, the next
//! run plans only the steps that are missing.
//!
//! On an API where an inactive service may block its name, the new service is created with a temporary name. It gets
//! its final name in the request that activates it. So even on such an API, the request that activates the new service
//! directly follows the rename of the old service.

use std::collections::BTreeSet;

use super::changes::Field;
use super::diff::{self, Content};
use super::draft::{Draft, DraftStep};
use super::matcher::ServiceMatch;
use super::types::{Action, Risk, ServiceKind, ServicePlan, StepId, Target};
use super::{checks, former, names, origins, pins, steps, version_sets};
use crate::model::{
    DesiredService, LiveService, Retire, ServiceId, ServiceUpdate, TAG_REPLACES, VersionSetName,
};

/// Adds the steps that replace the service `old` with a new service that has this content.
pub(super) fn plan_replacement(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    old: &LiveService,
    content: &Content,
) {
    let wanted = matched.wanted;
    if draft.options.api.has_behavior_sets() {
        draft.replaced_services.insert(old.id.clone());
    }
    let mut content = content.clone();
    content.tags.insert(TAG_REPLACES.to_owned(), Some(old.id.as_str().to_owned()));
    if !checks::check_tag_count(draft, matched, &content.tags)
        || steps::rename_old(draft, old)
            .and_then(|update| update.tags)
            .is_some_and(|tags| !checks::check_tag_count(draft, matched, &tags))
    {
        return;
    }
    pins::carry_pins(draft, matched, old, &mut content);
    pins::check_new_sets_pinned(draft, matched, &content);
    collect_dropped_version_sets(draft, wanted, old, &content);
    let active = content.active;
    content.active = false;
    if let Some(new) = matched.unfinished {
        content.name = new.name.clone();
    } else if draft.options.api.inactive_services_hold_names() {
        content.name = names::replacing(&wanted.name, &old.id, &|name| draft.is_taken(name));
    }

    let first = draft.steps.len();
    let Some(target) = prepare(draft, matched, old, &content) else { return };
    smoke_test(draft, wanted, &target, first);
    let takes_name = content.name != wanted.name;
    let mut retirement = None;
    let mut activation = None;
    if active || takes_name {
        let hand_over = HandOver { new: target, activates: active, takes_name, first };
        let hand_over = hand_over.add_step(draft, wanted, old);
        if (active && old.active) || wanted.lifecycle.retire == Retire::Delete {
            retirement = Some(former::retire_one(draft, wanted, old, Some(hand_over)));
        }
        activation = (!old.active).then_some(hand_over);
    } else {
        retire_without_hand_over(draft, wanted, old, first);
    }
    content.name = wanted.name.clone();
    former::retire_all(draft, matched, retirement, activation);
    let shown = show(draft, matched, old, &Content { active, ..content });
    draft.services.push(shown);
}

/// Adds the steps that create the new service, or that complete the one that an earlier run created. Returns the new
/// service, or `None` if it can't be created.
fn prepare(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    old: &LiveService,
    content: &Content,
) -> Option<Target> {
    let (wanted, unfinished) = (matched.wanted, matched.unfinished);
    let target = match unfinished {
        Some(new) => complete(draft, matched, new, content),
        None => create(draft, matched, content)?,
    };
    pins::collect_required_versions(draft, wanted, content, unfinished);
    apply_behavior_sets(draft, matched, old, &target);
    Some(target)
}

/// Collects the version sets that the old service has and the new service does not get. They count as removals, because
/// for users the effect is the same as a deletion.
fn collect_dropped_version_sets(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    old: &LiveService,
    content: &Content,
) {
    let is_servers_own = |name: &VersionSetName| name.is_edge() && draft.options.api.makes_version_sets();
    let stays = |name: &VersionSetName| content.version_sets.contains_key(name) || is_servers_own(name);
    let lost: Vec<_> = old.version_sets.keys().filter(|name| !stays(name)).collect();
    draft.dropped_version_sets.extend(lost.into_iter().map(|name| (wanted.name.clone(), name.clone())));
}

/// Adds the smoke tests of the new service. They run after the steps that prepare the new service, which are all steps
/// of the draft from the index `first` on.
fn smoke_test(draft: &mut Draft<'_>, wanted: &DesiredService, target: &Target, first: usize) {
    let prepared: Vec<usize> = (first..draft.steps.len()).collect();
    let mut tests: Vec<usize> = Vec::new();
    for test in &wanted.smoke {
        let action = Action::Smoke { target: target.clone(), test: test.clone() };
        let mut step = DraftStep::new(&wanted.name, action, Risk::Safe);
        step.after.extend(&prepared);
        // A user can have only one conversation with a service at a time, so the tests run one after the other.
        step.after.extend(tests.last());
        tests.push(draft.push(step));
    }
}

/// Returns true if `live` is the inactive new service of a replacement whose old service was deleted before the
/// cut-over. Such a service must be activated, because no active service has the name.
pub(super) fn has_lost_predecessor(draft: &Draft<'_>, live: &LiveService) -> bool {
    let is_gone = |old: &str| draft.live(&ServiceId::new(old)).is_none();
    let old = live.tags.get(TAG_REPLACES).and_then(Option::as_deref);
    !live.active && names::replacing_target(live).is_some() && old.is_some_and(is_gone)
}

/// Returns the plan's entry for a replaced service. Its changes are the differences between the old and the new
/// service.
fn show(draft: &Draft<'_>, matched: &ServiceMatch<'_>, old: &LiveService, content: &Content) -> ServicePlan {
    let mut shown = steps::service_plan(matched, ServiceKind::Replace);
    shown.continued = matched.unfinished.is_some();
    shown.adopted = draft.policy.ownership.is_free(&old.tags);
    let (_, changes) = diff::fields(content, old);
    let own_tag = Field::Tag(TAG_REPLACES.to_owned());
    shown.changes.fields.extend(
        changes
            .into_iter()
            .filter(|change| change.field != own_tag)
            .map(|change| steps::named(draft, change)),
    );
    // The changes that require a new service come first.
    shown.changes.fields.sort_by_key(|change| !change.field.is_reference());
    let names: BTreeSet<_> =
        content.version_sets.keys().chain(old.version_sets.keys()).filter(|name| !name.is_edge()).collect();
    for name in names {
        let (before, after) = (old.version_sets.get(name), content.version_sets.get(name));
        shown.changes.version_sets.extend(diff::version_set(name, before, after));
    }
    shown
}

/// Adds the steps that create the new service as inactive and write its version sets. Returns the new service, or
/// `None` if it can't be created.
fn create(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, content: &Content) -> Option<Target> {
    let wanted = matched.wanted;
    let new = steps::new_service(draft, matched, content)?;
    let created = draft.push(DraftStep::new(&wanted.name, Action::Create(Box::new(new)), Risk::Safe));
    draft.steps[created].created_name = Some(content.name.clone());
    draft.steps[created].reason =
        Some("the agent or context graph changes, and `on_agent_change` is `replace`".to_owned());
    let target = Target::Created(StepId(created));
    version_sets::write_after_create(draft, wanted, content, created);
    Some(target)
}

/// Adds the steps that complete a new service that an earlier run created. Returns the new service.
fn complete(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    new: &LiveService,
    content: &Content,
) -> Target {
    if let Some(step) = steps::update(draft, matched.wanted, new, content) {
        draft.push(step);
    }
    let mut content = content.clone();
    for (name, set) in &mut content.version_sets {
        // A field that the server has added to the new service's version set is kept. If the old service's version set
        // has the field, too, the old service's value is used.
        for (key, value) in new.version_sets.get(name).into_iter().flat_map(|live| &live.carried) {
            set.carried.entry(key).or_insert_with(|| value.clone());
        }
    }
    let written = version_sets::write_changed(draft, matched.wanted, new, &content);
    version_sets::delete_unwanted(draft, matched.wanted, new, &content, &written);
    Target::Live(new.id.clone())
}

/// Adds the steps that apply the behavior sets of the old service to the new service, too. A behavior set that already
/// applies to the new service needs no step.
fn apply_behavior_sets(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    old: &LiveService,
    target: &Target,
) {
    let created = match target {
        Target::Created(StepId(index)) => Some(*index),
        Target::Live(_) => None,
    };
    let sets = draft.snapshot.behavior_sets.get(&old.id).cloned().unwrap_or_default();
    for set in sets {
        if matched.unfinished.is_some_and(|new| set.applied_to.contains(&new.id)) {
            continue;
        }
        let action = Action::ApplyBehaviorSet {
            behavior_set: set.id.clone(),
            behavior_set_name: set.name.clone(),
            target: target.clone(),
        };
        let mut step = DraftStep::new(&matched.wanted.name, action, Risk::Safe);
        step.after.extend(created);
        draft.push(step);
    }
}

/// The cut-over from the old to the new service of a replacement.
struct HandOver {
    new: Target,
    /// True if the cut-over activates the new service. If not, the new service only gets the name.
    activates: bool,
    /// True if the new service has a temporary name. Then the cut-over also gives the new service its final name.
    takes_name: bool,
    /// The index of the first step that prepares the new service. The cut-over waits for this step and for all steps
    /// between this step and the cut-over.
    first: usize,
}

impl HandOver {
    /// Adds the step that renames the old service and activates the new one. Returns the index of the step.
    ///
    /// An inactive old service is renamed, too, because otherwise it could be mistaken for the new one. If the manifest
    /// asks for an inactive service, the old service is deactivated in the request that renames it.
    fn add_step(self, draft: &mut Draft<'_>, wanted: &DesiredService, old: &LiveService) -> usize {
        let rename =
            if self.activates { steps::rename_old(draft, old) } else { rename_and_deactivate(draft, old) };
        // If the cut-over fails, it gives the old service its name back. A service of another manifest must not have taken
        // the name by then.
        let holds_name =
            old.active || draft.options.api.inactive_services_hold_names() || old.name != wanted.name;
        let renames = rename.as_ref().is_some_and(|update| update.name.is_some());
        let activation = ServiceUpdate {
            active: self.activates.then_some(true),
            name: self.takes_name.then(|| wanted.name.clone()),
            ..ServiceUpdate::default()
        };
        let action = Action::HandOver {
            old: old.id.clone(),
            old_name: old.name.clone(),
            rename: rename.map(Box::new),
            new: self.new,
            activation: Box::new(activation),
        };
        let risk = if old.active && !self.activates { Risk::Destructive } else { Risk::Disruptive };
        let mut step = DraftStep::new(&wanted.name, action, risk);
        step.after.extend(self.first..draft.steps.len());
        step.claims_name = Some(wanted.name.clone());
        step.releases_name = (renames && holds_name).then(|| old.name.clone());
        draft.push(step)
    }
}

/// Returns the update that renames and deactivates the old service, or `None` if it is already renamed and inactive.
fn rename_and_deactivate(draft: &Draft<'_>, old: &LiveService) -> Option<ServiceUpdate> {
    let mut update = steps::rename_old(draft, old).unwrap_or_default();
    if old.active {
        update.active = Some(false);
        origins::mark_former(&mut update, old);
    }
    (!update.is_empty()).then_some(update)
}

/// Adds the step that renames and deactivates the old service in one request. The new service stays inactive, so no
/// cut-over is necessary. The step runs after all steps of the draft from the index `first` on.
fn retire_without_hand_over(draft: &mut Draft<'_>, wanted: &DesiredService, old: &LiveService, first: usize) {
    let Some(update) = rename_and_deactivate(draft, old) else { return };
    // The manifest asks for an inactive service. So the old service is deactivated even with `retire: keep`.
    let how = Retire::Deactivate;
    let action = Action::Retire { id: old.id.clone(), update: Some(Box::new(update)), how };
    let risk = if old.active { Risk::Destructive } else { Risk::Disruptive };
    let mut step = DraftStep::new(&wanted.name, action, risk);
    step.after.extend(first..draft.steps.len());
    step.releases_name = old.active.then(|| old.name.clone());
    draft.push(step);
}
