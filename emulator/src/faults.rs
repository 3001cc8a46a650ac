//! What can go wrong with a request, and when it is to: data that rehearsals and simulations are made of.
//! Imports nothing of ours.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection comes about. A server that is reached can't do this: there it is `LoseRequest`.
    Refuse,
    /// The connection dies before the rules see the request; the client can't know.
    LoseRequest,
    /// The rules run, and what they decide lasts; then the connection dies without an answer.
    LoseAnswer,
    /// The rules run; the connection dies in the middle of the answer's body.
    CutAnswer,
    /// The rules run; the first half of the answer's body comes as if it were all.
    Garble,
    /// The rules run so much later.
    Delay {
        /// How much.
        millis: u64,
    },
    /// The rules run; the answer's body comes bit by bit. In a simulation, which has no bits, it comes at once.
    Dribble {
        /// How long it takes.
        millis: u64,
    },
    /// The rules run; with the answer, the server takes leave of the connection.
    Close,
    /// The rules run; the list in the answer leaves one service out, as if it had shifted while it was read.
    Hide {
        /// The service's name or id.
        service: String,
    },
    /// This is the answer.
    Answer {
        /// The status.
        status: u16,
        /// Whether the rules run before; their own answer is thrown away.
        processed: bool,
        /// Headers beside the length; those that HTTP doesn't allow are left out by a server.
        headers: BTreeMap<String, String>,
        /// When to try again, if the answer says so.
        retry_after: Option<RetryAfter>,
        /// The body.
        body: String,
    },
}

/// How an answer says when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// In so many seconds.
    Seconds(u64),
    /// At a date that is so many seconds away.
    Date(u64),
}

impl RetryAfter {
    /// The header's value.
    pub(super) fn header(self, now: SystemTime) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Date(seconds) => httpdate::fmt_http_date(now + Duration::from_secs(seconds)),
        }
    }
}

impl Fault {
    /// An answer of this status and body instead of the rules'.
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        let (headers, body) = (BTreeMap::new(), body.into());
        Self::Answer { status, processed: false, headers, retry_after: None, body }
    }

    /// Whether the rules see the request.
    pub fn is_processed(&self) -> bool {
        match self {
            Self::Refuse | Self::LoseRequest => false,
            Self::Answer { processed, .. } => *processed,
            _ => true,
        }
    }

    /// Its kind, in a word or three.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refuse => "connection refused",
            Self::LoseRequest => "request lost",
            Self::LoseAnswer => "answer lost",
            Self::CutAnswer => "answer cut off",
            Self::Garble => "answer garbled",
            Self::Delay { .. } => "delay",
            Self::Dribble { .. } => "slow body",
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
            Self::Refuse => f.write_str("request lost (a server can't refuse a connection that it has)"),
            Self::LoseAnswer | Self::CutAnswer | Self::Garble => write!(f, "processed, {}", self.kind()),
            Self::Delay { millis } => write!(f, "delayed by {millis} ms"),
            Self::Dribble { millis } => write!(f, "processed, body sent over {millis} ms"),
            Self::Close => f.write_str("processed and answered, then the connection is closed"),
            Self::Hide { service } => write!(f, "processed, service {service:?} left out of the list"),
            Self::Answer { status, processed, retry_after, .. } => {
                let processed = if *processed { "processed" } else { "not processed" };
                write!(f, "{processed}, answered {status} instead")?;
                match retry_after {
                    Some(RetryAfter::Seconds(seconds)) => write!(f, ", Retry-After: {seconds} s"),
                    Some(RetryAfter::Date(seconds)) => write!(f, ", Retry-After: the date in {seconds} s"),
                    None => Ok(()),
                }
            }
            Self::LoseRequest => f.write_str(self.kind()),
        }
    }
}

/// When something is to happen: from the `nth` request on that fits, `times` times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<T = Fault> {
    /// The method; none means any.
    pub method: Option<String>,
    /// A part of the path with its query; none means any.
    pub path: Option<String>,
    /// From 1.
    pub nth: u64,
    /// How often.
    pub times: u64,
    /// What happens.
    pub what: T,
}

impl<T> Rule<T> {
    fn fits(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_ref().is_none_or(|part| path.contains(part.as_str()))
    }
}

/// Rules, and how many requests each has seen.
#[derive(Clone, Debug)]
pub struct Schedule<T = Fault> {
    rules: Vec<(Rule<T>, u64)>,
}

impl<T: Clone> Schedule<T> {
    /// Nothing has been seen yet.
    pub fn new(rules: impl IntoIterator<Item = Rule<T>>) -> Self {
        Self { rules: rules.into_iter().map(|rule| (rule, 0)).collect() }
    }

    /// Counts a request, and says what is to happen to it: what the first rule says that is due.
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
    fn rules_count_what_fits_them_and_the_first_that_is_due_counts() {
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
    fn an_answer_says_when_to_try_again_in_seconds_or_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_767);
        assert_eq!(RetryAfter::Seconds(10).header(now), "10");
        assert_eq!(RetryAfter::Date(10).header(now), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
