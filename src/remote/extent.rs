//! How far a list goes: notices one that does not end. May import `model` only.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::bounds::{
    MAX_CONTINUATION, MAX_EMPTY_PAGES, MAX_ENTRIES, MAX_LIST_MEMORY, MAX_LIST_TIME, MAX_PAGES, exceeded,
    in_words,
};
use super::failure::{ApiError, Cause};

/// What was read of a list so far.
#[derive(Debug)]
pub(super) struct Extent<'a> {
    path: &'a str,
    began: Instant,
    pages: usize,
    empty_pages: usize,
    entries: usize,
    memory: usize,
    /// Every token so far: at most [`MAX_PAGES`] of at most [`MAX_CONTINUATION`] bytes.
    tokens: BTreeSet<String>,
}

impl<'a> Extent<'a> {
    pub(super) fn new(path: &'a str) -> Self {
        let (pages, empty_pages, entries, memory) = (0, 0, 0, 0);
        Self { path, began: Instant::now(), pages, empty_pages, entries, memory, tokens: BTreeSet::new() }
    }

    /// Adds a page of so many entries that takes so much memory.
    ///
    /// # Errors
    ///
    /// A list that is longer than any real one.
    pub(super) fn add(&mut self, entries: usize, memory: usize) -> Result<(), ApiError> {
        self.pages += 1;
        self.empty_pages = if entries == 0 { self.empty_pages + 1 } else { 0 };
        self.entries += entries;
        self.memory += memory;
        let what = if self.entries > MAX_ENTRIES {
            format!("the list has more than {MAX_ENTRIES} entries")
        } else if self.pages > MAX_PAGES {
            format!("the list has more than {MAX_PAGES} pages")
        } else if self.empty_pages >= MAX_EMPTY_PAGES {
            format!("{MAX_EMPTY_PAGES} pages in a row are empty, and `has_more` promises others")
        } else if self.memory > MAX_LIST_MEMORY {
            format!("the list takes more than {} of memory", in_words(MAX_LIST_MEMORY))
        } else if self.began.elapsed() > MAX_LIST_TIME {
            format!("the list takes longer than {} hours to read", MAX_LIST_TIME.as_secs() / 3600)
        } else {
            return Ok(());
        };
        Err(exceeded(&Method::GET, self.path, format!("{what}; {} pages were read", self.pages)))
    }

    /// The token of the next page, as it is sent.
    ///
    /// # Errors
    ///
    /// No token, or one that leads back: half a list is no list.
    pub(super) fn go_on(&mut self, token: Option<&Value>) -> Result<String, ApiError> {
        let wrong = |what: &str| {
            ApiError::new(&Method::GET, self.path, Cause::Unreadable, what)
                .hint("the server, or what answers in its place, does not page as the API promises: try again later, and check `base_url:` of the environment")
        };
        let Some(token) = token.filter(|token| !token.is_null()) else {
            return Err(wrong("there is more, and no way on: `has_more` without a `continuation_token`"));
        };
        let token = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
        if token.len() > MAX_CONTINUATION {
            return Err(wrong(&format!("a `continuation_token` is longer than {MAX_CONTINUATION} bytes")));
        }
        if !self.tokens.insert(token.clone()) {
            let pages = self.pages;
            return Err(wrong(&format!(
                "the list goes round in a circle: page {pages} has the `continuation_token` of an earlier one"
            )));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_that_lead_back_are_noticed_at_once() {
        for length in [1, 2, 1_000] {
            let mut extent = Extent::new("/v1/o/service/");
            for page in 0..length {
                assert_eq!(extent.go_on(Some(&json!(page))).ok(), Some(page.to_string()));
            }
            let error = extent.go_on(Some(&json!("0"))).expect_err("a circle");
            assert!(error.message.contains("in a circle"), "{error}");
        }
    }

    #[test]
    fn a_list_of_a_real_size_is_read() {
        let mut extent = Extent::new("/");
        for page in 0..2_500 {
            extent.add(20, 20 * 10_000).expect("50,000 services");
            extent.go_on(Some(&json!(page))).expect("a token");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_takes_hours_is_given_up() {
        let mut extent = Extent::new("/");
        extent.add(1, 1).expect("a page");
        tokio::time::advance(MAX_LIST_TIME * 2).await;
        let error = extent.add(1, 1).expect_err("too long");
        assert!(error.message.starts_with("the list takes longer than 2 hours"), "{error}");
    }

    #[test]
    fn a_page_without_a_way_on_is_an_error() {
        for token in [None, Some(json!(null)), Some(json!("x".repeat(5_000)))] {
            assert!(Extent::new("/").go_on(token.as_ref()).is_err(), "{token:?}");
        }
    }
}
