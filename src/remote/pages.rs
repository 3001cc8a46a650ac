//! Reads lists page by page. Detects whether a list shifted: another client changed it during the reading, so that
//! entries moved to other pages.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bounds::estimate_memory;
use super::call::Call;
use super::client::Client;
use super::failure::ApiError;
use super::list_bounds::ListBounds;
use super::wire::CatalogItem;
use crate::model::{Catalog, CatalogEntry, Endpoint, LatestVersion};

/// One page of a list.
pub(super) trait Page: serde::de::DeserializeOwned {
    /// The type of the list's entries.
    type Item: ListItem;
    /// Returns the items of the page.
    fn items(self) -> Vec<Self::Item>;
    /// Returns the page's `has_more` (true if more pages follow), and the token of the next page if there is one.
    fn next(&self) -> (bool, Option<Value>);
    /// Returns the number of items in the whole list, or `None` if the server does not return it.
    fn total(&self) -> Option<u64>;
}

/// An entry of a list.
pub(super) trait ListItem {
    /// Returns the id of the entry, which is unique in the list.
    fn id(&self) -> &str;
}

/// Defines a type for the pages of a list. The macro's parameters are the type's name, the JSON key of the items, and
/// the items' type.
macro_rules! page {
    ($name:ident, $field:ident, $item:ty) => {
        #[derive(serde::Deserialize)]
        struct $name {
            $field: Vec<$item>,
            #[serde(default)]
            has_more: Option<bool>,
            #[serde(default)]
            continuation_token: Option<serde_json::Value>,
            #[serde(default)]
            total: Option<serde_json::Value>,
        }

        impl $crate::remote::pages::Page for $name {
            type Item = $item;
            fn items(self) -> Vec<$item> {
                self.$field
            }
            fn next(&self) -> (bool, Option<serde_json::Value>) {
                (self.has_more.unwrap_or_default(), self.continuation_token.clone())
            }
            fn total(&self) -> Option<u64> {
                self.total.as_ref()?.as_u64()
            }
        }
    };
}
pub(super) use page;

/// The result of reading a list once, from its first page to its last.
#[derive(Debug)]
pub(super) struct Reading<T> {
    /// The items in the order of the pages. An item may occur more than once.
    pub(super) items: Vec<T>,
    /// True if the list changed while it was read, so that entries may be missing.
    pub(super) has_shifted: bool,
    /// The number of items in the list, according to the last page.
    pub(super) total: Option<u64>,
}

/// Detects that a list shifts while its pages are read: entries move to other pages, because another client changes the
/// list. In that case, an entry may be missed or read twice.
#[derive(Default)]
struct ShiftDetector {
    ids: BTreeSet<String>,
    items: usize,
    totals: BTreeSet<u64>,
    is_short: bool,
    token: Option<u64>,
    token_decreased: bool,
}

impl ShiftDetector {
    /// Adds a page. `limit` is the maximum number of items that the request asked for.
    fn add(
        &mut self,
        ids: Vec<String>,
        limit: usize,
        (has_more, next): (bool, Option<&Value>),
        total: Option<u64>,
    ) {
        self.is_short |= has_more && ids.len() < limit;
        self.items += ids.len();
        self.ids.extend(ids);
        self.totals.extend(total);
        // A token that is a number is an offset or a position in a sorted list, so it must grow from page to page.
        let number = |token: &Value| token.as_u64().or_else(|| token.as_str()?.parse().ok());
        if let Some(token) = next.filter(|_| has_more).and_then(number) {
            self.token_decreased |= self.token.is_some_and(|before| token <= before);
            self.token = Some(token);
        }
    }

    /// Returns true if the list shifted while it was read. The list shifted if pages overlap, or if the total changed
    /// or differs from the number of items. It also shifted if a page's token is a number and not greater than the
    /// token before. A short page before the last page means a shift, too, unless the server returns the correct total.
    fn has_shifted(&self) -> bool {
        let overlaps = self.ids.len() < self.items;
        let miscounts =
            self.totals.len() > 1 || self.totals.first().is_some_and(|total| *total != self.ids.len() as u64);
        overlaps || miscounts || self.token_decreased || (self.is_short && self.totals.is_empty())
    }
}

