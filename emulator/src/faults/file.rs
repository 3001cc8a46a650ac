//! Reads fault files, and reports each error with its line and column.

use std::collections::BTreeMap;
use std::fmt;

use axum::http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use super::fault::{Fault, RetryAfter, Rule};
use super::kinds::{FaultKind, KINDS, MAX_MILLIS, MAX_SECONDS, METHODS, WHEN};
use crate::file_error::FileError;

/// The rules of a fault file.
///
/// ```
/// let faults = amigops_emulator::Faults::from_yaml(
///     "
/// faults:
///   - {method: POST, path: /service, fault: lose_answer}       # the first create
///   - {nth: 10, times: 3, fault: answer, status: 503, retry_after: 2}
/// ",
/// );
/// assert_eq!(faults.map(|faults| faults.0.len()), Ok(2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Rule>);

/// The content of a fault file: the rules under the key `faults`, and any other keys. Other keys are reported as
/// errors.
#[derive(Default)]
struct FaultDocument {
    faults: Option<Vec<Spanned<Entries>>>,
    unknown: Vec<Spanned<String>>,
}

impl<'de> Deserialize<'de> for FaultDocument {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = FaultDocument;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping with the key `faults`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FaultDocument, A::Error> {
                let mut document = FaultDocument::default();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    if key.value == "faults" {
                        document.faults = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                        document.unknown.push(key);
                    }
                }
                Ok(document)
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The keys and values of a YAML mapping in the order of the file, each with its location.
struct Entries(Vec<(Spanned<String>, Spanned<Value>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule: a mapping with the key `fault`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl Faults {
    /// Reads the text of a fault file. The text can be YAML or JSON, because JSON is a subset of YAML.
    ///
    /// # Errors
    ///
    /// Returns all errors in the rules and keys of the file. If the file can't be parsed as a list of rules, returns
    /// only the first error.
    pub fn from_yaml(text: &str) -> Result<Self, Vec<FileError>> {
        let is_said = |line: &str| !matches!(line.trim_start().chars().next(), None | Some('#'));
        if !text.lines().any(is_said) {
            return Err(nothing("the file is empty"));
        }
        let document: FaultDocument =
            serde_saphyr::from_str(text).map_err(|error| vec![FileError::of_yaml(&error)])?;
        let unknown = |key: &Spanned<String>| {
            let (line, column) = (key.referenced.line(), key.referenced.column());
            FileError { line, column, message: unknown_word("key", &key.value, &["faults"]) }
        };
        let mut problems: Vec<_> = document.unknown.iter().map(unknown).collect();
        let Some(rules) = document.faults else {
            return Err(if problems.is_empty() { nothing("the file has no rules") } else { problems });
        };
        let rules: Vec<_> = rules
            .iter()
            .filter_map(|rule| {
                Reader { entries: &rule.value.0, place: rule.referenced, problems: &mut problems }.rule()
            })
            .collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if problems.is_empty() { Ok(Self(rules)) } else { Err(problems) }
    }
}

fn nothing(what: &str) -> Vec<FileError> {
    let message = format!("{what}: expected `faults:` with a list of rules");
    vec![FileError { line: 1, column: 1, message }]
}

/// Reads one rule of a fault file, and collects the errors in it.
struct Reader<'a> {
    entries: &'a [(Spanned<String>, Spanned<Value>)],
    place: Location,
    problems: &'a mut Vec<FileError>,
}

impl<'a> Reader<'a> {
    fn rule(&mut self) -> Option<Rule> {
        let kind = self.kind()?;
        self.check_keys(kind);
        let method = self.word("method", METHODS).map(str::to_owned);
        let path = self.read("path", "a part of a path, as a text that isn't empty", |value| {
            value.as_str().filter(|path| !path.is_empty()).map(str::to_owned)
        });
        let nth = self.number("nth", 1, u64::MAX).unwrap_or(1);
        let times = self.number("times", 1, u64::MAX).unwrap_or(1);
        let what = self.fault(kind)?;
        Some(Rule { method, path, nth, times, what })
    }

    fn kind(&mut self) -> Option<&'static FaultKind> {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        if self.find("fault").is_none() {
            self.report(
                self.place,
                format!("a rule needs the key `fault` with one of {}", word_list(&names)),
            );
        }
        let name = self.word("fault", &names)?;
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Reads the value of a key. The value must be one of the strings in `words`. Reports an error for any other value.
    /// Returns `None` if the key is missing or its value is wrong.
    fn word<'w>(&mut self, key: &str, words: &[&'w str]) -> Option<&'w str> {
        let value = self.find(key)?;
        let text = value.value.as_str();
        let word = words.iter().copied().find(|word| Some(*word) == text);
        if word.is_none() {
            self.report(value.referenced, unknown_word(key, text.unwrap_or(&shortened(&value.value)), words));
        }
        word
    }

    /// Reports an error for each key that this kind of fault does not allow. Also reports an error if this kind of
    /// fault requires a key and the rule does not have it.
    fn check_keys(&mut self, kind: &FaultKind) {
        let known: Vec<_> = ["fault"].iter().chain(WHEN).chain(kind.takes).copied().collect();
        let all: Vec<_> = known.iter().chain(KINDS.iter().flat_map(|kind| kind.takes)).copied().collect();
        for (key, _) in self.entries {
            let name = key.value.as_str();
            if known.contains(&name) {
                continue;
            }
            let others = KINDS.iter().filter(|other| other.takes.contains(&name));
            let others: Vec<_> = others.map(|other| format!("`{}`", other.name)).collect();
            let message = match (others.is_empty(), closest_word(name, &all)) {
                (false, _) => format!("`{name}` belongs to {}, not to `{}`", others.join(" and "), kind.name),
                (true, Some(_)) => unknown_word("key", name, &all),
                (true, None) => unknown_word("key", name, &known),
            };
            self.report(key.referenced, message);
        }
        if let Some(needed) = kind.needs.filter(|needed| self.find(needed).is_none()) {
            self.report(self.place, format!("`{}` needs the key `{needed}`", kind.name));
        }
    }

    fn fault(&mut self, kind: &FaultKind) -> Option<Fault> {
        Some(match kind.name {
            "refuse" => Fault::Refuse,
            "lose_request" => Fault::LoseRequest,
            "lose_answer" => Fault::LoseAnswer,
            "cut_answer" => Fault::CutAnswer,
            "garble" => Fault::Garble,
            "close" => Fault::Close,
            "delay" => Fault::Delay { millis: self.number("millis", 0, MAX_MILLIS)? },
            "dribble" => Fault::SlowBody { millis: self.number("millis", 0, MAX_MILLIS)? },
            "hide" => Fault::Hide {
                service: self.read("service", "a name or an id, as a text that isn't empty", |value| {
                    value.as_str().filter(|service| !service.is_empty()).map(str::to_owned)
                })?,
            },
            _ => self.answer()?,
        })
    }

    fn answer(&mut self) -> Option<Fault> {
        let status = self.number("status", 200, 599);
        let processed = self.read("processed", "true or false", Value::as_bool).unwrap_or(false);
        let headers = self.headers();
        let seconds = self.number("retry_after", 0, MAX_SECONDS).map(RetryAfter::Seconds);
        let date = self.number("retry_after_date", 0, MAX_SECONDS).map(RetryAfter::Date);
        if let (Some(_), Some(_), Some(value)) = (seconds, date, self.find("retry_after_date")) {
            self.report(
                value.referenced,
                "`retry_after` and `retry_after_date` can't be combined: use one of them",
            );
        }
        let body = self.read("body", "a text", |value| value.as_str().map(str::to_owned)).unwrap_or_default();
        let status = u16::try_from(status?).ok()?;
        Some(Fault::Answer { status, processed, headers, retry_after: seconds.or(date), body })
    }

    fn headers(&mut self) -> BTreeMap<String, String> {
        let Some(value) = self.find("headers") else { return BTreeMap::new() };
        let Some(map) = value.value.as_object() else {
            self.report(value.referenced, "`headers`: expected a mapping from names to texts");
            return BTreeMap::new();
        };
        let mut headers = BTreeMap::new();
        for (name, text) in map {
            match header(name, text) {
                Ok(text) => drop(headers.insert(name.to_lowercase(), text)),
                Err(why) => self.report(value.referenced, format!("header {name:?}: {why}")),
            }
        }
        headers
    }

    fn find(&self, key: &str) -> Option<&'a Spanned<Value>> {
        self.entries.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }

    fn number(&mut self, key: &str, least: u64, most: u64) -> Option<u64> {
        let expected = match most {
            u64::MAX => format!("a whole number of at least {least}"),
            most => format!("a whole number from {least} to {most}"),
        };
        self.read(key, &expected, |value| value.as_u64().filter(|number| (least..=most).contains(number)))
    }

    /// Reads the value of an optional key with the function `take`. If `take` returns `None`, reports an error, in
    /// which `expected` describes the values that are allowed.
    fn read<T>(&mut self, key: &str, expected: &str, take: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.find(key)?;
        let taken = take(&value.value);
        if taken.is_none() {
            let message = format!("`{key}`: expected {expected}, but found {}", shortened(&value.value));
            self.report(value.referenced, message);
        }
        taken
    }

    fn report(&mut self, place: Location, message: impl Into<String>) {
        let (line, column, message) = (place.line(), place.column(), message.into());
        self.problems.push(FileError { line, column, message });
    }
}

