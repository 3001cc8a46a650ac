//! The rules that a project sets for all its services. Imports nothing of ours.

use std::collections::{BTreeMap, BTreeSet};

use super::{ServiceName, VersionSetName};

/// The tag by which a half-made replacement is found again: its value is the old service's id.
pub const TAG_REPLACES: &str = "replaces";
/// The tag that keeps `prevent_removal` on the live service, so that it outlives its manifest.
pub const TAG_PROTECTED: &str = "protected";

/// The tag that says which project owns a live service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The tag's key.
    pub tag: String,
    /// The project's value.
    pub value: String,
}

impl Default for Ownership {
    fn default() -> Self {
        Self { tag: "managed_by".to_owned(), value: "amigops".to_owned() }
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxRemovals {
    /// At most this many.
    Count(usize),
    /// At most this share of the live services that the project owns, in percent.
    Percent(f64),
}

/// What a plan may not do without being told to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guardrails {
    /// The most removals in one plan.
    pub max_removals: Option<MaxRemovals>,
    /// Version sets that may not say `latest`.
    pub require_pins: BTreeSet<VersionSetName>,
    /// Services that may be changed, but not removed or replaced.
    pub protected: BTreeSet<ServiceName>,
}

/// Glob patterns (`*`, `?`, `[…]`, `{…}`) of version-set names.
#[derive(Clone, Debug, Default)]
pub struct VersionSetPatterns {
    patterns: Vec<String>,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Whose services these are.
    pub ownership: Ownership,
    /// Live version sets that are nobody's business here.
    pub unmanaged_version_sets: VersionSetPatterns,
    /// What a plan may not do.
    pub guardrails: Guardrails,
}

impl Policy {
    /// Whether a live version set is outside the manifests' care: `edge`, or one that a pattern names.
    pub fn is_unmanaged(&self, name: &VersionSetName) -> bool {
        name.is_edge() || self.unmanaged_version_sets.matches(name)
    }
}
