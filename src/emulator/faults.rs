//! What can go wrong with a request, and when it is to: data that rehearsals and simulations are made of.
//! Imports nothing of ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
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
    /// This is the answer.
    Answer {
        /// The status.
        status: u16,
        /// Whether the rules run before; their own answer is thrown away.
        #[serde(default)]
        processed: bool,
        /// Headers: `retry-after`, for one.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default)]
        body: String,
    },
}

impl Fault {
    /// Whether the rules see the request.
    pub fn is_processed(&self) -> bool {
        match self {
            Self::Refuse | Self::LoseRequest => false,
            Self::LoseAnswer | Self::CutAnswer | Self::Garble | Self::Delay { .. } => true,
            Self::Answer { processed, .. } => *processed,
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
            Self::Answer { status: 401, .. } => "401",
            Self::Answer { status: 429, .. } => "429",
            Self::Answer { status: 503, .. } => "503",
            Self::Answer { status: 200..=299, .. } => "page instead of an answer",
            Self::Answer { processed: true, .. } => "5xx, processed",
            Self::Answer { processed: false, .. } => "5xx, not processed",
        }
    }
}

/// When something is to happen: from the `nth` request on that fits, `times` times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule<T = Fault> {
    /// The method; none means any.
    #[serde(default)]
    pub method: Option<String>,
    /// A part of the path with its query; none means any.
    #[serde(default)]
    pub path: Option<String>,
    /// From 1.
    pub nth: u64,
    /// How often.
    #[serde(default = "once")]
    pub times: u64,
    /// What happens.
    #[serde(flatten)]
    pub what: T,
}

fn once() -> u64 {
    1
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

    #[test]
    fn rules_count_what_fits_them_and_the_first_that_is_due_counts() {
        let rules = r#"[
            {"method": "PUT", "path": "/service", "nth": 2, "fault": "lose_answer"},
            {"nth": 3, "times": 2, "fault": "answer", "status": 503, "headers": {"retry-after": "2"}}
        ]"#;
        let mut schedule = Schedule::new(serde_json::from_str::<Vec<Rule>>(rules).expect("rules"));
        let kinds: Vec<_> =
            [("PUT", "/service/1"), ("GET", "/service"), ("PUT", "/service/2"), ("GET", "/x"), ("GET", "/x")]
                .map(|(method, path)| schedule.next(method, path).map(|fault| fault.kind()))
                .into();
        assert_eq!(kinds, [None, None, Some("answer lost"), Some("503"), None]);
    }

    #[test]
    fn rules_read_back_as_they_were_written() {
        let fault = Fault::Answer {
            status: 502,
            processed: true,
            headers: BTreeMap::new(),
            body: "<html>".to_owned(),
        };
        for fault in [Fault::Refuse, Fault::Delay { millis: 5 }, fault] {
            let rule = Rule { method: None, path: None, nth: 1, times: 1, what: fault };
            let text = serde_json::to_string(&rule).expect("JSON");
            assert_eq!(serde_json::from_str::<Rule>(&text).expect("a rule"), rule);
        }
    }
}
