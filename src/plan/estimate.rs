//! Estimates the number of requests of an apply, and the time that the rate limits impose.

use std::collections::BTreeMap;

use serde_json::Value;

use super::step_reads::StepReads;
use super::types::{Action, Estimate, Options, Step};
use crate::model::{Api, Endpoint, Snapshot, TAG_REPLACES};

/// The estimated duration of one request in seconds, without the effect of rate limits. It is a rule of thumb for the
/// total time that a plan shows.
const SECONDS_PER_REQUEST: f64 = 0.15;

/// Counts the requests of an apply, including the read-back, and estimates the duration of the apply.
///
/// A rate limit of L requests per minute allows L requests at once and the rest in later minutes. So k requests take at
/// least ⌊(k − 1) / L⌋ minutes.
pub(super) fn estimate(steps: &[Step], snapshot: &Snapshot, options: &Options) -> Estimate {
    let api = options.api;
    let reads = StepReads::new(steps, &snapshot.services);
    let mut by_endpoint: BTreeMap<Endpoint, usize> = BTreeMap::new();
    let mut shared_reads = 0;
    let mut add = |endpoint: Endpoint, count: usize| {
        if count > 0 {
            *by_endpoint.entry(endpoint).or_default() += count;
        }
    };
    for step in steps {
        // Counts the reads before a step. On Classic, one request reads all services, and steps that run at the same
        // time share the request. So the number of requests is at most one per step.
        match reads.of(&step.action).len() {
            0 => {}
            _ if api.reads_services_together() => shared_reads += 1,
            services => add(Endpoint::GetService, services),
        }
        for (endpoint, count) in requests_of(&step.action, api) {
            add(endpoint, count);
        }
    }
    let list = pages(snapshot.services.len(), Endpoint::ListServices.page_size(api));
    // After an inactive service is created, the list of services shows whether another run has created the same
    // service. Services that are created at the same time share one reading of this list.
    add(Endpoint::ListServices, if steps.iter().any(checks_for_duplicates) { list } else { 0 });
    add(Endpoint::ListServices, if steps.is_empty() { 0 } else { list });
    let limited = by_endpoint.clone();
    if shared_reads > 0 {
        *by_endpoint.entry(Endpoint::ListServices).or_default() += shared_reads;
    }
    let requests = by_endpoint.values().sum();
    // The shared reads are left out here: steps that wait for such a read share it, so its rate limit never determines
    // the time.
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
        longest.map_or(0, |(seconds, _)| seconds) + (requests as f64 * SECONDS_PER_REQUEST).ceil() as u64;
    Estimate { by_endpoint, requests, seconds, bound_by: longest.map(|(_, endpoint)| endpoint) }
}

/// Returns the endpoints that a step calls, each with the number of requests. The reads before the step are not
/// included.
fn requests_of(action: &Action, api: Api) -> Vec<(Endpoint, usize)> {
    match action {
        Action::Create(_) => vec![(Endpoint::CreateService, 1)],
        Action::Retire { update: None, .. } => vec![(Endpoint::DeleteService, 1)],
        Action::Update { update, .. } => {
            let merges = !update.version_sets.is_empty() || update.settings.values().any(Value::is_object);
            vec![(Endpoint::GetService, usize::from(merges)), (Endpoint::UpdateService, 1)]
        }
        Action::RenameTemporarily { .. } | Action::Retire { .. } => vec![(Endpoint::UpdateService, 1)],
        Action::Abandon { .. } => {
            // A read after the update shows whether another run has activated the service at the same moment.
            let read =
                if api.reads_services_together() { Endpoint::ListServices } else { Endpoint::GetService };
            vec![(Endpoint::UpdateService, 1), (read, 1)]
        }
        Action::WriteVersionSet { .. } => vec![(Endpoint::WriteVersionSet, 1)],
        Action::DeleteVersionSet { .. } if api.updates_version_sets() => {
            vec![(Endpoint::GetService, 1), (Endpoint::UpdateService, 1)]
        }
        Action::DeleteVersionSet { .. } => vec![(Endpoint::DeleteVersionSet, 1)],
        Action::ApplyBehaviorSet { .. } => {
            vec![(Endpoint::ListBehaviorSets, 1), (Endpoint::UpdateBehaviorSet, 1)]
        }
        Action::Smoke { .. } if api == Api::Platform => vec![(Endpoint::TakeTurn, 1)],
        Action::Smoke { .. } => vec![(Endpoint::StartConversation, 1), (Endpoint::FinishConversation, 1)],
        Action::HandOver { rename, .. } => vec![(Endpoint::UpdateService, 1 + usize::from(rename.is_some()))],
    }
}

/// Returns true if an apply reads the list of services after this step, to find duplicates that another run has
/// created.
fn checks_for_duplicates(step: &Step) -> bool {
    matches!(&step.action, Action::Create(new) if !new.active && !new.tags.contains_key(TAG_REPLACES))
}

fn pages(items: usize, size: usize) -> usize {
    items.div_ceil(size.max(1)).max(1)
}
