//! Functions that make steps and describe the changes of one service. Several modules of planning use them.

use serde_json::Value;

use super::changes::{Field, FieldChange, ServiceChanges};
use super::diff::{self, Content};
use super::draft::{Draft, DraftStep};
use super::matcher::ServiceMatch;
use super::types::{Action, LastChange, ProblemKind, Risk, ServiceKind, ServicePlan};
use super::{names, origins};
use crate::model::{
    AgentId, ContextGraphId, DesiredService, LiveService, NewService, OriginTag, Retire, ServiceName,
    ServiceUpdate, TAG_ORIGIN,
};

/// Returns the plan's entry for one declared service. The entry has no changes and no steps yet.
pub(super) fn service_plan(matched: &ServiceMatch<'_>, kind: ServiceKind) -> ServicePlan {
    let wanted = matched.wanted;
    ServicePlan {
        name: wanted.name.clone(),
        kind,
        id: matched.live.map(|live| live.id.clone()),
        former_name: matched.live.map(|live| live.name.clone()).filter(|name| name != &wanted.name),
        adopted: false,
        continued: false,
        joins: None,
        changes: ServiceChanges::default(),
        cause: None,
        last_change: matched.live.and_then(LastChange::of),
        steps: Vec::new(),
    }
}

/// Returns the request that creates a service. If a required description is missing, adds a problem to the draft and
/// returns `None`.
pub(super) fn new_service(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    content: &Content,
) -> Option<NewService> {
    let description = content.description.clone().unwrap_or_default();
    if description.trim().is_empty() && draft.options.api.wants_description() {
        let message = format!("`{}` can't be created: the API requires a description", content.name);
        draft.problem(ProblemKind::Impossible, matched, message, &["add `description:` to the manifest"]);
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

/// Returns the step that changes fields of a service in place, or `None` if nothing changes.
pub(super) fn update(
    draft: &Draft<'_>,
    wanted: &DesiredService,
    live: &LiveService,
    content: &Content,
) -> Option<DraftStep> {
    let (mut update, mut changes) = diff::fields(content, live);
    origins::add_to_update(draft, &mut update, &mut changes, live, content);
    if update.is_empty() {
        return None;
    }
    let risk = match (&update.active, &update.name, &update.agent, &update.context_graph) {
        (Some(false), ..) => Risk::Destructive,
        (Some(true), ..) | (_, Some(_), ..) | (_, _, Some(_), _) | (_, _, _, Some(_)) => Risk::Disruptive,
        _ => Risk::Safe,
    };
    // The API allows several inactive services with the same name. But after an interrupted run the tool could not
    // distinguish them. So even an inactive service gets a name only after the other service has released it.
    let claims_name = update.name.is_some() || (content.active && !live.active);
    let is_deactivated = live.active && !content.active && !draft.options.api.inactive_services_hold_names();
    let releases_name = update.name.is_some() || is_deactivated;
    let action = Action::Update { id: live.id.clone(), update: Box::new(update) };
    let mut step = DraftStep::new(&wanted.name, action, risk);
    step.claims_name = claims_name.then(|| content.name.clone());
    step.releases_name = releases_name.then(|| live.name.clone());
    step.changes.fields = changes;
    Some(step)
}

/// Returns a change with the names of agents and context graphs instead of their ids, if the names are known.
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

/// Returns the step that takes a service out of use as `how` says: it deactivates, deletes or stops managing the
/// service.
pub(super) fn retire(draft: &Draft<'_>, service: &ServiceName, live: &LiveService, how: Retire) -> DraftStep {
    let update = match how {
        Retire::Deactivate => {
            let mut update = ServiceUpdate { active: Some(false), ..ServiceUpdate::default() };
            origins::mark_former(&mut update, live);
            Some(update)
        }
        Retire::Keep => {
            let mut tags = live.tags.clone();
            tags.remove(&draft.policy.ownership.tag);
            if OriginTag::of(&tags).is_some() {
                tags.remove(TAG_ORIGIN);
            }
            Some(ServiceUpdate { tags: Some(tags), ..ServiceUpdate::default() })
        }
        Retire::Delete => None,
    };
    let inactive_hold_names = draft.options.api.inactive_services_hold_names();
    let releases_name = match how {
        Retire::Deactivate => !inactive_hold_names,
        Retire::Keep => false,
        Retire::Delete => live.active || inactive_hold_names,
    };
    let action = Action::Retire { id: live.id.clone(), update: update.map(Box::new), how };
    // With `retire: keep`, the service is no longer managed, but it stays in use.
    let risk = if how == Retire::Keep { Risk::Safe } else { Risk::Destructive };
    let mut step = DraftStep::new(service, action, risk);
    step.releases_name = releases_name.then(|| live.name.clone());
    step.blocks_dependents = false;
    step
}

/// Returns the update that renames the old service of a replacement, so that its name becomes free. Returns `None` if
/// an earlier run has already renamed it.
pub(super) fn rename_old(draft: &Draft<'_>, old: &LiveService) -> Option<ServiceUpdate> {
    if names::has_replaced_name(old) {
        return None;
    }
    let name = names::replaced(&old.name, &draft.options.today, &old.id, &|name| draft.is_taken(name));
    // If this run is interrupted after the rename, the ownership tag lets the next run find the service.
    let mut tags = old.tags.clone();
    tags.insert(draft.policy.ownership.tag.clone(), Some(draft.policy.ownership.value.clone()));
    let tags = (tags != old.tags).then_some(tags);
    Some(ServiceUpdate { name: Some(name), tags, ..ServiceUpdate::default() })
}
