//! Plans one service: adds the steps that create it, change it in place or replace it.

use std::collections::BTreeSet;

use super::diff::{self, Content};
use super::draft::{Draft, DraftStep};
use super::matcher::ServiceMatch;
use super::origin_index::is_made_for;
use super::steps::{self, named, service_plan};
use super::types::{Action, Finding, ProblemKind, Risk, ServiceKind, ServicePlan};
use super::{abandonment, checks, former, names, origins, pins, replacement, version_sets};
use crate::model::{DesiredService, LiveService, OnAgentChange, TAG_REPLACES};

/// Adds the steps that give one service the content that its manifest declares.
pub(super) fn plan_service(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>) {
    let wanted = matched.wanted;
    let mut content =
        diff::content(wanted, matched.references, matched.live, draft.policy, draft.options.api);
    if matched.live.is_some_and(|live| replacement::has_lost_predecessor(draft, live))
        && wanted.active != Some(false)
    {
        content.active = true;
        let message =
            "this service is activated, because the service that it was created to replace no longer exists"
                .to_owned();
        draft.findings.push(Finding::note(wanted.name.clone(), message));
    }
    if !checks::check_tag_count(draft, matched, &content.tags) {
        return;
    }
    let origin_note = origins::add(draft, matched, &mut content);
    if !check_distinguishable(draft, matched, &content) {
        return;
    }
    let shown = draft.services.len();
    plan_content(draft, matched, &content);
    // The note is about a write, so a plan without one does not need it.
    draft.findings.extend(origin_note.filter(|_| draft.services.len() > shown));
}

/// Adds the steps that give one service this content, if the API allows it.
fn plan_content(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, content: &Content) {
    let wanted = matched.wanted;
    let renamed_former = rename_former(draft, matched, content);
    pins::check_deprecated(draft, matched, content);
    checks::check_required_settings(draft, matched, content);
    let Some(live) = matched.live else { return create(draft, matched, content) };
    let changed = content.agent != live.agent || content.context_graph != live.context_graph;
    let how = wanted.lifecycle.on_agent_change.unwrap_or(draft.options.api.on_agent_change());
    let in_place = how == OnAgentChange::Update;
    let writes_tags = !diff::have_same_tags(&content.tags, &live.tags) || (changed && !in_place);
    if !checks::check_repeated_tags(draft, matched, live, writes_tags) {
        return;
    }
    // An unfinished replacement is abandoned if the manifest no longer requires a replacement, or if the API can't give
    // the new service the wanted content.
    let unfit = matched.unfinished.filter(|new| {
        (in_place && !names::has_replaced_name(live)) || !diff::cleared(content, new).is_empty()
    });
    let fitting =
        ServiceMatch { unfinished: matched.unfinished.filter(|_| unfit.is_none()), ..matched.clone() };
    if (changed && !in_place) || fitting.unfinished.is_some() {
        replacement::plan_replacement(draft, &fitting, live, content);
    } else {
        change(draft, &fitting, live, content);
    }
    if let Some(unfit) = unfit {
        abandonment::abandon(draft, wanted, unfit);
    }
    if let Some(renamed_former) = renamed_former {
        // All following steps wait until the former service is renamed. Otherwise an interrupted run could leave two
        // inactive services with the same name.
        for step in &mut draft.steps[renamed_former + 1..] {
            step.after.insert(renamed_former);
        }
    }
}

