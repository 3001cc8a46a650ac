//! The steps of one service that is created, changed in place or retired. May import `model` only.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::build::{Draft, DraftStep};
use super::diff::{self, Content};
use super::identity::Embodiment;
use super::types::{Action, Change, Finding, ProblemKind, Risk, ServiceKind, ServicePlan, StepId, Target};
use super::{names, pins, replacement};
use crate::model::{
    AgentId, ContextGraphId, DesiredService, LiveService, NewService, OnAgentChange, Retire, ServiceUpdate,
    VersionSet, VersionSetName,
};

/// Adds the steps that bring one declared service about.
pub(super) fn steps(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>) {
    let wanted = embodiment.wanted;
    let content = diff::content(wanted, embodiment.joins, embodiment.live, draft.policy);
    if !tags_fit(draft, embodiment, &content.tags) {
        return;
    }
    // A passing name or one that a replacement gave is already ours to tell.
    let renamed = embodiment.live.is_some_and(|live| {
        live.name != wanted.name && names::passing_to(live).is_none() && !names::is_replaced(live)
    });
    if (renamed || !content.active)
        && let Some(stray) = draft.stray(&wanted.name)
    {
        let message = format!(
            "`{}` is to be {}, but an inactive service of ours has that name: {stray}; a later run could not tell them apart",
            wanted.name,
            if renamed { "renamed" } else { "inactive" },
        );
        draft.problem(
            ProblemKind::Ambiguous,
            embodiment,
            message,
            &["rename that service, or remove its ownership tag"],
        );
        return;
    }
    if let Some(live) = embodiment.live
        && !live.active
        && wanted.active.is_none()
        && embodiment.half_made.is_none()
    {
        let message =
            "it is inactive, and its manifest does not say `active:`, so that it stays so".to_owned();
        draft.findings.push(Finding { service: wanted.name.clone(), message });
    }
    pins::deprecated(draft, embodiment, &content);
    match embodiment.live {
        None => create(draft, embodiment, &content),
        Some(live) => {
            let changed = content.agent != live.agent || content.context_graph != live.context_graph;
            let in_place = wanted.lifecycle.on_agent_change == Some(OnAgentChange::Update);
            if (changed && !in_place) || embodiment.half_made.is_some() {
                replacement::steps(draft, embodiment, live, &content);
            } else {
                change(draft, embodiment, live, &content);
            }
        }
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
        changes: Vec::new(),
        steps: Vec::new(),
    }
}

/// The request that creates a service with this content; none where a description is missing.
pub(super) fn new_service(
    draft: &mut Draft<'_>,
    embodiment: &Embodiment<'_>,
    content: &Content,
) -> Option<NewService> {
    let Some(description) = content.description.clone().filter(|text| !text.trim().is_empty()) else {
        let message = format!("`{}` has to be created, and the API wants a description", content.name);
        draft.problem(ProblemKind::Impossible, embodiment, message, &["add `description:` to the manifest"]);
        return None;
    };
    Some(NewService {
        name: content.name.clone(),
        description,
        active: content.active,
        agent: content.agent.clone(),
        context_graph: content.context_graph.clone(),
        tags: content.tags.clone(),
        keyterms: content.keyterms.clone(),
        release: content.version_sets.get(VersionSetName::RELEASE).cloned(),
    })
}

fn create(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, content: &Content) {
    let Some(new) = new_service(draft, embodiment, content) else { return };
    let (name, active) = (new.name.clone(), new.active);
    let mut step = DraftStep::new(&name, Action::Create(Box::new(new)), Risk::Safe);
    step.takes = active.then(|| name.clone());
    let created = draft.push(step);
    pins::need(draft, embodiment.wanted, content, None);
    for (set, set_content) in content.version_sets.iter().filter(|(set, _)| !set.is_release()) {
        let target = Target::Created(StepId(created));
        let write = write_version_set(embodiment.wanted, target, set, None, set_content, Some(created));
        draft.push(write);
    }
    let agent = draft.snapshot.agents.name_of(&content.agent).unwrap_or(content.agent.as_str()).to_owned();
    let graph = draft.snapshot.context_graphs.name_of(&content.context_graph);
    let graph = graph.unwrap_or(content.context_graph.as_str()).to_owned();
    draft
        .services
        .push(ServicePlan { joins: Some((agent, graph)), ..service_plan(embodiment, ServiceKind::Create) });
}

/// The step that writes one version set, and what it changes.
pub(super) fn write_version_set(
    wanted: &DesiredService,
    target: Target,
    name: &VersionSetName,
    before: Option<&VersionSet>,
    after: &VersionSet,
    created: Option<usize>,
) -> DraftStep {
    let action = Action::WriteVersionSet {
        target,
        name: name.clone(),
        content: Box::new(after.clone()),
        creates: before.is_none(),
    };
    let risk = if name.is_release() && before.is_some() { Risk::Disruptive } else { Risk::Safe };
    let mut step = DraftStep::new(&wanted.name, action, risk);
    step.changes = diff::version_set(name, before, Some(after));
    step.after.extend(created);
    step
}

