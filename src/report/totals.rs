//! Counts of services, and the cost of an apply, as text.

use super::text::count;
use crate::model::Api;
use crate::plan::{Estimate, Plan};

/// Returns the number of live services as text, such as `5 services live (and 1 inactive)`.
pub(super) fn live(plan: &Plan) -> String {
    let active = format!("{} live", count(plan.active, "service"));
    if plan.inactive == 0 { active } else { format!("{active} (and {} inactive)", plan.inactive) }
}

/// Returns a number of services with the verb: `1 service is`, `2 services are`.
pub(super) fn services_are(number: usize) -> String {
    format!("{} {}", count(number, "service"), if number == 1 { "is" } else { "are" })
}

/// Returns the number of requests and the time that an apply takes, in one line.
pub(super) fn estimate(estimate: &Estimate, api: Api) -> String {
    let requests = count(estimate.requests, "request");
    let time = match estimate.seconds {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    };
    match estimate.bound_by {
        Some(endpoint) => {
            format!(
                "{requests}, about {time} because of rate limits ({}: {}/min)",
                endpoint.label(),
                endpoint.per_minute(api).unwrap_or_default()
            )
        }
        None => format!("{requests}, about {time}"),
    }
}
