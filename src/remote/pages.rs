//! Lists that come in pages, to their end, and what shows that one shifted while it was read. May import `model`
//! only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bounds::memory_of;
use super::extent::Extent;
use super::failure::ApiError;
use super::http::{Call, Http};
use super::wire::Named;
use crate::model::{Catalog, CatalogEntry, Endpoint, LatestVersion};

/// One page of a list.
pub(super) trait Page: serde::de::DeserializeOwned {
    /// What is listed.
    type Item: Listed;
    /// The items of the page.
    fn items(self) -> Vec<Self::Item>;
    /// Whether there is more, and where it goes on.
    fn next(&self) -> (bool, Option<Value>);
    /// How many items the whole list has, where the server says so.
    fn total(&self) -> Option<u64>;
}

/// Something that a list holds.
pub(super) trait Listed {
    /// The id by which two pages can be compared.
    fn id(&self) -> &str;
}

/// A page whose items stand under this name.
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

/// A list as it was read once, from its first page to its last.
#[derive(Debug)]
pub(super) struct Reading<T> {
    /// The items, in the order of the pages; one that several pages have is there several times.
    pub(super) items: Vec<T>,
    /// Whether something shows that the list shifted while it was read.
    pub(super) has_shifted: bool,
    /// How many items the last page said that the list has.
    pub(super) total: Option<u64>,
}

/// What the pages of one reading have shown so far.
#[derive(Default)]
struct PageCheck {
    ids: BTreeSet<String>,
    items: usize,
    totals: BTreeSet<u64>,
    is_short: bool,
    token: Option<u64>,
    goes_back: bool,
}

impl PageCheck {
    /// Takes note of a page that was asked for with this limit.
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
        // Tokens that are numbers count items, or name places in an order: they grow.
        let number = |token: &Value| token.as_u64().or_else(|| token.as_str()?.parse().ok());
        if let Some(token) = next.filter(|_| has_more).and_then(number) {
            self.goes_back |= self.token.is_some_and(|before| token <= before);
            self.token = Some(token);
        }
    }

    /// Whether the list shifted: pages overlap, the total changed or is another number than was read, a token went
    /// back, or a page was shorter than it had to be. (A server that says the right total may send short pages.)
    fn has_shifted(&self) -> bool {
        let overlaps = self.ids.len() < self.items;
        let miscounts =
            self.totals.len() > 1 || self.totals.first().is_some_and(|total| *total != self.ids.len() as u64);
        overlaps || miscounts || self.goes_back || (self.is_short && self.totals.is_empty())
    }
}

