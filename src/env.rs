//! The only reader of environment variables, the clock and randomness.
//!
//! Everything else gets an [`Env`] handed in, so that tests decide what it says.
#![allow(clippy::disallowed_methods, reason = "this is the one room that may")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::SystemTime;

/// What a run knows of the world around it.
#[derive(Clone, Debug)]
pub struct Env {
    variables: Variables,
}

#[derive(Clone, Debug)]
enum Variables {
    Process,
    Fixed(Vec<(String, String)>),
}

impl Env {
    /// The process's own environment.
    pub fn process() -> Self {
        Self { variables: Variables::Process }
    }

    /// A fixed environment, for tests.
    pub fn fixed<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let variables = variables.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { variables: Variables::Fixed(variables) }
    }

    /// A variable's value; none where it is unset, empty, or not Unicode.
    pub fn variable(&self, name: &str) -> Option<String> {
        let value = match &self.variables {
            Variables::Process => std::env::var(name).ok(),
            Variables::Fixed(all) => all.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
        };
        value.filter(|value| !value.is_empty())
    }

    /// A variable's value, Unicode or not; none where it is unset or empty.
    pub fn variable_os(&self, name: &str) -> Option<OsString> {
        let value = match &self.variables {
            Variables::Process => std::env::var_os(name),
            Variables::Fixed(_) => self.variable(name).map(OsString::from),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The names of the variables that begin like this.
    pub fn names_beginning(&self, start: &str) -> Vec<OsString> {
        let begins = |name: &OsString| name.as_encoded_bytes().starts_with(start.as_bytes());
        match &self.variables {
            Variables::Process => std::env::vars_os().map(|(name, _)| name).filter(begins).collect(),
            Variables::Fixed(all) => {
                all.iter().map(|(name, _)| OsString::from(name)).filter(begins).collect()
            }
        }
    }

    /// The working directory, or `.` where it can't be told.
    pub fn working_directory(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
    }

    /// The wall clock.
    pub fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// When documents are said to be made: `SOURCE_DATE_EPOCH` (seconds since 1970, as reproducible builds
    /// know it) where that is set, else now.
    fn document_time(&self) -> jiff::Timestamp {
        let fixed = self.variable("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.trim().parse().ok());
        let fixed = fixed.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        fixed.or_else(|| jiff::Timestamp::try_from(self.now()).ok()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Today's date in UTC, as `2026-11-22`.
    pub fn today(&self) -> String {
        self.document_time().strftime("%Y-%m-%d").to_string()
    }

    /// Now in UTC, to the second, as `2026-11-22T09:57:12Z`.
    pub fn timestamp(&self) -> String {
        self.document_time().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// A number from 0 to 1 that differs from call to call, for the jitter of retries. Not for secrets.
    pub fn random(&self) -> f64 {
        use std::hash::{BuildHasher, Hasher};
        // The standard library seeds each of these anew from the system's randomness.
        let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}
