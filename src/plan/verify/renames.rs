//! Checks that a plan does not create a second service for one that another client has probably renamed.

use std::collections::BTreeSet;

use super::super::types::{Action, Options, Plan, ServiceKind};
use crate::model::{
    Desired, LiveService, NameHash, OriginTag, Policy, ServiceId, ServiceName, Snapshot, TAG_REPLACES,
};

/// Returns a violation for each new service that is probably an orphan under another name. The orphan has the same agent
/// and context graph as the new service, and no other orphan has both. Its tag `origin` does not show that it was made
/// for its own name.
pub(super) fn violations(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    options: &Options,
    plan: &Plan,
) -> Vec<String> {
    if !options.enforce_guardrails {
        return Vec::new();
    }
    let retired = plan.services.iter().filter(|service| service.kind == ServiceKind::Retire);
    let mut ids: BTreeSet<&ServiceId> = retired.filter_map(|service| service.id.as_ref()).collect();
    ids.extend(plan.orphans.iter().map(|(_, id)| id));
    let is_orphan = |service: &&LiveService| ids.contains(&service.id) && !has_tool_suffix(service);
    let orphans: Vec<&LiveService> = snapshot.services.iter().filter(is_orphan).collect();
    let replaced: BTreeSet<&ServiceName> = plan
        .services
        .iter()
        .filter(|service| service.kind != ServiceKind::Create)
        .map(|service| &service.name)
        .collect();
    let mut violations = Vec::new();
    for step in plan.steps.iter().filter(|step| !replaced.contains(&step.service)) {
        let Action::Create(new) = &step.action else { continue };
        let is_same =
            |orphan: &&&LiveService| orphan.agent == new.agent && orphan.context_graph == new.context_graph;
        let mut same = orphans.iter().filter(is_same);
        let (Some(orphan), None) = (same.next(), same.next()) else { continue };
        let wanted = desired.services.get(&step.service);
        let is_declared =
            wanted.is_some_and(|wanted| wanted.lifecycle.renamed_from.as_ref() == Some(&orphan.name));
        let origin = OriginTag::of(&orphan.tags).filter(|_| policy.ownership.origin);
        let has_own_name =
            origin.is_some_and(|origin| !origin.is_former && origin.name == NameHash::of(&orphan.name));
        let is_allowed = options.create.contains(&step.service) || has_own_name;
        if !is_declared && !is_allowed {
            violations.push(format!(
                "creates `{}`, although it may be `{}` under another name",
                step.service, orphan.name
            ));
        }
    }
    violations
}

/// Returns true if a service's name ends with the words that a replacement or a rename adds, and with the beginning of its
/// own id or of the id of its old service.
pub(super) fn has_tool_suffix(service: &LiveService) -> bool {
    let Some((_, inside)) = service.name.as_str().strip_suffix(')').and_then(|name| name.rsplit_once(" ("))
    else {
        return false;
    };
    let words: Vec<&str> = inside.split(' ').collect();
    let (id, old) = (service.id.as_str(), service.tags.get(TAG_REPLACES).and_then(Option::as_deref));
    let begins = |id: &str, short: &str| short.len() >= id.len().min(6) && id.starts_with(short);
    match words[..] {
        ["replaced" | "abandoned", _, short] | ["renaming", short] => begins(id, short),
        ["replacing", short] => old.is_some_and(|old| begins(old, short)),
        _ => false,
    }
}
