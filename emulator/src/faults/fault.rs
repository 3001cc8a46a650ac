//! Faults that can be injected into requests, and the rules that select the requests.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

/// A fault that is injected into one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is refused. The embedded HTTP server can't refuse a connection that it has accepted, so it
    /// handles this fault like `LoseRequest`.
    Refuse,
    /// The connection is aborted before the request is processed. The client can't tell whether the request was
    /// processed.
    LoseRequest,
    /// The request is processed and its changes are stored. Then the connection is aborted without an answer.
    LoseAnswer,
    /// The request is processed. The connection is aborted in the middle of the answer's body.
    CutAnswer,
    /// The request is processed. Only the first half of the answer's body is sent, as if it were complete.
    Garble,
    /// The request is processed after a delay.
    Delay {
        /// The delay, in milliseconds.
        millis: u64,
    },
    /// The request is processed. The answer's body is sent slowly, in chunks. In a simulation, the whole body is sent
    /// at once.
    SlowBody {
        /// The time that sending the whole body takes, in milliseconds.
        millis: u64,
    },
    /// The request is processed and answered. Then the server closes the connection.
    Close,
    /// The request is processed. One service is omitted from the list in the answer, as if the list had changed while
    /// the client was reading it.
    Hide {
        /// The name or id of the omitted service.
        service: String,
    },
    /// This answer is sent instead of the API's own answer.
    Answer {
        /// The HTTP status of the answer.
        status: u16,
        /// True if the API processes the request first. In this case, the API's own answer is discarded.
        processed: bool,
        /// The headers of the answer, except `Content-Length`. The server omits headers that HTTP does not allow.
        headers: BTreeMap<String, String>,
        /// The value of the `Retry-After` header. `None` if the answer does not have this header.
        retry_after: Option<RetryAfter>,
        /// The body of the answer.
        body: String,
    },
}

/// The value of a `Retry-After` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// The date that is this many seconds after the answer.
    Date(u64),
}

impl RetryAfter {
    /// Returns the header's value as text.
    pub(crate) fn header(self, now: SystemTime) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Date(seconds) => httpdate::fmt_http_date(now + Duration::from_secs(seconds)),
        }
    }
}

impl Fault {
    /// Returns a fault for which the server sends this status and body instead of processing the request.
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        let (headers, body) = (BTreeMap::new(), body.into());
        Self::Answer { status, processed: false, headers, retry_after: None, body }
    }

    /// Returns true if the request is processed although the fault is injected.
    pub fn is_processed(&self) -> bool {
        match self {
            Self::Refuse | Self::LoseRequest => false,
            Self::Answer { processed, .. } => *processed,
            _ => true,
        }
    }

    /// Returns a short description of this kind of fault, such as `answer lost`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refuse => "connection refused",
            Self::LoseRequest => "request lost",
            Self::LoseAnswer => "answer lost",
            Self::CutAnswer => "answer cut off",
            Self::Garble => "answer garbled",
            Self::Delay { .. } => "delay",
            Self::SlowBody { .. } => "slow body",
            Self::Close => "connection closed",
            Self::Hide { .. } => "service hidden",
            Self::Answer { status: 400, .. } => "400",
            Self::Answer { status: 401, .. } => "401",
            Self::Answer { status: 429, .. } => "429",
            Self::Answer { status: 503, .. } => "503",
            Self::Answer { status: 200..=299, .. } => "page instead of an answer",
            Self::Answer { processed: true, .. } => "5xx, processed",
            Self::Answer { processed: false, .. } => "5xx, not processed",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => {
                f.write_str("request lost (a server can't refuse a connection that it has accepted)")
            }
            Self::LoseAnswer | Self::CutAnswer | Self::Garble => write!(f, "processed, {}", self.kind()),
            Self::Delay { millis } => write!(f, "delayed by {millis} ms"),
            Self::SlowBody { millis } => write!(f, "processed, body sent over {millis} ms"),
            Self::Close => f.write_str("processed and answered, then the connection is closed"),
            Self::Hide { service } => write!(f, "processed, service {service:?} left out of the list"),
            Self::Answer { status, processed, retry_after, .. } => {
                let processed = if *processed { "processed" } else { "not processed" };
                write!(f, "{processed}, answered {status} instead")?;
                match retry_after {
                    Some(RetryAfter::Seconds(seconds)) => write!(f, ", Retry-After: {seconds} s"),
                    Some(RetryAfter::Date(seconds)) => write!(f, ", Retry-After: {seconds} s, as a date"),
                    None => Ok(()),
                }
            }
            Self::LoseRequest => f.write_str(self.kind()),
        }
    }
}

/// A rule that selects some of the requests with a certain method and path, and has an effect on them. It skips the
/// first `nth - 1` of these requests, and selects the next `times` requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<T = Fault> {
    /// The HTTP method of the requests. `None` matches every method.
    pub method: Option<String>,
    /// A part that the path and query of a request must contain. `None` matches every path.
    pub path: Option<String>,
    /// The position of the first request to select, counted from 1 among the requests with this method and path.
    pub nth: u64,
    /// The number of consecutive requests to select, out of the requests with this method and path.
    pub times: u64,
    /// The effect on the selected requests.
    pub what: T,
}

impl<T> Rule<T> {
    fn fits(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_ref().is_none_or(|part| path.contains(part.as_str()))
    }
}

/// A list of rules, with the number of matching requests that each rule has seen.
#[derive(Clone, Debug)]
pub struct Schedule<T = Fault> {
    rules: Vec<(Rule<T>, u64)>,
}

impl<T: Clone> Schedule<T> {
    /// Creates a schedule from rules that have not seen any requests.
    pub fn new(rules: impl IntoIterator<Item = Rule<T>>) -> Self {
        Self { rules: rules.into_iter().map(|rule| (rule, 0)).collect() }
    }

    /// Counts a request for each rule that it matches. Returns the effect of the first rule that selects the request,
    /// or `None` if no rule does.
    pub fn next(&mut self, method: &str, path: &str) -> Option<T> {
        let mut due = None;
        for (rule, seen) in self.rules.iter_mut().filter(|(rule, _)| rule.fits(method, path)) {
            *seen += 1;
            if *seen >= rule.nth && *seen < rule.nth.saturating_add(rule.times) {
                due.get_or_insert(&rule.what);
            }
        }
        due.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Faults;

    #[test]
    fn every_rule_counts_its_requests_and_the_first_match_applies() {
        let faults = Faults::from_yaml(
            "
faults:
  - {method: PUT, path: /service, nth: 2, fault: lose_answer}
  - {nth: 3, times: 2, fault: answer, status: 503, retry_after: 2}
",
        );
        let mut schedule = Schedule::new(faults.expect("rules").0);
        let kinds: Vec<_> =
            [("PUT", "/service/1"), ("GET", "/service"), ("PUT", "/service/2"), ("GET", "/x"), ("GET", "/x")]
                .map(|(method, path)| schedule.next(method, path).map(|fault| fault.kind()))
                .into();
        assert_eq!(kinds, [None, None, Some("answer lost"), Some("503"), None]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_767);
        assert_eq!(RetryAfter::Seconds(10).header(now), "10");
        assert_eq!(RetryAfter::Date(10).header(now), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