impl Http {
    /// Reads all pages of a list, so many items at a time. A list that shifted meanwhile is read once more; its items
    /// are those of both readings then, as the later one has them.
    ///
    /// # Errors
    ///
    /// The same as of [`Self::read_pages`].
    pub(super) async fn pages<T: Page>(
        &self,
        endpoint: Endpoint,
        path: &str,
        filter: &[(&'static str, String)],
        size: usize,
    ) -> Result<Vec<T::Item>, ApiError> {
        let first = self.read_pages::<T>(endpoint, path, filter, size).await?;
        if !first.has_shifted {
            return Ok(first.items);
        }
        let second = self.read_pages::<T>(endpoint, path, filter, size).await?;
        let items = first.items.into_iter().chain(second.items);
        let by_id: BTreeMap<String, T::Item> = items.map(|item| (item.id().to_owned(), item)).collect();
        Ok(by_id.into_values().collect())
    }

    /// Reads all pages of a list once, so many items at a time.
    ///
    /// # Errors
    ///
    /// The first page that can't be had; an answer that says that there is more, and not where; a list that does not
    /// end.
    pub(super) async fn read_pages<T: Page>(
        &self,
        endpoint: Endpoint,
        path: &str,
        filter: &[(&'static str, String)],
        size: usize,
    ) -> Result<Reading<T::Item>, ApiError> {
        let mut items = Vec::new();
        let mut check = PageCheck::default();
        let mut token: Option<String> = None;
        let mut extent = Extent::new(path);
        loop {
            let mut query = filter.to_vec();
            query.push(("limit", size.to_string()));
            if let Some(token) = &token {
                query.push(("continuation_token", token.clone()));
            }
            let (page, memory) = self.page::<T>(&Call::get(endpoint, path.to_owned(), query)).await?;
            let ((more, next), total) = (page.next(), page.total());
            let on_page = page.items();
            extent.add(on_page.len(), memory)?;
            let ids = on_page.iter().map(|item| item.id().to_owned()).collect();
            check.add(ids, size, (more, next.as_ref()), total);
            items.extend(on_page);
            if !more {
                return Ok(Reading { items, has_shifted: check.has_shifted(), total });
            }
            token = Some(extent.go_on(next.as_ref())?);
        }
    }

    /// One page, and about how much memory it takes.
    async fn page<T: Page>(&self, call: &Call) -> Result<(T, usize), ApiError> {
        self.call(call, |body| Ok((serde_json::from_slice(body)?, memory_of(body)))).await
    }
}

impl Http {
    /// The newest of an agent's or context graph's versions: the first of a list that begins with it.
    ///
    /// # Errors
    ///
    /// The request; an answer without a list, or with a version that isn't a number.
    pub(super) async fn newest<T: Page<Item = Versioned>>(
        &self,
        endpoint: Endpoint,
        path: String,
        filter: (&'static str, &str),
    ) -> Result<LatestVersion, ApiError> {
        let query = vec![(filter.0, filter.1.to_owned()), ("limit", "1".to_owned())];
        let page: T = self.json(&Call::get(endpoint, path, query)).await?;
        Ok(page.items().first().map_or(LatestVersion::None, |newest| LatestVersion::Number(newest.version)))
    }
}

/// A version in a list of versions.
#[derive(serde::Deserialize)]
pub(super) struct Versioned {
    version: u32,
}

impl Listed for Versioned {
    /// Only the first page of such a list is read.
    fn id(&self) -> &str {
        ""
    }
}

impl Listed for Named {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Puts agents or context graphs into a catalog.
pub(super) fn enter<Id: Ord + for<'t> From<&'t str>>(catalog: &mut Catalog<Id>, read: Vec<Named>) {
    for named in read {
        let entry = CatalogEntry {
            name: named.name.trim().to_owned(),
            latest: named.latest(),
            deprecated: named.deprecated.unwrap_or_default(),
        };
        catalog.entries.insert(Id::from(&named.id), entry);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Pages of up to two items, such as `a b →2 /5`: the items, the token of the next page, the total.
    fn has_shifted(pages: &[&str]) -> bool {
        let mut check = PageCheck::default();
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
    fn the_pages_of_a_list_show_that_it_shifted() {
        let cases: &[(&[&str], bool)] = &[
            (&[""], false),
            (&["a"], false),
            (&["a b →2", "c d →4", "e"], false),
            (&["a b →x", "c d →w", "e"], false),
            (&["a b →2 /5", "c d →4 /5", "e /5"], false),
            // An item that moved to a later page, or to an earlier one.
            (&["a b →2", "b c"], true),
            (&["a b →2 /3", "b c /3"], true),
            // The server counts what was not read, or counts otherwise meanwhile.
            (&["a b →2 /5", "d e /5"], true),
            (&["a b →2 /4", "c /3"], true),
            (&["a /2"], true),
            (&["a b →2 /3", "c d /3"], true),
            // Something was taken out of the middle of a page.
            (&["a →2", "c"], true),
            (&["→2", "c"], true),
            // Some servers send short pages; where the total is right, nothing is missing.
            (&["a →1 /2", "b /2"], false),
            // Tokens that don't go on.
            (&["a b →4", "c d →2", "e"], true),
            (&["a b →4", "c d →4", "e"], true),
        ];
        for (pages, expected) in cases {
            assert_eq!(has_shifted(pages), *expected, "{pages:?}");
        }
    }
}
