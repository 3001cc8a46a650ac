//! Checks a plan that ends the management of services: it may only remove the tool's own tags, and only from owned
//! services that the user names and that no manifest declares.

use super::super::types::{Action, Options, Plan};
use super::state::SimulatedState;
use crate::model::{
    Desired, LiveService, OriginTag, Policy, Retire, Snapshot, TAG_ORIGIN, TAG_PROTECTED, TAG_REPLACES,
};

/// Returns a message for each rule that the plan breaks.
pub(super) fn violations(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    options: &Options,
    plan: &Plan,
) -> Vec<String> {
    let mut violations = Vec::new();
    let mut after = SimulatedState::new(snapshot, options.api);
    for step in &plan.steps {
        let is_kept = matches!(&step.action, Action::Retire { how: Retire::Keep, update: Some(_), .. });
        if !is_kept || !step.depends_on.is_empty() {
            violations
                .push(format!("step {} ({}): does more than ending the management", step.id, step.service));
        }
        after.apply(step);
    }
    for before in &snapshot.services {
        let id = &before.id;
        let is_chosen = policy.ownership.owns(&before.tags) && options.unmanage.contains(&before.name);
        match after.services.get(id) {
            Some(now) if now == before => {}
            Some(now) if *now == without_own_tags(before, policy) => {
                if !is_chosen || before.system || desired.services.contains_key(&before.name) {
                    violations.push(format!("stops managing service {id}, which must stay managed"));
                }
            }
            _ => violations.push(format!("changes more of service {id} than the tool's own tags")),
        }
    }
    let is_left = |service: &&LiveService| {
        service.active && options.unmanage.contains(&service.name) && policy.ownership.owns(&service.tags)
    };
    let left = after.services.values().filter(is_left);
    violations.extend(left.map(|service| format!("at the end `{}` is still managed", service.name)));
    violations
}

/// Returns the service without the tags that this tool writes. A tag `origin` with another form is the user's and stays.
fn without_own_tags(service: &LiveService, policy: &Policy) -> LiveService {
    let mut service = service.clone();
    if OriginTag::of(&service.tags).is_some() {
        service.tags.remove(TAG_ORIGIN);
    }
    for key in [policy.ownership.tag.as_str(), TAG_PROTECTED, TAG_REPLACES] {
        service.tags.remove(key);
    }
    service
}
