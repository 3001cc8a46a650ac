//! What applying a plan costs in requests and time. May import `model` only.

use std::collections::BTreeMap;

use serde_json::Value;

use super::looks::Looks;
use super::types::{Action, Estimate, Options, Step};
use crate::model::{Api, Endpoint, Snapshot, TAG_REPLACES};

/// Seconds that one request takes when nothing else is in the way: a rule of thumb for the shown total.
const SECONDS_A_REQUEST: f64 = 0.15;

/// Counts the requests of an apply, the reading back included, and the time that the limits impose.
///
/// A limit of L a minute lets L requests through at once and the rest in later minutes, so k requests
/// take at least ⌊(k − 1) / L⌋ minutes.
pub(super) fn estimate(steps: &[Step], snapshot: &Snapshot, options: &Options) -> Estimate {
    let api = options.api;
    let looks = Looks::new(steps, &snapshot.services);
    let mut by_endpoint: BTreeMap<Endpoint, usize> = BTreeMap::new();
    let mut shared = 0;
    let mut add = |endpoint: Endpoint, count: usize| {
        if count > 0 {
            *by_endpoint.entry(endpoint).or_default() += count;
        }
    };
    for step in steps {
        // What a step looks at before it acts. On Classic one request reads it all, and steps that look at the same
        // time share one: this is the most that it can be.
        match looks.of(&step.action).len() {
            0 => {}
            _ if api.reads_services_together() => shared += 1,
            services => add(Endpoint::GetService, services),
        }
        match &step.action {
            Action::Create(_) => add(Endpoint::CreateService, 1),
            Action::Retire { update: None, .. } => add(Endpoint::DeleteService, 1),
            Action::Update { update, .. } => {
                let reads = !update.version_sets.is_empty() || update.settings.values().any(Value::is_object);
                add(Endpoint::GetService, usize::from(reads));
                add(Endpoint::UpdateService, 1);
            }
            Action::SetAside { .. } | Action::Retire { .. } => add(Endpoint::UpdateService, 1),
            Action::Discard { .. } => {
                add(Endpoint::UpdateService, 1);
                // Whether nobody has activated it at the same moment.
                let read =
                    if api.reads_services_together() { Endpoint::ListServices } else { Endpoint::GetService };
                add(read, 1);
            }
            Action::WriteVersionSet { .. } => add(Endpoint::WriteVersionSet, 1),
            Action::DeleteVersionSet { .. } if api.updates_version_sets() => {
                add(Endpoint::GetService, 1);
                add(Endpoint::UpdateService, 1);
            }
            Action::DeleteVersionSet { .. } => add(Endpoint::DeleteVersionSet, 1),
            Action::ApplyBehaviorSet { .. } => {
                add(Endpoint::ListBehaviorSets, 1);
                add(Endpoint::UpdateBehaviorSet, 1);
            }
            Action::Smoke { .. } if api == Api::Platform => add(Endpoint::TakeTurn, 1),
            Action::Smoke { .. } => {
                add(Endpoint::StartConversation, 1);
                add(Endpoint::FinishConversation, 1);
            }
            Action::HandOver { rename, .. } => {
                add(Endpoint::UpdateService, 1 + usize::from(rename.is_some()))
            }
        }
    }
    let list = pages(snapshot.services.len(), Endpoint::ListServices.page_size(api));
    // Inactive services that are new look around for others of their name; those made at once share a list.
    add(Endpoint::ListServices, if steps.iter().any(looks_around) { list } else { 0 });
    add(Endpoint::ListServices, if steps.is_empty() { 0 } else { list });
    let limited = by_endpoint.clone();
    if shared > 0 {
        *by_endpoint.entry(Endpoint::ListServices).or_default() += shared;
    }
    let requests = by_endpoint.values().sum();
    // Steps that wait for a look share it when it comes: its limit is never what a run waits for.
    let waits = |(endpoint, count): (&Endpoint, &usize)| {
        let limit = endpoint.per_minute(api)?.max(1) as usize;
        Some((((count - 1) / limit) as u64 * 60, *endpoint))
    };
    let longest = limited
        .iter()
        .filter_map(waits)
        .max_by_key(|(seconds, _)| *seconds)
        .filter(|(seconds, _)| *seconds > 0 && options.limited);
    let seconds =
        longest.map_or(0, |(seconds, _)| seconds) + (requests as f64 * SECONDS_A_REQUEST).ceil() as u64;
    Estimate { by_endpoint, requests, seconds, bound_by: longest.map(|(_, endpoint)| endpoint) }
}

fn looks_around(step: &Step) -> bool {
    matches!(&step.action, Action::Create(new) if !new.active && !new.tags.contains_key(TAG_REPLACES))
}

fn pages(items: usize, size: usize) -> usize {
    items.div_ceil(size.max(1)).max(1)
}
