//! The rules of a project that apply to all its services: ownership, guardrails and removals.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::desired::Retire;
use super::ids::{ServiceName, VersionSetName};
use super::origin::TAG_ORIGIN;

/// The key of the tag that marks the new service of a replacement. The tag's value is the id of the old service.
pub const TAG_REPLACES: &str = "replaces";
/// The key of the tag that stores `prevent_removal` on the live service, so that it still applies when the manifest is
/// gone.
pub const TAG_PROTECTED: &str = "protected";

/// The tag that marks the live services that a project owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ownership {
    /// The key of the ownership tag.
    pub tag: String,
    /// The value of the ownership tag on services that this project owns.
    pub value: String,
    /// True if `amigops.yaml` sets the value. If several projects use the default value, a project can't distinguish
    /// its own services from those of the other projects.
    pub is_written: bool,
    /// True if amigops writes the tag `origin` to owned services, and identifies services by it.
    pub origin: bool,
}

impl Default for Ownership {
    fn default() -> Self {
        Self { tag: "managed_by".to_owned(), value: "amigops".to_owned(), is_written: false, origin: true }
    }
}

impl Ownership {
    /// Returns true if this project owns a service with these tags.
    pub fn owns(&self, tags: &BTreeMap<String, Option<String>>) -> bool {
        tags.get(&self.tag).is_some_and(|value| value.as_deref() == Some(self.value.as_str()))
    }

    /// Returns the ownership value of the other project that owns a service with these tags. Returns `None` if this
    /// project or no project owns the service.
    pub fn other_owner<'a>(&self, tags: &'a BTreeMap<String, Option<String>>) -> Option<&'a str> {
        let value = tags.get(&self.tag)?.as_deref()?;
        (value != self.value).then_some(value)
    }

    /// Returns true if a service with these tags has no owner, so that it can be adopted.
    pub fn is_free(&self, tags: &BTreeMap<String, Option<String>>) -> bool {
        !self.owns(tags) && self.other_owner(tags).is_none()
    }

    /// Returns true if amigops writes this tag itself, so that manifests can't declare it.
    pub fn is_own_tag(&self, key: &str) -> bool {
        key == self.tag || key == TAG_REPLACES || key == TAG_PROTECTED || (self.origin && key == TAG_ORIGIN)
    }
}

/// The maximum number of removals in one plan: retired services plus deleted version sets.
///
/// Services that a manifest deactivates (`active: false`) don't count: that change is declared, and easy to revert. The
/// limit applies to removals that happen because something is *absent* from the manifests. A wrong file pattern or a
/// lost file can cause such removals by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum MaxRemovals {
    /// At most this number of removals.
    Count(usize),
    /// At most this percentage of the active services that the project owns.
    Percent(f64),
}

impl MaxRemovals {
    /// The description of the allowed values, for error messages.
    pub const EXPECTED: &str = "a number of at least 0, or a share such as \"10%\"";

    /// Returns the maximum number of removals for a project that owns this many active services. A percentage is
    /// rounded down.
    pub fn of(self, owned: usize) -> usize {
        match self {
            Self::Count(count) => count,
            // The floating-point result may be slightly too small even if the exact result is a whole number (29% of
            // 100).
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

/// The limits that a plan can exceed only with an explicit flag.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Guardrails {
    /// The maximum number of removals in one plan.
    pub max_removals: Option<MaxRemovals>,
    /// The version sets that must have pinned versions, not `latest`.
    pub require_pins: BTreeSet<VersionSetName>,
    /// The services that a plan must not remove or replace. A plan can still change them.
    pub protected: BTreeSet<ServiceName>,
}

/// Glob patterns (`*`, `?`, `[…]`, `{…}`) of version set names.
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
    /// Compiles the glob patterns.
    ///
    /// # Errors
    ///
    /// Returns the error of the first invalid pattern.
    pub fn new(patterns: &[String]) -> Result<Self, globset::Error> {
        let mut set = globset::GlobSetBuilder::new();
        for pattern in patterns {
            set.add(globset::Glob::new(pattern)?);
        }
        Ok(Self { patterns: patterns.to_vec(), set: set.build()? })
    }

    /// Returns true if at least one pattern matches the name.
    pub fn matches(&self, name: &VersionSetName) -> bool {
        self.set.is_match(name.as_str())
    }
}

/// The project's rules that planning follows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Policy {
    /// The tag that marks the services that the project owns.
    pub ownership: Ownership,
    /// The patterns of live version sets that the project does not manage.
    pub unmanaged_version_sets: VersionSetPatterns,
    /// The rules that refuse a plan, such as a maximum number of removals.
    pub guardrails: Guardrails,
    /// The way to retire orphans, from `defaults.lifecycle.retire`.
    pub retire_orphans: Retire,
}

impl Policy {
    /// Returns true if manifests don't manage this version set: it is `edge`, or its name matches one of
    /// [`Self::unmanaged_version_sets`].
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
            let expected = Err("expected a number of at least 0, or a share such as \"10%\"".to_owned());
            assert_eq!(text.parse::<MaxRemovals>(), expected, "{text}");
        }
    }
}