/// Returns `renamed` or `inactive` if the plan renames the service or leaves it inactive, and otherwise `None`. A later
/// run could confuse a renamed or inactive service with an owned inactive service that has the wanted name.
fn confusable_state(matched: &ServiceMatch<'_>, content: &Content) -> Option<&'static str> {
    let name = &matched.wanted.name;
    // If the tool gave the service its present name, that name already distinguishes the two services. The tag `origin`
    // does so, too.
    let is_renamed = matched.live.is_some_and(|live| {
        live.name != *name
            && names::renaming_target(live).is_none()
            && !names::has_replaced_name(live)
            && !is_made_for(&live.tags, name)
    });
    match is_renamed {
        true => Some("renamed"),
        false => (!content.active).then_some("inactive"),
    }
}

/// Checks that the service does not get the name of another owned inactive service, because a later run could not
/// distinguish the two. If it would get such a name, reports a problem and returns false.
fn check_distinguishable(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, content: &Content) -> bool {
    let Some(what) = confusable_state(matched, content) else { return true };
    let wanted = matched.wanted;
    let Some(unclaimed) =
        draft.unclaimed(&wanted.name).filter(|_| find_former_namesake(draft, matched).is_none())
    else {
        return true;
    };
    let message = format!(
        "`{}` would be {what}, but an inactive service of this project has that name ({unclaimed}), and a later run could \
         not tell the two services apart",
        wanted.name,
    );
    let help = ["rename that service, or remove its ownership tag"];
    draft.problem(ProblemKind::Ambiguous, matched, message, &help);
    false
}

/// Returns the inactive service that has the wanted name and that the live service has replaced, or `None` if there is
/// no such service. Such a service exists if another run has given the replaced service its former name back.
fn find_former_namesake<'a>(draft: &Draft<'a>, matched: &ServiceMatch<'a>) -> Option<&'a LiveService> {
    let unclaimed = draft.unclaimed(&matched.wanted.name)?;
    let replaced = matched.live?.tags.get(TAG_REPLACES)?.as_deref()?;
    draft.live(unclaimed).filter(|_| unclaimed.as_str() == replaced)
}

/// Adds a step that renames a former service, if a later run could confuse it with the live service. The new name says
/// that the service was replaced. Returns the index of the step, or `None` if no rename is needed.
fn rename_former(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, content: &Content) -> Option<usize> {
    confusable_state(matched, content)?;
    let former = find_former_namesake(draft, matched)?;
    let update = Box::new(steps::rename_old(draft, former)?);
    let action = Action::Update { id: former.id.clone(), update };
    let mut step = DraftStep::new(&matched.wanted.name, action, Risk::Safe);
    step.reason = Some(format!("a new service replaces `{}`", matched.wanted.name));
    Some(draft.push(step))
}

fn create(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, content: &Content) {
    let Some(new) = steps::new_service(draft, matched, content) else { return };
    let (name, active) = (new.name.clone(), new.active);
    let mut step = DraftStep::new(&name, Action::Create(Box::new(new)), Risk::Safe);
    step.claims_name = (active || draft.options.api.inactive_services_hold_names()).then(|| name.clone());
    let created = draft.push(step);
    pins::collect_required_versions(draft, matched.wanted, content, None);
    pins::check_new_sets_pinned(draft, matched, content);
    version_sets::write_after_create(draft, matched.wanted, content, created);
    let agent = draft.snapshot.agents.name_of(&content.agent).unwrap_or(content.agent.as_str()).to_owned();
    let graph = draft.snapshot.context_graphs.name_of(&content.context_graph);
    let graph = graph.unwrap_or(content.context_graph.as_str()).to_owned();
    draft
        .services
        .push(ServicePlan { joins: Some((agent, graph)), ..service_plan(matched, ServiceKind::Create) });
}

/// Adds the steps that change a service in place.
fn change(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, live: &LiveService, content: &Content) {
    let wanted = matched.wanted;
    let before = draft.steps.len();
    checks::check_removable_settings(draft, matched, live, content);
    let moves_versions = content.agent != live.agent || content.context_graph != live.context_graph;
    let mut content = content.clone();
    if moves_versions {
        pins::carry_pins(draft, matched, live, &mut content);
    }
    let content = &content;
    // Platform changes the agent and the version sets in one request.
    let in_one_request = moves_versions && draft.options.api.updates_version_sets();
    let written = match in_one_request {
        true => Vec::new(),
        false => version_sets::write_changed(draft, wanted, live, content),
    };
    let deleted = version_sets::delete_unwanted(draft, wanted, live, content, &written);
    pins::collect_required_versions(draft, wanted, content, Some(live));
    let adopted = draft.policy.ownership.is_free(&live.tags);
    let mut shown = service_plan(matched, ServiceKind::Update);
    let mut activation = None;
    if let Some(mut step) = steps::update(draft, wanted, live, content) {
        shown.changes.fields =
            step.changes.fields.iter().map(|change| named(draft, change.clone())).collect();
        if in_one_request {
            version_sets::include_in_update(&mut step, live, content);
            // A version set to delete may have a pin that the new agent does not have, so it is deleted before the
            // agent changes.
            step.after.extend(&deleted);
        }
        if !live.active && content.active && !moves_versions {
            // The version sets must be written before the service is activated and users can reach it.
            step.after.extend(&written);
        }
        let update = draft.push(step);
        activation = (content.active && !live.active).then_some(update);
        if moves_versions {
            for &write in &written {
                draft.steps[write].after.insert(update);
            }
        }
        for &delete in deleted.iter().filter(|_| !in_one_request) {
            draft.steps[delete].after.insert(update);
        }
    } else {
        let all: Vec<usize> = written.iter().chain(&deleted).copied().collect();
        origins::record_commit(draft, wanted, live, content, &all);
    }
    let first_former = draft.steps.len();
    former::retire_all(draft, matched, None, activation);
    shown.continued = draft.steps.len() > first_former;
    if draft.steps.len() > before {
        note_skipped_smoke_tests(draft, wanted, live, content);
        shown.adopted = adopted;
        draft.services.push(shown);
    }
}

/// Adds a note for each version set whose smoke tests would test a change that is made in place. Only the new service of
/// a replacement is tested, because a test after a change in place could not prevent the change.
fn note_skipped_smoke_tests(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    live: &LiveService,
    content: &Content,
) {
    let references = if content.agent != live.agent {
        Some("agent")
    } else {
        (content.context_graph != live.context_graph).then_some("context graph")
    };
    let tested: BTreeSet<_> = wanted.smoke.iter().map(|test| &test.version_set).collect();
    for name in tested {
        let after = content.version_sets.get(name);
        let set = after.and_then(|after| diff::version_set(name, live.version_sets.get(name), Some(after)));
        let changed = match (references, set) {
            (Some(reference), _) => format!("the {reference}"),
            (None, Some(_)) => "this version set".to_owned(),
            (None, None) => continue,
        };
        let message = format!(
            "its smoke test on `{name}` is not run: this plan changes {changed} in place, and only the new service of a \
             replacement is tested"
        );
        draft.findings.push(Finding::note(wanted.name.clone(), message));
    }
}
