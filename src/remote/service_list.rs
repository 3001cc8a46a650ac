//! The list of services, as returned by one reading.

use std::collections::BTreeMap;

use reqwest::Method;

use super::failure::{ApiError, FailureCause};
use super::pages::Reading;
use crate::model::{LiveService, ServiceId};

/// A filter of the list of services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// All services that the API key's user can see.
    #[default]
    All,
    /// The active services that the API key's user can see.
    Active,
}

impl Listing {
    /// Returns the filter as query parameters, which are the same on both APIs.
    pub(super) fn filter(self) -> Vec<(&'static str, String)> {
        match self {
            Self::All => Vec::new(),
            Self::Active => vec![("is_active", "true".to_owned())],
        }
    }

    /// Returns true if the filter allows a service. Each answer is filtered again with this function, because some
    /// servers ignore the filter and return all services.
    pub(super) fn shows(self, service: &LiveService) -> bool {
        self == Self::All || service.active
    }
}

/// The services that one reading of the list returned.
#[derive(Clone, Debug, Default)]
pub struct ServiceList {
    /// The services, ordered by id.
    pub services: Vec<LiveService>,
    /// True if the list changed while it was read, so that services may be missing.
    pub has_shifted: bool,
    /// The total number of services according to the server, or `None` if the server does not return it.
    total: Option<u64>,
    /// The filter with which the list was read.
    pub(super) listing: Listing,
    /// The path of the request that read the list.
    path: String,
}

impl ServiceList {
    /// Converts a reading of the list. If the list changed while it was read, the reading may contain a service twice.
    /// In that case, the later entry is used.
    pub(super) fn new<T>(
        listing: Listing,
        path: String,
        reading: Reading<T>,
        into_live: impl Fn(T) -> LiveService,
    ) -> Self {
        let listed = reading.items.into_iter().map(into_live).filter(|service| listing.shows(service));
        let by_id: BTreeMap<ServiceId, LiveService> =
            listed.map(|service| (service.id.clone(), service)).collect();
        let Reading { has_shifted, total, .. } = reading;
        Self { services: by_id.into_values().collect(), has_shifted, total, listing, path }
    }

    /// Returns how many services the list lacks, compared with the server's total. Returns 0 if the server returned no
    /// total.
    fn missing_count(&self) -> i128 {
        self.total.map_or(0, |total| i128::from(total) - self.services.len() as i128)
    }

    /// Returns true if services are still missing after two readings. `merged` is the number of services that the two
    /// readings contain together.
    ///
    /// If both readings lack the same number of services, the server's total includes services that it hides from the
    /// API key's user. In this case, no service is missing.
    fn is_incomplete(first: &Self, second: &Self, merged: usize) -> bool {
        let is_less = second.total.is_some_and(|total| (merged as u64) < total);
        is_less && first.missing_count() != second.missing_count()
    }

    /// Checks, after the second reading, that no services are missing. `known` is the number of services that the two
    /// readings contain together.
    pub(super) fn check_complete(&self, first: &Self, known: usize) -> Result<(), ApiError> {
        if !Self::is_incomplete(first, self, known) {
            return Ok(());
        }
        let message = format!(
            "the list of services changed during both readings: the server counts {}, but {known} were found",
            self.total.unwrap_or_default(),
        );
        let error = ApiError::new(&Method::GET, &self.path, FailureCause::Unexpected, message);
        Err(error.hint("run the command again while no other client creates, deletes or renames services"))
    }
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
    fn missing_services_are_noticed_by_the_servers_count() {
        // Each row contains the number of services and the server's total in the first reading, the same two numbers in
        // the second reading, the number of services in both readings together, and true if services are missing.
        for (first, second, merged, expected) in [
            ((3, None), (3, None), 3, false),
            ((3, Some(3)), (3, Some(3)), 3, false),
            ((2, Some(3)), (3, Some(3)), 3, false),
            ((2, Some(3)), (2, Some(3)), 3, false),
            // Services that are hidden from the user are included in the total, but not listed.
            ((3, Some(5)), (3, Some(5)), 3, false),
            ((4, Some(6)), (3, Some(5)), 3, false),
            ((3, Some(4)), (2, Some(4)), 3, true),
            ((3, Some(3)), (2, Some(4)), 3, true),
            // A service was deleted after it was counted.
            ((3, Some(3)), (2, Some(2)), 2, false),
        ] {
            let (first, second) = (list(first.0, first.1), list(second.0, second.1));
            let incomplete = ServiceList::is_incomplete(&first, &second, merged);
            assert_eq!(incomplete, expected, "{first:?}\n{second:?}\n{merged}");
        }
    }
}
