//! Reads the query parameters that filter lists by id or by tag.

use std::collections::BTreeMap;

use serde_json::json;

use super::validate::id;
use crate::api::problems::{At, RequestProblems};
use crate::api::query::Query;

/// Reads a query parameter whose values are ids. Adds an error for each invalid id.
pub(super) fn ids(query: &Query, problems: &mut RequestProblems, name: &str) -> Vec<String> {
    let at = At::query(name);
    query.all(name).enumerate().filter_map(|(n, value)| id(problems, &at.then(n), &json!(value))).collect()
}

/// Reads a query parameter whose values are tag filters. Adds an error for each invalid filter.
pub(super) fn tags(query: &Query, problems: &mut RequestProblems, name: &str) -> Vec<TagFilter> {
    let mut filters = Vec::new();
    for (n, text) in query.all(name).enumerate() {
        match TagFilter::parse(text) {
            Some(filter) => filters.push(filter),
            None => {
                let message = "Value error, a tag filter is written key:value";
                problems.add("value_error", &At::query(name).then(n), message, &json!(text));
            }
        }
    }
    filters
}

/// A filter that selects list items by one of their tags: `key:value` requires this value, `key:*` accepts any value,
/// and `key:` requires a tag without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TagFilter {
    key: String,
    value: VersionQuery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum VersionQuery {
    Anything,
    Null,
    Exactly(String),
}

impl TagFilter {
    fn parse(text: &str) -> Option<Self> {
        let (key, value) = text.split_once(':')?;
        let value = match value {
            "*" => VersionQuery::Anything,
            "" => VersionQuery::Null,
            other => VersionQuery::Exactly(other.to_owned()),
        };
        (!key.is_empty()).then(|| Self { key: key.to_owned(), value })
    }

    /// Returns true if one of the tags matches the filter.
    pub(super) fn fits(&self, tags: &BTreeMap<String, Option<String>>) -> bool {
        tags.get(&self.key).is_some_and(|found| match &self.value {
            VersionQuery::Anything => true,
            VersionQuery::Null => found.is_none(),
            VersionQuery::Exactly(value) => found.as_ref() == Some(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_filters_are_parsed() {
        let tags: BTreeMap<_, _> =
            [("team".to_owned(), Some("care".to_owned())), ("audited".to_owned(), None)].into();
        let fits = |text| TagFilter::parse(text).map(|filter| filter.fits(&tags));
        assert_eq!(fits("team:care"), Some(true));
        assert_eq!(fits("team:*"), Some(true));
        assert_eq!(fits("audited:*"), Some(true));
        assert_eq!(fits("audited:"), Some(true));
        assert_eq!(fits("team:"), Some(false));
        assert_eq!(fits("team:other"), Some(false));
        assert_eq!(fits("other:*"), Some(false));
        assert_eq!(fits("team"), None);
        assert_eq!(fits(":care"), None);
    }
}
