//! How much of a server's answers is read at most, and the errors that name these bounds. May import `model` only.
//!
//! A server can be wrong, taken over, or something else than it is taken for. Whatever it sends, a run ends, and takes
//! memory that a small machine has. Each bound is far beyond what is known of real organizations (the largest has some
//! 50,000 services); what exceeds one is an error that says so.

use std::time::Duration;

use reqwest::Method;

use super::failure::{ApiError, Cause};

const MEGABYTE: usize = 1 << 20;

/// The most bytes of one answer. A page has at most 100 services: that is 160 kB for each.
pub(super) const MAX_ANSWER: usize = 16 * MEGABYTE;
/// The most bytes of an answer to signing in. A real one has some two thousand.
pub(super) const MAX_SIGN_IN: usize = 64 << 10;
/// The most bytes of a token. Servers refuse longer headers than this.
pub(super) const MAX_TOKEN: usize = 16 << 10;
/// The most bytes of an error's answer that are read; what follows is left out. Messages are cut far below this.
pub(super) const MAX_ERROR: usize = 64 << 10;
/// The most bytes of one turn's answer: what an agent says in one go.
pub(super) const MAX_TURN: usize = MEGABYTE;

/// The most memory that one answer may take once it is read. 100 services of 100 kB take a fifth of it.
pub(super) const MAX_ANSWER_MEMORY: usize = 256 * MEGABYTE;
/// The most memory that one list may take. 50,000 services of 5 kB take half of it.
pub(super) const MAX_LIST_MEMORY: usize = 1024 * MEGABYTE;
/// The most entries of one list: twice as many as the largest organization has.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// The most pages of one list: 50,000 services on pages of five.
pub(super) const MAX_PAGES: usize = 10_000;
/// The most pages without an entry that follow each other: a server that filters its pages has a few.
pub(super) const MAX_EMPTY_PAGES: usize = 100;
/// The most bytes of a `continuation_token`: it goes into an address, and servers refuse longer ones.
pub(super) const MAX_CONTINUATION: usize = 4 << 10;
/// The longest that reading one list may take. At the published 50 requests a minute, 50,000 services take 50 minutes.
pub(super) const MAX_LIST_TIME: Duration = Duration::from_secs(2 * 60 * 60);

/// The most bytes of a conversation, of which a test needs one answer.
pub(super) const MAX_CONVERSATION: usize = 16 * MEGABYTE;
/// The most bytes of one event of a conversation.
pub(super) const MAX_LINE: usize = MEGABYTE;
/// The most events of a conversation: an answer comes in some hundred pieces.
pub(super) const MAX_EVENTS: usize = 100_000;

/// An error of an answer that exceeds a bound.
pub(super) fn exceeded(method: &Method, path: &str, what: impl Into<String>) -> ApiError {
    ApiError::new(method, path, Cause::Unreadable, what).hint(
        "no organization is known that needs that much: something may be wrong with the server, or with what answers in its place; check `base_url:` of the environment",
    )
}

/// A number of bytes for people.
pub(super) fn in_words(bytes: usize) -> String {
    if bytes < MEGABYTE { format!("{} kB", bytes >> 10) } else { format!("{} MB", bytes >> 20) }
}

/// About how much memory a JSON document takes once it is read: an object takes some 700 bytes where it has one entry, a
/// value in a list up to 64.
pub(super) fn memory_of(document: &[u8]) -> usize {
    let count = |byte| memchr::memchr_iter(byte, document).count();
    document.len() + 700 * count(b'{') + 64 * (count(b',') + count(b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_not_underestimated() {
        let many = |one: &str| format!("[{}]", vec![one; 1_000].join(","));
        assert!(memory_of(many(r#"{"a":0}"#).as_bytes()) >= 700_000);
        assert!(memory_of(many("0").as_bytes()) >= 64_000);
        assert!(memory_of(many("[]").as_bytes()) >= 64_000);
    }

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!((in_words(MAX_SIGN_IN), in_words(MAX_ANSWER)), ("64 kB".to_owned(), "16 MB".to_owned()));
    }
}
