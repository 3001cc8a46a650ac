//! Checks the limits for a list that is read page by page. The limits detect a list that never ends.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::bounds::{
    MAX_CONTINUATION, MAX_EMPTY_PAGES, MAX_ENTRIES, MAX_LIST_MEMORY, MAX_LIST_TIME, MAX_PAGES,
    bound_exceeded, human_size,
};
use super::failure::{ApiError, FailureCause};

/// Counts the pages, entries and memory of a list while it is read, and checks them against the limits.
#[derive(Debug)]
pub(super) struct ListBounds<'a> {
    path: &'a str,
    began: Instant,
    pages: usize,
    empty_pages: usize,
    entries: usize,
    memory: usize,
    /// The continuation tokens of all pages so far. They need little memory: at most [`MAX_PAGES`] tokens of at most
    /// [`MAX_CONTINUATION`] bytes.
    tokens: BTreeSet<String>,
}

impl<'a> ListBounds<'a> {
    pub(super) fn new(path: &'a str) -> Self {
        let (pages, empty_pages, entries, memory) = (0, 0, 0, 0);
        Self { path, began: Instant::now(), pages, empty_pages, entries, memory, tokens: BTreeSet::new() }
    }

    /// Counts one page, its entries and its memory.
    ///
    /// # Errors
    ///
    /// Fails if the list exceeds a limit.
    pub(super) fn count_page(&mut self, entries: usize, memory: usize) -> Result<(), ApiError> {
        self.pages += 1;
        self.empty_pages = if entries == 0 { self.empty_pages + 1 } else { 0 };
        self.entries += entries;
        self.memory += memory;
        let problem = if self.entries > MAX_ENTRIES {
            format!("the list has more than {MAX_ENTRIES} entries")
        } else if self.pages > MAX_PAGES {
            format!("the list has more than {MAX_PAGES} pages")
        } else if self.empty_pages >= MAX_EMPTY_PAGES {
            format!("{MAX_EMPTY_PAGES} pages in a row are empty, but `has_more` is still true")
        } else if self.memory > MAX_LIST_MEMORY {
            format!("the list takes more than {} of memory", human_size(MAX_LIST_MEMORY))
        } else if self.began.elapsed() > MAX_LIST_TIME {
            format!("the list takes longer than {} hours to read", MAX_LIST_TIME.as_secs() / 3600)
        } else {
            return Ok(());
        };
        Err(bound_exceeded(&Method::GET, self.path, format!("{problem}; {} pages were read", self.pages)))
    }

    /// Converts the token of the next page, as the server returned it, into the string that the request for that page
    /// contains.
    ///
    /// # Errors
    ///
    /// Fails if the token is missing or too long, or if an earlier page had the same token. Otherwise, an incomplete
    /// list would be used as if it were complete.
    pub(super) fn next_token(&mut self, token: Option<&Value>) -> Result<String, ApiError> {
        let wrong = |message: &str| {
            ApiError::new(&Method::GET, self.path, FailureCause::Unexpected, message)
                .hint("the server does not split the list into pages as the API specifies: try again later, and check `base_url:` of the environment")
        };
        let Some(token) = token.filter(|token| !token.is_null()) else {
            return Err(wrong(
                "the rest of the list can't be read: a page has `has_more`, but no `continuation_token`",
            ));
        };
        let token = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
        if token.len() > MAX_CONTINUATION {
            return Err(wrong(&format!("a `continuation_token` is longer than {MAX_CONTINUATION} bytes")));
        }
        if !self.tokens.insert(token.clone()) {
            let pages = self.pages;
            return Err(wrong(&format!(
                "the list never ends: page {pages} repeats the `continuation_token` of an earlier page"
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
    fn repeated_tokens_are_noticed_at_once() {
        for length in [1, 2, 1_000] {
            let mut bounds = ListBounds::new("/v1/o/service/");
            for page in 0..length {
                assert_eq!(bounds.next_token(Some(&json!(page))).ok(), Some(page.to_string()));
            }
            let error = bounds.next_token(Some(&json!("0"))).expect_err("a repeated token");
            assert!(error.message.contains("never ends"), "{error}");
        }
    }

    #[test]
    fn a_list_of_realistic_size_is_read() {
        let mut bounds = ListBounds::new("/");
        for page in 0..2_500 {
            bounds.count_page(20, 20 * 10_000).expect("50,000 services");
            bounds.next_token(Some(&json!(page))).expect("a token");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reading_a_list_ends_after_two_hours() {
        let mut bounds = ListBounds::new("/");
        bounds.count_page(1, 1).expect("a page");
        tokio::time::advance(MAX_LIST_TIME * 2).await;
        let error = bounds.count_page(1, 1).expect_err("too long");
        assert!(error.message.starts_with("the list takes longer than 2 hours"), "{error}");
    }

    #[test]
    fn a_page_without_a_usable_token_is_an_error() {
        for token in [None, Some(json!(null)), Some(json!("x".repeat(5_000)))] {
            assert!(ListBounds::new("/").next_token(token.as_ref()).is_err(), "{token:?}");
        }
    }
}
