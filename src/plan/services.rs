//! The steps of one service that is created, changed in place or retired. May import `model` only.

use std::collections::BTreeMap;

use serde_json::Value;

use super::build::{Draft, DraftStep};
use super::changes::{Field, FieldChange, ServiceChanges, VersionSetChange, VersionSetChangeKind};
use super::diff::{self, Content};
use super::identity::Embodiment;
use super::types::{
    Action, Finding, LastChange, ProblemKind, Risk, ServiceKind, ServicePlan, StepId, Target,
};
use super::{former, names, pins, replacement};
use crate::model::{
    AgentId, ContextGraphId, DesiredService, LiveService, NewService, OnAgentChange, Policy, Retire,
    ServiceName, ServiceUpdate, TAG_REPLACES, VersionSet, VersionSetName, settings,
};

/// Adds the steps that bring one declared service about.
pub(super) fn steps(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>) {
    let wanted = embodiment.wanted;
    let mut content =
        diff::content(wanted, embodiment.joins, embodiment.live, draft.policy, draft.options.api);
    if embodiment.live.is_some_and(|live| replacement::is_heir(draft, live)) && wanted.active != Some(false) {
        content.active = true;
        let message =
            "the service that it was to replace is gone, so that it is activated in its place".to_owned();
        draft.findings.push(Finding::note(wanted.name.clone(), message));
    }
    if !tags_fit(draft, embodiment, &content.tags) {
        return;
    }
    if !told_apart(draft, embodiment, &content) {
        return;
    }
    let renamed = rename_former(draft, embodiment, &content);
    if let Some(live) = embodiment.live
        && !live.active
        && !content.active
        && wanted.active.is_none()
        && embodiment.half_made.is_none()
    {
        let message =
            "it is inactive, and its manifest does not say `active:`, so that it stays so".to_owned();
        draft.findings.push(Finding::note(wanted.name.clone(), message));
    }
    pins::deprecated(draft, embodiment, &content);
    needs_members(draft, embodiment, &content);
    let Some(live) = embodiment.live else { return create(draft, embodiment, &content) };
    let changed = content.agent != live.agent || content.context_graph != live.context_graph;
    let how = wanted.lifecycle.on_agent_change.unwrap_or(draft.options.api.on_agent_change());
    let in_place = how == OnAgentChange::Update;
    if !keeps_tags(draft, embodiment, live, content.tags != live.tags || (changed && !in_place)) {
        return;
    }
    // One that can't become what is wanted, or that nobody asks for any more, is given up.
    let unfit = embodiment
        .half_made
        .filter(|new| (in_place && !names::is_replaced(live)) || !diff::cleared(&content, new).is_empty());
    let fitting =
        Embodiment { half_made: embodiment.half_made.filter(|_| unfit.is_none()), ..embodiment.clone() };
    if (changed && !in_place) || fitting.half_made.is_some() {
        replacement::steps(draft, &fitting, live, &content);
    } else {
        change(draft, &fitting, live, &content);
    }
    if let Some(unfit) = unfit {
        replacement::discard(draft, wanted, unfit);
    }
    if let Some(renamed) = renamed {
        // A run that is cut off leaves no two inactive services of one name.
        for step in &mut draft.steps[renamed + 1..] {
            step.after.insert(renamed);
        }
    }
}

