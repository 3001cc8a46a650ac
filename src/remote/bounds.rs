//! The limits for the answers that are read, and the errors for answers that exceed them.
//!
//! A server can be faulty, compromised, or not the API at all. Because of these limits, a run ends and does not need
//! much memory, whatever the server sends. Each limit is far above the needs of any known organization: the largest has
//! about 50,000 services.

use std::time::Duration;

use reqwest::Method;

use super::failure::{ApiError, FailureCause};

const MEGABYTE: usize = 1 << 20;

/// The maximum number of bytes of one answer. A page has at most 100 services, so each of them may have 160 kB.
pub(super) const MAX_ANSWER: usize = 16 * MEGABYTE;
/// The maximum number of bytes of the answer to a sign-in. A real answer has about 2,000 bytes.
pub(super) const MAX_SIGN_IN: usize = 64 << 10;
/// The maximum number of bytes of a token. Servers refuse longer values in a header.
pub(super) const MAX_TOKEN: usize = 16 << 10;
/// The maximum number of bytes that are read from the body of an error answer. The message that is shown is much
/// shorter.
pub(super) const MAX_ERROR: usize = 64 << 10;
/// The maximum number of bytes of the answer to one turn of a conversation.
pub(super) const MAX_TURN: usize = MEGABYTE;

/// The maximum memory of one parsed answer, in bytes. A page of 100 services of 100 kB each needs a fifth of this
/// memory.
pub(super) const MAX_ANSWER_MEMORY: usize = 256 * MEGABYTE;
/// The maximum memory that one list may use after it is parsed, in bytes.
pub(super) const MAX_LIST_MEMORY: usize = 1024 * MEGABYTE;
/// The maximum number of entries in one list: twice the number in the largest organization.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// The maximum number of pages of one list. The number is enough for 50,000 services if each page has five services.
pub(super) const MAX_PAGES: usize = 10_000;
/// The maximum number of empty pages in a row. A server that splits a list into pages before it filters the entries
/// returns a few empty pages.
pub(super) const MAX_EMPTY_PAGES: usize = 100;
/// The maximum number of bytes of a `continuation_token` (the token of a list's next page). The token becomes part of a
/// URL, and servers refuse longer URLs.
pub(super) const MAX_CONTINUATION: usize = 4 << 10;
/// The maximum time for reading one list. At the published 50 requests a minute, 50,000 services take 50 minutes.
pub(super) const MAX_LIST_TIME: Duration = Duration::from_secs(2 * 60 * 60);

/// The maximum number of bytes that are received in one conversation. A smoke test needs only one message of the agent.
pub(super) const MAX_CONVERSATION: usize = 16 * MEGABYTE;
/// The maximum number of bytes of one event of a conversation. Each event is one line of the answer.
pub(super) const MAX_LINE: usize = MEGABYTE;
/// The maximum number of events in a conversation. An answer of the agent consists of about a hundred events.
pub(super) const MAX_EVENTS: usize = 100_000;

/// Returns the error for an answer that exceeds a limit.
pub(super) fn bound_exceeded(method: &Method, path: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(method, path, FailureCause::Unexpected, message).hint(
        "no known organization comes near this limit: the server may be faulty, or another server may be answering; check `base_url:` of the environment",
    )
}

/// Formats a number of bytes, such as `16 MB`.
pub(super) fn human_size(bytes: usize) -> String {
    if bytes < MEGABYTE { format!("{} kB", bytes >> 10) } else { format!("{} MB", bytes >> 20) }
}

/// Estimates the memory of a parsed JSON document in bytes: about 700 for an object with one entry, and up to 64 for a
/// value in a list.
pub(super) fn estimate_memory(document: &[u8]) -> usize {
    let count = |byte| memchr::memchr_iter(byte, document).count();
    document.len() + 700 * count(b'{') + 64 * (count(b',') + count(b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_not_underestimated() {
        let many = |one: &str| format!("[{}]", vec![one; 1_000].join(","));
        assert!(estimate_memory(many(r#"{"a":0}"#).as_bytes()) >= 700_000);
        assert!(estimate_memory(many("0").as_bytes()) >= 64_000);
        assert!(estimate_memory(many("[]").as_bytes()) >= 64_000);
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(
            (human_size(MAX_SIGN_IN), human_size(MAX_ANSWER)),
            ("64 kB".to_owned(), "16 MB".to_owned())
        );
    }
}
