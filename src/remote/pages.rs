//! Lists that come in pages, to their end. May import `model` only.

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
    type Item;
    /// What the page holds.
    fn items(self) -> Vec<Self::Item>;
    /// Whether there is more, and where it goes on.
    fn next(&self) -> (bool, Option<Value>);
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
        }

        impl $crate::remote::pages::Page for $name {
            type Item = $item;
            fn items(self) -> Vec<$item> {
                self.$field
            }
            fn next(&self) -> (bool, Option<serde_json::Value>) {
                (self.has_more.unwrap_or_default(), self.continuation_token.clone())
            }
        }
    };
}
pub(super) use page;

impl Http {
    /// Reads all pages of a list, so many items at a time.
    ///
    /// # Errors
    ///
    /// The first page that can't be had; an answer that says that there is more, and not where; a list that does not
    /// end.
    pub(super) async fn pages<T: Page>(
        &self,
        endpoint: Endpoint,
        path: &str,
        filter: &[(&'static str, String)],
        size: usize,
    ) -> Result<Vec<T::Item>, ApiError> {
        let mut items = Vec::new();
        let mut token: Option<String> = None;
        let mut extent = Extent::new(path);
        loop {
            let mut query = filter.to_vec();
            query.push(("limit", size.to_string()));
            if let Some(token) = &token {
                query.push(("continuation_token", token.clone()));
            }
            let (page, memory) = self.page::<T>(&Call::get(endpoint, path.to_owned(), query)).await?;
            let (more, next) = page.next();
            let page = page.items();
            extent.add(page.len(), memory)?;
            items.extend(page);
            if !more {
                return Ok(items);
            }
            token = Some(extent.go_on(next.as_ref())?);
        }
    }

    /// One page, and about how much memory it takes.
    async fn page<T: Page>(&self, call: &Call<'_>) -> Result<(T, usize), ApiError> {
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
