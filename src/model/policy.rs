//! The rules that a project sets for all its services.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::{Retire, ServiceName, VersionSetName};

/// The tag by which a half-made replacement is found again: its value is the old service's id.
pub const TAG_REPLACES: &str = "replaces";
/// The tag that keeps `prevent_removal` on the live service, so that it outlives its manifest.
pub const TAG_PROTECTED: &str = "protected";

/// The tag that says which project owns a live service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ownership {
    /// The tag's key.
    pub tag: String,
    /// The project's value.
    pub value: String,
    /// Whether the project wrote the value. All projects that did not share the default one, so that each of them
    /// seems to own the services of all.
    pub is_written: bool,
}

impl Default for Ownership {
    fn default() -> Self {
        Self { tag: "managed_by".to_owned(), value: "amigops".to_owned(), is_written: false }
    }
}

impl Ownership {
    /// Whether these tags say that the service is this project's.
    pub fn owns(&self, tags: &BTreeMap<String, Option<String>>) -> bool {
        tags.get(&self.tag).is_some_and(|value| value.as_deref() == Some(self.value.as_str()))
    }

    /// The other project that owns a service with these tags, if one does.
    pub fn other_owner<'a>(&self, tags: &'a BTreeMap<String, Option<String>>) -> Option<&'a str> {
        let value = tags.get(&self.tag)?.as_deref()?;
        (value != self.value).then_some(value)
    }

    /// Whether these tags name no owner at all: such a service can be adopted.
    pub fn is_free(&self, tags: &BTreeMap<String, Option<String>>) -> bool {
        !self.owns(tags) && self.other_owner(tags).is_none()
    }

    /// Whether a tag key is one that the tool writes itself, so that no manifest may declare it.
    pub fn is_own_tag(&self, key: &str) -> bool {
        key == self.tag || key == TAG_REPLACES || key == TAG_PROTECTED
    }
}

/// How much one plan may remove: services retired plus version sets deleted.
///
/// Services that a manifest switches off (`active: false`) don't count: that is a declared wish about a
/// service that stays declared, and taking it back brings the service back. What this bounds is what goes
/// because something is *absent*, which a wrong pattern or a lost file brings about as easily as a wish.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum MaxRemovals {
    /// At most this many.
    Count(usize),
    /// At most this share of the live services that the project owns, in percent.
    Percent(f64),
}

impl MaxRemovals {
    /// What may be written for it.
    pub const EXPECTED: &str = "a number from 0, or a share such as \"10%\"";

    /// How many removals that is, where the project owns so many active services. A share is rounded down: at
    /// most so much, never a bit more.
    pub fn of(self, owned: usize) -> usize {
        match self {
            Self::Count(count) => count,
            // Binary fractions of whole results (29% of 100) may come out a hair too small.
            Self::Percent(percent) => (owned as f64 * percent / 100.0 + 1e-9).floor() as usize,
        }
    }
}

impl fmt::Display for MaxRemovals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for MaxRemovals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let found = match text.strip_suffix('%') {
            Some(share) if digits(share) => {
                share.parse().ok().filter(|share| (0.0..=100.0).contains(share)).map(Self::Percent)
            }
            None if digits(text) => text.parse().ok().map(Self::Count),
            _ => None,
        };
        found.ok_or_else(|| format!("expected {}", Self::EXPECTED))
    }
}

/// What a plan may not do without being told to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Guardrails {
    /// The most removals in one plan.
    pub max_removals: Option<MaxRemovals>,
    /// Version sets that may not say `latest`.
    pub require_pins: BTreeSet<VersionSetName>,
    /// Services that may be changed, but not removed or replaced.
    pub protected: BTreeSet<ServiceName>,
}

/// Glob patterns (`*`, `?`, `[…]`, `{…}`) of version-set names.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VersionSetPatterns {
    patterns: Vec<String>,
    #[serde(skip)]
    set: globset::GlobSet,
}

impl PartialEq for VersionSetPatterns {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl VersionSetPatterns {
    /// Compiles the patterns.
    ///
    /// # Errors
    ///
    /// The first pattern that isn't one, in the words of the `globset` crate.
    pub fn new(patterns: &[String]) -> Result<Self, globset::Error> {
        let mut set = globset::GlobSetBuilder::new();
        for pattern in patterns {
            set.add(globset::Glob::new(pattern)?);
        }
        Ok(Self { patterns: patterns.to_vec(), set: set.build()? })
    }

    /// Whether a pattern matches the name.
    pub fn matches(&self, name: &VersionSetName) -> bool {
        self.set.is_match(name.as_str())
    }
}

/// A project's rules, as planning needs them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Policy {
    /// Whose services these are.
    pub ownership: Ownership,
    /// Live version sets that are nobody's business here.
    pub unmanaged_version_sets: VersionSetPatterns,
    /// What a plan may not do.
    pub guardrails: Guardrails,
    /// What becomes of services of ours that no manifest declares any more, once they are to go: what
    /// `defaults.lifecycle.retire` says.
    pub retire_orphans: Retire,
}

impl Policy {
    /// Whether a live version set is outside the manifests' care: `edge`, or one that a pattern names.
    pub fn is_unmanaged(&self, name: &VersionSetName) -> bool {
        name.is_edge() || self.unmanaged_version_sets.matches(name)
    }
}

#[cfg(test)]
mod tests {
    use super::MaxRemovals;

    #[test]
    fn shares_are_rounded_down_and_whole_ones_are_exact() {
        let table = [
            ("3", 0, Ok(3)),
            ("0", 9, Ok(0)),
            (" 10% ", 25, Ok(2)),
            ("10%", 5, Ok(0)),
            ("29%", 100, Ok(29)),
            ("1.1%", 1000, Ok(11)),
            ("0.7%", 1000, Ok(7)),
            ("33.3%", 3, Ok(0)),
            ("100%", 7, Ok(7)),
            ("0%", 7, Ok(0)),
        ];
        for (text, owned, expected) in table {
            let rule = text.parse::<MaxRemovals>();
            assert_eq!(rule.map(|rule| rule.of(owned)), expected, "{text} of {owned}");
        }
        for text in ["", "%", ".", "-1", "+1", "1.5", "101%", "1e2%", "ten", "10 %", "NaN%", "inf%"] {
            let expected = Err("expected a number from 0, or a share such as \"10%\"".to_owned());
            assert_eq!(text.parse::<MaxRemovals>(), expected, "{text}");
        }
    }
}
