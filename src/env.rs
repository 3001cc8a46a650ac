//! The only module that reads environment variables, the clock and randomness.
//!
//! All other code gets an [`Env`] as an argument, so that tests can replace it.
#![allow(clippy::disallowed_methods, reason = "only this module may call these functions")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::SystemTime;

/// The environment of a run: environment variables, clock and randomness.
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
    /// Returns the environment of the process.
    pub fn process() -> Self {
        Self { variables: Variables::Process }
    }

    /// Returns an environment that has only these variables, for tests. The clock and the randomness are those of the
    /// process.
    pub fn fixed<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let variables = variables.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { variables: Variables::Fixed(variables) }
    }

    /// Returns the value of a variable, or `None` if it is unset, empty, or not Unicode.
    pub fn variable(&self, name: &str) -> Option<String> {
        let value = match &self.variables {
            Variables::Process => std::env::var(name).ok(),
            Variables::Fixed(all) => all.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
        };
        value.filter(|value| !value.is_empty())
    }

    /// Returns the value of a variable as an OS string, or `None` if it is unset or empty. The value need not be
    /// Unicode.
    pub fn variable_os(&self, name: &str) -> Option<OsString> {
        let value = match &self.variables {
            Variables::Process => std::env::var_os(name),
            Variables::Fixed(_) => self.variable(name).map(OsString::from),
        };
        value.filter(|value| !value.is_empty())
    }

    /// Returns true if a variable is set, even if it is empty or not Unicode.
    pub fn is_set(&self, name: &str) -> bool {
        match &self.variables {
            Variables::Process => std::env::var_os(name).is_some(),
            Variables::Fixed(all) => all.iter().any(|(key, _)| key == name),
        }
    }

    /// Returns the names of all variables that begin with `start`.
    pub fn names_beginning(&self, start: &str) -> Vec<OsString> {
        let begins = |name: &OsString| name.as_encoded_bytes().starts_with(start.as_bytes());
        match &self.variables {
            Variables::Process => std::env::vars_os().map(|(name, _)| name).filter(begins).collect(),
            Variables::Fixed(all) => {
                all.iter().map(|(name, _)| OsString::from(name)).filter(begins).collect()
            }
        }
    }

    /// Returns the working directory, or `.` if it is unknown.
    pub fn working_directory(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
    }

    /// Returns the time of the wall clock.
    pub fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Returns the time that documents, such as saved plans, contain as their creation time. It is `SOURCE_DATE_EPOCH`
    /// (seconds since 1970, used for reproducible builds) if that is set, otherwise the current time.
    fn document_time(&self) -> jiff::Timestamp {
        let fixed = self.variable("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.trim().parse().ok());
        fixed
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
            .unwrap_or_else(|| self.timestamp_now())
    }

    fn timestamp_now(&self) -> jiff::Timestamp {
        jiff::Timestamp::try_from(self.now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Returns today's date in UTC, such as `2026-11-22`. It is the real date even if `SOURCE_DATE_EPOCH` is set: names
    /// of live services contain it, and some build systems set that variable to a date in 1980.
    pub fn today(&self) -> String {
        self.timestamp_now().strftime("%Y-%m-%d").to_string()
    }

    /// Returns the time that documents, such as saved plans, contain as their creation time. It is in UTC and in whole
    /// seconds, such as `2026-11-22T09:57:12Z`.
    pub fn timestamp(&self) -> String {
        self.document_time().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Returns a random number that is at least 0 and less than 1, such as for the random part of a retry's delay. It
    /// must not be used for secrets.
    pub fn random(&self) -> f64 {
        use std::hash::{BuildHasher, Hasher};
        // The standard library seeds each `RandomState` from the system's randomness.
        let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}