/// The steps that write and delete a live service's version sets, as indices.
pub(super) fn version_set_steps(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    live: &LiveService,
    content: &Content,
) -> (Vec<usize>, Vec<usize>) {
    let mut written = Vec::new();
    for (name, after) in &content.version_sets {
        let before = live.version_sets.get(name);
        if before.is_none() || !diff::version_set(name, before, Some(after)).is_empty() {
            let target = Target::Live(live.id.clone());
            written.push(draft.push(write_version_set(wanted, target, name, before, after, None)));
        }
    }
    let mut deleted = Vec::new();
    for (name, before) in &live.version_sets {
        let goes = !content.version_sets.contains_key(name) && may_go(draft, wanted, name);
        if goes {
            let action = Action::DeleteVersionSet { id: live.id.clone(), name: name.clone() };
            let mut step = DraftStep::new(&wanted.name, action, Risk::Destructive);
            step.changes = diff::version_set(name, Some(before), None);
            step.awaited = false;
            step.after.extend(&written);
            deleted.push(draft.push(step));
        }
    }
    (written, deleted)
}

/// Whether a version set that is not wanted is the manifest's to delete.
fn may_go(draft: &Draft<'_>, wanted: &DesiredService, name: &VersionSetName) -> bool {
    let ignored = wanted.lifecycle.ignore.iter().any(|path| {
        path.0[0] == "version_sets" && path.0.get(1).is_none_or(|second| second == name.as_str())
    });
    wanted.version_sets.is_some() && !name.is_release() && !draft.policy.is_unmanaged(name) && !ignored
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
    let frees_name = update.name.is_some() || (live.active && !content.active);
    let action = Action::Update { id: live.id.clone(), update: Box::new(update) };
    let mut step = DraftStep::new(&wanted.name, action, risk);
    step.takes = takes_name.then(|| content.name.clone());
    step.frees = frees_name.then(|| live.name.clone());
    step.changes = changes;
    Some(step)
}

fn change(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, live: &LiveService, content: &Content) {
    let wanted = embodiment.wanted;
    let before = draft.steps.len();
    let (written, deleted) = version_set_steps(draft, wanted, live, content);
    pins::need(draft, wanted, content, Some(live));
    let adopted = !draft.policy.ownership.owns(&live.tags);
    let mut shown = service_plan(embodiment, ServiceKind::Update);
    if let Some(mut step) = update_step(wanted, live, content) {
        shown.changes = step.changes.iter().map(|change| named(draft, change.clone())).collect();
        let moves_versions = content.agent != live.agent || content.context_graph != live.context_graph;
        if !live.active && content.active && !moves_versions {
            // What it will serve is in place before users see it.
            step.after.extend(&written);
        }
        let update = draft.push(step);
        if moves_versions {
            for &write in &written {
                draft.steps[write].after.insert(update);
            }
        }
        for &delete in &deleted {
            draft.steps[delete].after.insert(update);
        }
    }
    if let Some(old) = embodiment.to_retire {
        replacement::retire_old(draft, wanted, old, 0..0);
        shown.continued = true;
    }
    if draft.steps.len() > before {
        shown.adopted = adopted;
        draft.services.push(shown);
    }
}

/// A change as people read it: agents and context graphs by name, where the name is known.
pub(super) fn named(draft: &Draft<'_>, change: Change) -> Change {
    let name = |id: &Value| match change.path.as_str() {
        "agent" => draft.snapshot.agents.name_of(&AgentId::new(id.as_str()?)).map(Value::from),
        "context_graph" => {
            draft.snapshot.context_graphs.name_of(&ContextGraphId::new(id.as_str()?)).map(Value::from)
        }
        _ => None,
    };
    let (before, after) = (name(&change.before), name(&change.after));
    Change {
        before: before.unwrap_or(change.before),
        after: after.unwrap_or(change.after),
        path: change.path,
    }
}

/// The update that takes a service out of use.
pub(super) fn retirement(draft: &Draft<'_>, live: &LiveService, how: Retire) -> ServiceUpdate {
    match how {
        Retire::Deactivate => ServiceUpdate { active: Some(false), ..ServiceUpdate::default() },
        Retire::Keep => {
            let mut tags = live.tags.clone();
            tags.remove(&draft.policy.ownership.tag);
            ServiceUpdate { tags: Some(tags), ..ServiceUpdate::default() }
        }
    }
}

/// Adds the step that retires a service of ours that no manifest declares.
pub(super) fn retire_orphan(draft: &mut Draft<'_>, live: &LiveService) {
    let how = Retire::Deactivate;
    let action = Action::Retire { id: live.id.clone(), update: Box::new(retirement(draft, live, how)), how };
    let mut step = DraftStep::new(&live.name, action, Risk::Destructive);
    step.frees = Some(live.name.clone());
    step.awaited = false;
    step.reason = Some("owned by this project, in no manifest".to_owned());
    step.changes = vec![Change { path: "active".to_owned(), before: json!(true), after: json!(false) }];
    let changes = step.changes.clone();
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
        steps: Vec::new(),
    });
}
