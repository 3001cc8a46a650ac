//! The list of all services: read once, and read again where one reading is not enough. May import `model` only.

use std::collections::BTreeMap;

use reqwest::Method;

use super::ReadApi;
use super::failure::{ApiError, Cause};
use super::pages::Reading;
use crate::model::{LiveService, ServiceId, merge_readings, only_in_first};

/// Which services a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// All that the user may see.
    #[default]
    All,
    /// The active ones among them.
    Active,
}

impl Listing {
    /// The filter in the request: the same on both APIs.
    pub(super) fn filter(self) -> Vec<(&'static str, String)> {
        match self {
            Self::All => Vec::new(),
            Self::Active => vec![("is_active", "true".to_owned())],
        }
    }

    /// Whether the list shows a service. A server that ignores the filter answers with all services.
    fn shows(self, service: &LiveService) -> bool {
        self == Self::All || service.active
    }
}

/// Services that the user may see, as one reading of the list shows them.
#[derive(Clone, Debug, Default)]
pub struct ServiceList {
    /// The services, ordered by id.
    pub services: Vec<LiveService>,
    /// Whether something shows that the list shifted while it was read: services may be missing.
    pub has_shifted: bool,
    /// How many services the server counts, where it says so.
    total: Option<u64>,
    /// Which services the list shows.
    listing: Listing,
    /// The path that was read.
    path: String,
}

impl ServiceList {
    pub(super) fn new<T>(
        listing: Listing,
        path: String,
        reading: Reading<T>,
        into_live: impl Fn(T) -> LiveService,
    ) -> Self {
        // A list that changes while it is read may show one twice: by id, the later answer counts.
        let listed = reading.items.into_iter().map(into_live).filter(|service| listing.shows(service));
        let by_id: BTreeMap<ServiceId, LiveService> =
            listed.map(|service| (service.id.clone(), service)).collect();
        let Reading { has_shifted, total, .. } = reading;
        Self { services: by_id.into_values().collect(), has_shifted, total, listing, path }
    }

    /// How many services the server counts and the list lacks.
    fn lacking(&self) -> i128 {
        self.total.map_or(0, |total| i128::from(total) - self.services.len() as i128)
    }

    /// Whether services are missing in the outcome of two readings. A server that counts the same number too many
    /// both times counts services that it doesn't list.
    fn is_incomplete(first: &Self, second: &Self, merged: usize) -> bool {
        let is_less = second.total.is_some_and(|total| (merged as u64) < total);
        is_less && first.lacking() != second.lacking()
    }
}

/// Reads the list of services again, and gives what is known after both readings: services that only the first one has
/// are read by id.
///
/// # Errors
///
/// The first request that failed for good; a list that shifted both times, so that services are still missing.
pub async fn read_services_again(
    api: &impl ReadApi,
    first: &ServiceList,
) -> Result<Vec<LiveService>, ApiError> {
    let second = api.list_services(first.listing).await?;
    let doubtful = only_in_first(&first.services, &second.services);
    let mut found = if doubtful.is_empty() { Vec::new() } else { api.services_by_id(&doubtful).await? };
    found.retain(|service| first.listing.shows(service));
    let known = second.services.len() + found.len();
    if ServiceList::is_incomplete(first, &second, known) {
        let message = format!(
            "the list of services changed while it was read, twice: the server counts {}, and {known} were found",
            second.total.unwrap_or_default(),
        );
        let error = ApiError::new(&Method::GET, &second.path, Cause::Unreadable, message);
        return Err(error.hint("run it again when nothing else creates, deletes or renames services"));
    }
    Ok(merge_readings(second.services, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServiceName;

    fn list(count: usize, total: Option<u64>) -> ServiceList {
        let service = |number: usize| LiveService {
            id: format!("s{number}").as_str().into(),
            name: ServiceName::new("Desk"),
            description: String::new(),
            active: true,
            agent: "a1".into(),
            context_graph: "g1".into(),
            tags: Default::default(),
            repeated_tags: Default::default(),
            keyterms: Vec::new(),
            version_sets: Default::default(),
            settings: Default::default(),
            system: false,
            updated_by: None,
            updated_at: None,
        };
        ServiceList {
            services: (0..count).map(service).collect(),
            has_shifted: false,
            total,
            listing: Listing::All,
            path: String::new(),
        }
    }

    #[test]
    fn services_that_the_server_counts_are_missing_unless_it_counts_the_same_number_too_many_twice() {
        // The first reading's services and total, the second's, how many are known after both.
        for (first, second, merged, expected) in [
            ((3, None), (3, None), 3, false),
            ((3, Some(3)), (3, Some(3)), 3, false),
            ((2, Some(3)), (3, Some(3)), 3, false),
            ((2, Some(3)), (2, Some(3)), 3, false),
            // Services that this user may not see are counted, and not listed.
            ((3, Some(5)), (3, Some(5)), 3, false),
            ((4, Some(6)), (3, Some(5)), 3, false),
            ((3, Some(4)), (2, Some(4)), 3, true),
            ((3, Some(3)), (2, Some(4)), 3, true),
            // One was deleted after it had been counted.
            ((3, Some(3)), (2, Some(2)), 2, false),
        ] {
            let (first, second) = (list(first.0, first.1), list(second.0, second.1));
            let told = ServiceList::is_incomplete(&first, &second, merged);
            assert_eq!(told, expected, "{first:?}\n{second:?}\n{merged}");
        }
    }
}