/// The word for a service that will be renamed or inactive under its name, so that an inactive namesake of ours would be
/// taken for it.
fn needs_own_name(embodiment: &Embodiment<'_>, content: &Content) -> Option<&'static str> {
    // A passing name or one that a replacement gave is already ours to tell.
    let renamed = embodiment.live.is_some_and(|live| {
        live.name != embodiment.wanted.name && names::passing_to(live).is_none() && !names::is_replaced(live)
    });
    match renamed {
        true => Some("renamed"),
        false => (!content.active).then_some("inactive"),
    }
}

/// Says so where a service would come to have the name of an inactive one of ours, so that a later run could
/// not tell the two apart.
fn told_apart(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, content: &Content) -> bool {
    let Some(what) = needs_own_name(embodiment, content) else { return true };
    let wanted = embodiment.wanted;
    let Some(stray) = draft.stray(&wanted.name).filter(|_| former_namesake(draft, embodiment).is_none())
    else {
        return true;
    };
    let message = format!(
        "`{}` is to be {what}, but an inactive service of ours has that name: {stray}; a later run could not tell them apart",
        wanted.name,
    );
    let help = ["rename that service, or remove its ownership tag"];
    draft.problem(ProblemKind::Ambiguous, embodiment, message, &help);
    false
}

/// The inactive service with the wanted name that the live one has replaced: another run gave it its name back.
fn former_namesake<'a>(draft: &Draft<'a>, embodiment: &Embodiment<'a>) -> Option<&'a LiveService> {
    let stray = draft.stray(&embodiment.wanted.name)?;
    let replaced = embodiment.live?.tags.get(TAG_REPLACES)?.as_deref()?;
    draft.live(stray).filter(|_| stray.as_str() == replaced)
}

/// Renames a former service that the live one could not be told from, as a replacement would; gives the step's index.
fn rename_former(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, content: &Content) -> Option<usize> {
    needs_own_name(embodiment, content)?;
    let former = former_namesake(draft, embodiment)?;
    let update = Box::new(replacement::rename_old(draft, former)?);
    let action = Action::Update { id: former.id.clone(), update };
    let mut step = DraftStep::new(&embodiment.wanted.name, action, Risk::Safe);
    step.reason = Some(format!("`{}` has a new service", embodiment.wanted.name));
    Some(draft.push(step))
}

/// Says so where tags would have to be written that are more than one can tell: several with one key.
fn keeps_tags(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, live: &LiveService, written: bool) -> bool {
    let lost = written && embodiment.wanted.tags.is_none() && !live.repeated_tags.is_empty();
    if lost {
        let keys: Vec<&str> = live.repeated_tags.iter().map(String::as_str).collect();
        let message = format!(
            "`{}` ({}) has several tags with the key `{}`: writing its tags would lose all but one of them",
            live.name,
            live.id,
            keys.join("`, `")
        );
        let help = ["remove the others from the live service, or declare `tags:` in the manifest"];
        draft.problem(ProblemKind::Impossible, embodiment, message, &help);
    }
    !lost
}

/// Says which members a block needs that neither the manifest nor the live service has.
fn needs_members(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, content: &Content) {
    for path in settings::missing(settings::SERVICE, &content.settings) {
        let setting = path.split('.').next().unwrap_or_default();
        let message = format!("`{}` would be without `{path}`, which the API needs", content.name);
        draft.problem(ProblemKind::Impossible, embodiment, message, &["add it to the manifest"]);
        at_setting(draft, embodiment, setting);
    }
}

/// Puts the last problem to the place of a setting.
fn at_setting(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, name: &str) {
    let place = embodiment.wanted.setting_places.get(name).cloned();
    if let Some(problem) = draft.problems.last_mut() {
        problem.place = place.or_else(|| problem.place.take());
    }
}

/// What is shown of one service; its steps are attached when they are ordered.
pub(super) fn service_plan(embodiment: &Embodiment<'_>, kind: ServiceKind) -> ServicePlan {
    let wanted = embodiment.wanted;
    ServicePlan {
        name: wanted.name.clone(),
        kind,
        id: embodiment.live.map(|live| live.id.clone()),
        former_name: embodiment.live.map(|live| live.name.clone()).filter(|name| name != &wanted.name),
        adopted: false,
        continued: false,
        joins: None,
        changes: ServiceChanges::default(),
        cause: None,
        last_change: embodiment.live.and_then(LastChange::of),
        steps: Vec::new(),
    }
}

/// The request that creates a service with this content; none where a description is missing.
pub(super) fn new_service(
    draft: &mut Draft<'_>,
    embodiment: &Embodiment<'_>,
    content: &Content,
) -> Option<NewService> {
    let description = content.description.clone().unwrap_or_default();
    if description.trim().is_empty() && draft.options.api.wants_description() {
        let message = format!("`{}` has to be created, and the API wants a description", content.name);
        draft.problem(ProblemKind::Impossible, embodiment, message, &["add `description:` to the manifest"]);
        return None;
    }
    let all_sets = draft.options.api.creates_with_version_sets();
    Some(NewService {
        name: content.name.clone(),
        description,
        active: content.active,
        agent: content.agent.clone(),
        context_graph: content.context_graph.clone(),
        tags: content.tags.clone(),
        keyterms: content.keyterms.clone(),
        version_sets: content
            .version_sets
            .iter()
            .filter(|(name, _)| all_sets || name.is_release())
            .map(|(name, set)| (name.clone(), set.clone()))
            .collect(),
        settings: content.settings.clone(),
    })
}

fn create(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, content: &Content) {
    let Some(new) = new_service(draft, embodiment, content) else { return };
    let (name, active) = (new.name.clone(), new.active);
    let mut step = DraftStep::new(&name, Action::Create(Box::new(new)), Risk::Safe);
    step.takes = (active || draft.options.api.inactive_services_hold_names()).then(|| name.clone());
    let created = draft.push(step);
    pins::collect_required_versions(draft, embodiment.wanted, content, None);
    pins::check_new_sets_pinned(draft, embodiment, content);
    write_other_sets(draft, embodiment.wanted, content, created);
    let agent = draft.snapshot.agents.name_of(&content.agent).unwrap_or(content.agent.as_str()).to_owned();
    let graph = draft.snapshot.context_graphs.name_of(&content.context_graph);
    let graph = graph.unwrap_or(content.context_graph.as_str()).to_owned();
    draft
        .services
        .push(ServicePlan { joins: Some((agent, graph)), ..service_plan(embodiment, ServiceKind::Create) });
}

/// Adds the steps that write the version sets with which a service can't be created.
pub(super) fn write_other_sets(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    content: &Content,
    created: usize,
) {
    if draft.options.api.creates_with_version_sets() {
        return;
    }
    for (name, set) in content.version_sets.iter().filter(|(name, _)| !name.is_release()) {
        let target = Target::Created(StepId(created));
        let Some(change) = diff::version_set(name, None, Some(set)) else { continue };
        let mut step = write_version_set(wanted, target, change, set);
        step.after.insert(created);
        draft.push(step);
    }
}

/// The step that writes one version set, and what it changes.
fn write_version_set(
    wanted: &DesiredService,
    target: Target,
    change: VersionSetChange,
    content: &VersionSet,
) -> DraftStep {
    let creates = change.kind == VersionSetChangeKind::Created;
    let risk = if change.name.is_release() && !creates { Risk::Disruptive } else { Risk::Safe };
    let (name, content) = (change.name.clone(), Box::new(content.clone()));
    let action = Action::WriteVersionSet { target, name, content, creates };
    let mut step = DraftStep::new(&wanted.name, action, risk);
    step.changes.version_sets.push(change);
    step
}

/// The steps that write (where `writes`) and delete a live service's version sets, as indices.
pub(super) fn version_set_steps(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    live: &LiveService,
    content: &Content,
    writes: bool,
) -> (Vec<usize>, Vec<usize>) {
    let mut written = Vec::new();
    for (name, after) in content.version_sets.iter().filter(|_| writes) {
        if let Some(change) = diff::version_set(name, live.version_sets.get(name), Some(after)) {
            let target = Target::Live(live.id.clone());
            written.push(draft.push(write_version_set(wanted, target, change, after)));
        }
    }
    let mut deleted = Vec::new();
    for (name, before) in &live.version_sets {
        let goes = !content.version_sets.contains_key(name) && may_go(draft.policy, wanted, name);
        if goes {
            let action = Action::DeleteVersionSet { id: live.id.clone(), name: name.clone() };
            let mut step = DraftStep::new(&wanted.name, action, Risk::Destructive);
            step.changes.version_sets.extend(diff::version_set(name, Some(before), None));
            step.awaited = false;
            step.after.extend(&written);
            deleted.push(draft.push(step));
        }
    }
    (written, deleted)
}

/// Whether a version set that is not wanted is the manifest's to delete.
pub(super) fn may_go(policy: &Policy, wanted: &DesiredService, name: &VersionSetName) -> bool {
    let ignored = wanted.lifecycle.ignore.iter().any(|path| {
        path.0[0] == "version_sets" && path.0.get(1).is_none_or(|second| second == name.as_str())
    });
    wanted.version_sets.is_some() && !name.is_release() && !policy.is_unmanaged(name) && !ignored
}

/// Whether a service can carry so many tags, the tool's own included; if not, that is a problem.
pub(super) fn tags_fit(
    draft: &mut Draft<'_>,
    embodiment: &Embodiment<'_>,
    tags: &BTreeMap<String, Option<String>>,
) -> bool {
    let (count, most) = (tags.len(), draft.options.api.max_tags());
    if count > most {
        let name = &embodiment.wanted.name;
        let message =
            format!("`{name}` would carry {count} tags, the tool's own included; the API takes {most}");
        let help = ["remove tags from the live service, or declare `tags:` with fewer of them"];
        draft.problem(ProblemKind::Impossible, embodiment, message, &help);
    }
    count <= most
}

/// The step that changes fields in place; none where nothing changes.
pub(super) fn update_step(
    draft: &Draft<'_>,
    wanted: &DesiredService,
    live: &LiveService,
    content: &Content,
) -> Option<DraftStep> {
    let (update, changes) = diff::fields(content, live);
    if update.is_empty() {
        return None;
    }
    let risk = match (&update.active, &update.name, &update.agent, &update.context_graph) {
        (Some(false), ..) => Risk::Destructive,
        (Some(true), ..) | (_, Some(_), ..) | (_, _, Some(_), _) | (_, _, _, Some(_)) => Risk::Disruptive,
        _ => Risk::Safe,
    };
    // Inactive namesakes are allowed by the API, but a run that is cut off could not tell them apart:
    // names are handed on one after the other among them, too.
    let takes_name = update.name.is_some() || (content.active && !live.active);
    let gives_up = live.active && !content.active && !draft.options.api.inactive_services_hold_names();
    let frees_name = update.name.is_some() || gives_up;
    let action = Action::Update { id: live.id.clone(), update: Box::new(update) };
    let mut step = DraftStep::new(&wanted.name, action, risk);
    step.takes = takes_name.then(|| content.name.clone());
    step.frees = frees_name.then(|| live.name.clone());
    step.changes.fields = changes;
    Some(step)
}

fn change(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, live: &LiveService, content: &Content) {
    let wanted = embodiment.wanted;
    let before = draft.steps.len();
    can_clear(draft, embodiment, live, content);
    let moves_versions = content.agent != live.agent || content.context_graph != live.context_graph;
    let mut content = content.clone();
    if moves_versions {
        replacement::carry_pins(draft, embodiment, live, &mut content);
    }
    let content = &content;
    let at_once = moves_versions && draft.options.api.updates_version_sets();
    let (written, deleted) = version_set_steps(draft, wanted, live, content, !at_once);
    pins::collect_required_versions(draft, wanted, content, Some(live));
    let adopted = draft.policy.ownership.is_free(&live.tags);
    let mut shown = service_plan(embodiment, ServiceKind::Update);
    let mut activation = None;
    if let Some(mut step) = update_step(draft, wanted, live, content) {
        shown.changes.fields =
            step.changes.fields.iter().map(|change| named(draft, change.clone())).collect();
        if at_once {
            with_version_sets(&mut step, live, content);
        }
        if !live.active && content.active && !moves_versions {
            // What it will serve is in place before users see it.
            step.after.extend(&written);
        }
        if at_once {
            // A set that goes may pin what the new agent does not have.
            step.after.extend(&deleted);
        }
        let update = draft.push(step);
        activation = (content.active && !live.active).then_some(update);
        if moves_versions {
            for &write in &written {
                draft.steps[write].after.insert(update);
            }
        }
        for &delete in deleted.iter().filter(|_| !at_once) {
            draft.steps[delete].after.insert(update);
        }
    }
    let first_former = draft.steps.len();
    former::retire(draft, embodiment, None, activation);
    shown.continued = draft.steps.len() > first_former;
    if draft.steps.len() > before {
        shown.adopted = adopted;
        draft.services.push(shown);
    }
}

/// Puts the version sets that change into the update that changes the agent, so that no moment sees pins of
/// one agent beside another.
fn with_version_sets(step: &mut DraftStep, live: &LiveService, content: &Content) {
    let Action::Update { update, .. } = &mut step.action else { return };
    for (name, after) in &content.version_sets {
        if let Some(change) = diff::version_set(name, live.version_sets.get(name), Some(after)) {
            update.version_sets.insert(name.clone(), after.clone());
            step.changes.version_sets.push(change);
        }
    }
}

/// Says so where a manifest takes a block away that the API can't take away from a service.
fn can_clear(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, live: &LiveService, content: &Content) {
    for name in diff::cleared(content, live) {
        let help = match name {
            "escalation_policy" => "write `type: operator` for each trigger: that is what no policy means",
            _ => "set the single fields, or let go of the whole block by leaving it out of the manifest",
        };
        let message = format!(
            "`{name}` of `{}` can't be taken away: the API leaves out nulls when it updates a service",
            live.name
        );
        draft.problem(ProblemKind::Impossible, embodiment, message, &[help]);
        at_setting(draft, embodiment, name);
    }
}

/// A change as people read it: agents and context graphs by name, where the name is known.
pub(super) fn named(draft: &Draft<'_>, change: FieldChange) -> FieldChange {
    let name = |id: &Value| match change.field {
        Field::Agent => draft.snapshot.agents.name_of(&AgentId::new(id.as_str()?)).map(Value::from),
        Field::ContextGraph => {
            draft.snapshot.context_graphs.name_of(&ContextGraphId::new(id.as_str()?)).map(Value::from)
        }
        _ => None,
    };
    let (before, after) = (name(&change.before), name(&change.after));
    FieldChange {
        before: before.unwrap_or(change.before),
        after: after.unwrap_or(change.after),
        field: change.field,
        cause: change.cause,
    }
}

/// The step that takes a service out of use.
pub(super) fn retirement(
    draft: &Draft<'_>,
    service: &ServiceName,
    live: &LiveService,
    how: Retire,
) -> DraftStep {
    let update = match how {
        Retire::Deactivate => Some(ServiceUpdate { active: Some(false), ..ServiceUpdate::default() }),
        Retire::Keep => {
            let mut tags = live.tags.clone();
            tags.remove(&draft.policy.ownership.tag);
            Some(ServiceUpdate { tags: Some(tags), ..ServiceUpdate::default() })
        }
        Retire::Delete => None,
    };
    let holds = draft.options.api.inactive_services_hold_names();
    let frees = match how {
        Retire::Deactivate => !holds,
        Retire::Keep => false,
        Retire::Delete => live.active || holds,
    };
    let action = Action::Retire { id: live.id.clone(), update: update.map(Box::new), how };
    // What is let go of stays in use.
    let risk = if how == Retire::Keep { Risk::Safe } else { Risk::Destructive };
    let mut step = DraftStep::new(service, action, risk);
    step.frees = frees.then(|| live.name.clone());
    step.awaited = false;
    step
}