impl Client {
    /// Reads all pages of a list. If another client changed the list during the reading, reads it once more and returns
    /// the items of both readings. If both readings contain an item, the item of the second reading is returned.
    ///
    /// # Errors
    ///
    /// Fails if [`Self::read_pages`] fails.
    pub(super) async fn pages<T: Page>(
        &self,
        endpoint: Endpoint,
        path: &str,
        filter: &[(&'static str, String)],
    ) -> Result<Vec<T::Item>, ApiError> {
        let size = endpoint.page_size(self.api());
        let first = self.read_pages::<T>(endpoint, path, filter, size).await?;
        if !first.has_shifted {
            return Ok(first.items);
        }
        let second = self.read_pages::<T>(endpoint, path, filter, size).await?;
        let items = first.items.into_iter().chain(second.items);
        let by_id: BTreeMap<String, T::Item> = items.map(|item| (item.id().to_owned(), item)).collect();
        Ok(by_id.into_values().collect())
    }

    /// Reads all pages of a list once, with `size` items on each page.
    ///
    /// # Errors
    ///
    /// Fails if a page can't be read, if a page lacks the token of the next page, or if the list does not end.
    pub(super) async fn read_pages<T: Page>(
        &self,
        endpoint: Endpoint,
        path: &str,
        filter: &[(&'static str, String)],
        size: usize,
    ) -> Result<Reading<T::Item>, ApiError> {
        let mut items = Vec::new();
        let mut check = ShiftDetector::default();
        let mut token: Option<String> = None;
        let mut bounds = ListBounds::new(path);
        loop {
            let mut query = filter.to_vec();
            query.push(("limit", size.to_string()));
            if let Some(token) = &token {
                query.push(("continuation_token", token.clone()));
            }
            let (page, memory) = self.page::<T>(&Call::get(endpoint, path.to_owned(), query)).await?;
            let ((more, next), total) = (page.next(), page.total());
            let on_page = page.items();
            bounds.count_page(on_page.len(), memory)?;
            let ids = on_page.iter().map(|item| item.id().to_owned()).collect();
            check.add(ids, size, (more, next.as_ref()), total);
            items.extend(on_page);
            if !more {
                return Ok(Reading { items, has_shifted: check.has_shifted(), total });
            }
            token = Some(bounds.next_token(next.as_ref())?);
        }
    }

    /// Reads one page, and returns the page with an estimate of the memory that it needs.
    async fn page<T: Page>(&self, call: &Call) -> Result<(T, usize), ApiError> {
        self.call(call, |body| Ok((serde_json::from_slice(body)?, estimate_memory(body)))).await
    }
}

impl Client {
    /// Returns the newest version of an agent or context graph: the first entry of the list of versions. `filter` is
    /// the query parameter that makes the server return the newest version first.
    ///
    /// # Errors
    ///
    /// Fails if the request fails, if the answer has no list, or if a version in the list is not a number.
    pub(super) async fn newest_version<T: Page<Item = VersionEntry>>(
        &self,
        endpoint: Endpoint,
        path: String,
        filter: (&'static str, &str),
    ) -> Result<LatestVersion, ApiError> {
        let query = vec![(filter.0, filter.1.to_owned()), ("limit", "1".to_owned())];
        let page: T = self.call_json(&Call::get(endpoint, path, query)).await?;
        Ok(page.items().first().map_or(LatestVersion::None, |newest| LatestVersion::Number(newest.version)))
    }
}

/// An entry of a list of versions.
#[derive(serde::Deserialize)]
pub(super) struct VersionEntry {
    version: u32,
}

impl ListItem for VersionEntry {
    /// Returns an empty string, because entries of this list have no id. They need no id, because only the first page
    /// of a list of versions is read.
    fn id(&self) -> &str {
        ""
    }
}

impl ListItem for CatalogItem {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Adds the agents or context graphs of a list to a catalog.
pub(super) fn add_to_catalog<Id: Ord + for<'t> From<&'t str>>(
    catalog: &mut Catalog<Id>,
    read: Vec<CatalogItem>,
) {
    for item in read {
        let entry = CatalogEntry {
            name: item.name.trim().to_owned(),
            latest: item.latest(),
            deprecated: item.deprecated.unwrap_or_default(),
        };
        catalog.entries.insert(Id::from(&item.id), entry);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns true if the detector finds that a list with these pages shifted. A page has at most two items, and is
    /// written as `a b →2 /5`: the items, the token of the next page, and the total.
    fn has_shifted(pages: &[&str]) -> bool {
        let mut check = ShiftDetector::default();
        for page in pages {
            let words = || page.split_whitespace();
            let ids = words().filter(|word| !word.starts_with(['→', '/'])).map(str::to_owned).collect();
            let next = words().find_map(|word| word.strip_prefix('→'));
            let next =
                next.map(|token| token.parse::<u64>().map_or_else(|_| json!(token), |number| json!(number)));
            let total = words().find_map(|word| word.strip_prefix('/')?.parse().ok());
            check.add(ids, 2, (next.is_some(), next.as_ref()), total);
        }
        check.has_shifted()
    }

    #[test]
    fn shifted_lists_are_detected() {
        let cases: &[(&[&str], bool)] = &[
            (&[""], false),
            (&["a"], false),
            (&["a b →2", "c d →4", "e"], false),
            (&["a b →x", "c d →w", "e"], false),
            (&["a b →2 /5", "c d →4 /5", "e /5"], false),
            // An item moved to a later page, or to an earlier one.
            (&["a b →2", "b c"], true),
            (&["a b →2 /3", "b c /3"], true),
            // The total differs from the items read, or changes.
            (&["a b →2 /5", "d e /5"], true),
            (&["a b →2 /4", "c /3"], true),
            (&["a /2"], true),
            (&["a b →2 /3", "c d /3"], true),
            // A page is too short: an item was removed.
            (&["a →2", "c"], true),
            (&["→2", "c"], true),
            // Some servers send short pages. If the total equals the number of items, no item is missing.
            (&["a →1 /2", "b /2"], false),
            // The tokens do not grow from page to page.
            (&["a b →4", "c d →2", "e"], true),
            (&["a b →4", "c d →4", "e"], true),
        ];
        for (pages, expected) in cases {
            assert_eq!(has_shifted(pages), *expected, "{pages:?}");
        }
    }
}
