//! Merges the results of two readings of the list of all services.
//!
//! A list is read page by page. If another client changes the list in the meantime, a reading can miss an existing
//! service. The second reading has the newest state. If only the first reading contains a service, the service was
//! either deleted, or missed by the second reading. To find out which, the service is read by its id.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::ServiceId;
use super::live::LiveService;

/// Returns the ids of the services that are in the first reading but not in the second.
pub fn only_in_first(first: &[LiveService], second: &[LiveService]) -> BTreeSet<ServiceId> {
    let there: BTreeSet<&ServiceId> = second.iter().map(|service| &service.id).collect();
    first.iter().map(|service| &service.id).filter(|id| !there.contains(id)).cloned().collect()
}

/// Returns all services that still exist according to the two readings, ordered by id. These are the services of the
/// second reading, and `found_by_id`: services of the first reading that still existed when they were read by id.
pub fn merge_readings(second: Vec<LiveService>, found_by_id: Vec<LiveService>) -> Vec<LiveService> {
    let all = found_by_id.into_iter().chain(second);
    let by_id: BTreeMap<ServiceId, LiveService> = all.map(|service| (service.id.clone(), service)).collect();
    by_id.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    fn service(id: &str, name: &str, active: bool) -> LiveService {
        LiveService {
            id: id.into(),
            name: name.into(),
            description: String::new(),
            active,
            agent: "a1".into(),
            context_graph: "g1".into(),
            tags: BTreeMap::new(),
            repeated_tags: BTreeSet::new(),
            keyterms: Vec::new(),
            version_sets: BTreeMap::new(),
            settings: Map::new(),
            system: false,
            updated_by: None,
            updated_at: None,
        }
    }

    /// Parses services such as `1=Desk 2=Coach!`, where `!` means inactive.
    fn services(text: &str) -> Vec<LiveService> {
        let one = |word: &str| {
            let (id, name) = word.split_once('=').expect("id=name");
            service(id, name.trim_end_matches('!'), !name.ends_with('!'))
        };
        text.split_whitespace().map(one).collect()
    }

    fn text(services: &[LiveService]) -> String {
        let one = |service: &LiveService| {
            let mark = if service.active { "" } else { "!" };
            format!("{}={}{mark}", service.id, service.name)
        };
        services.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn services_of_the_first_read_only_come_from_the_read_by_id() {
        // Each row contains the first reading, the second reading, the ids to read, the services found by id, and the
        // result.
        for (first, second, asked, found, merged) in [
            ("", "", "", "", ""),
            ("1=A 2=B", "2=B 1=A", "", "", "1=A 2=B"),
            ("1=A", "1=A 2=B", "", "", "1=A 2=B"),
            ("1=A 2=B", "1=A", "2", "2=B", "1=A 2=B"),
            ("1=A 2=B", "1=A", "2", "2=C!", "1=A 2=C!"),
            ("1=A 2=B", "1=A", "2", "", "1=A"),
            ("1=A 2=B", "1=A 3=B", "2", "", "1=A 3=B"),
            ("1=A", "1=B", "", "", "1=B"),
            ("1=A!", "1=A", "", "", "1=A"),
            ("", "1=A", "", "", "1=A"),
            ("1=A", "", "1", "1=A", "1=A"),
        ] {
            let (before, after) = (services(first), services(second));
            let ids: Vec<String> = only_in_first(&before, &after).iter().map(ToString::to_string).collect();
            assert_eq!(ids.join(" "), asked, "{first} / {second}");
            assert_eq!(text(&merge_readings(after, services(found))), merged, "{first} / {second}");
        }
    }
}