/// Checks a header, and returns its value. HTTP must allow its name and its value, and it must not be a header that
/// sets the length of the answer.
fn header(name: &str, text: &Value) -> Result<String, &'static str> {
    let name = HeaderName::try_from(name).map_err(|_| "HTTP does not allow this name")?;
    if matches!(name.as_str(), "content-length" | "transfer-encoding") {
        return Err("the server sets the length itself");
    }
    let text = text.as_str().ok_or("expected a text")?;
    HeaderValue::try_from(text).map_err(|_| "HTTP does not allow this value")?;
    Ok(text.to_owned())
}

/// Returns a value as text for a message, shortened to 40 characters.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { text.chars().take(40).chain(['…']).collect() }
}

fn word_list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Returns the message that `word` is not one of `words`. The message suggests a similar word, or lists all of `words`.
/// `what` says what the word is, such as `key`.
fn unknown_word(what: &str, word: &str, words: &[&str]) -> String {
    let word = shortened(&Value::from(word));
    match closest_word(word.trim_matches('"'), words) {
        Some(near) => format!("there is no {what} {word}: did you mean `{near}`?"),
        None => format!("there is no {what} {word}: expected one of {}", word_list(words)),
    }
}

/// Returns the word in `words` that is most similar to `text`. Returns `None` if no word is similar enough.
fn closest_word<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let distances = words.iter().map(|word| (strsim::osa_distance(&plain(text), &plain(word)), *word));
    let limit = (text.chars().take(40).count() / 3).max(1);
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, word)| word)
}
