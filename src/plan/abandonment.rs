//! Abandons the new services of replacements that are no longer wanted: such a service is renamed and stays inactive.

use std::collections::BTreeSet;

use super::changes::ServiceChanges;
use super::draft::{Draft, DraftStep};
use super::matcher::ServiceMatch;
use super::types::{Action, LastChange, Risk, ServiceKind, ServicePlan};
use super::{names, origins};
use crate::model::{
    Desired, DesiredService, LiveService, ServiceId, ServiceName, ServiceUpdate, TAG_REPLACES,
};

/// Returns the update that abandons the new service of a replacement. The service stays inactive, and later runs don't
/// mistake it for part of an unfinished replacement.
pub fn abandonment(
    service: &LiveService,
    today: &str,
    is_taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceUpdate {
    let name = names::abandoned(&service.name, today, &service.id, is_taken);
    let mut tags = service.tags.clone();
    tags.remove(TAG_REPLACES);
    let mut update = ServiceUpdate { name: Some(name), tags: Some(tags), ..ServiceUpdate::default() };
    origins::mark_former(&mut update, service);
    update
}

/// Adds the step that abandons the new service of a replacement.
pub(super) fn abandon(draft: &mut Draft<'_>, wanted: &DesiredService, service: &LiveService) {
    let update = abandonment(service, &draft.options.today, &|name| draft.is_taken(name));
    let action = Action::Abandon { id: service.id.clone(), update: Box::new(update) };
    let mut step = DraftStep::new(&wanted.name, action, Risk::Safe);
    step.blocks_dependents = false;
    step.reason = Some("an earlier run began a replacement that is no longer wanted".to_owned());
    draft.push(step);
    if !draft.services.iter().any(|shown| shown.name == wanted.name) {
        draft.services.push(ServicePlan {
            name: wanted.name.clone(),
            kind: ServiceKind::Update,
            id: Some(service.id.clone()),
            former_name: None,
            adopted: false,
            continued: false,
            joins: None,
            changes: ServiceChanges::default(),
            cause: None,
            last_change: LastChange::of(service),
            steps: Vec::new(),
        });
    }
}

/// Abandons the new service of each unfinished replacement that can no longer be completed. This is the case if this
/// plan replaces or deletes the old service. It is also the case if the old service is gone and the manifest matches
/// another service. Otherwise the new service would stay until the next run abandons it.
pub(super) fn abandon_overtaken(draft: &mut Draft<'_>, desired: &Desired, matches: &[ServiceMatch<'_>]) {
    let mut known: BTreeSet<&ServiceId> =
        matches.iter().flat_map(ServiceMatch::services).map(|service| &service.id).collect();
    let mut replaced: BTreeSet<ServiceId> = BTreeSet::new();
    let mut abandoned: BTreeSet<ServiceId> = BTreeSet::new();
    for step in &draft.steps {
        match &step.action {
            Action::HandOver { old: id, .. } | Action::Retire { id, update: None, .. } => {
                replaced.insert(id.clone());
            }
            Action::Abandon { id, .. } => {
                abandoned.insert(id.clone());
            }
            _ => {}
        }
    }
    known.extend(&abandoned);
    // If the old service is gone and the manifest has another service, nothing will use the new service.
    let with_service: BTreeSet<&ServiceName> =
        matches.iter().filter(|matched| matched.live.is_some()).map(|matched| &matched.wanted.name).collect();
    let is_unused = |service: &LiveService, old: &ServiceId| {
        let name = names::replacing_target(service).filter(|_| draft.live(old).is_none());
        name.is_some_and(|name| with_service.contains(&name))
    };
    let is_overtaken = |service: &&LiveService| {
        let old = service.tags.get(TAG_REPLACES).and_then(Option::as_deref).map(ServiceId::new);
        !service.active
            && !known.contains(&service.id)
            && draft.policy.ownership.owns(&service.tags)
            && old.is_some_and(|old| replaced.contains(&old) || is_unused(service, &old))
    };
    let mut overtaken: Vec<&LiveService> = draft.snapshot.services.iter().filter(is_overtaken).collect();
    overtaken.sort_by(|a, b| a.id.cmp(&b.id));
    for service in overtaken {
        let wanted = names::replacing_target(service).and_then(|name| desired.services.get(&name));
        let only = &draft.options.only;
        if let Some(wanted) = wanted.filter(|wanted| only.is_empty() || only.contains(&wanted.name)) {
            abandon(draft, wanted, service);
        }
    }
}
