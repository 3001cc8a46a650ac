//! The changed values of a service: its fields, and its version sets.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::VersionSetName;

/// The changes to one service, or the changes that one step makes. Plan files store them as a list of
/// [`super::ChangeRecord`]s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceChanges {
    /// The changed fields of the service itself. Version sets are not included.
    pub fields: Vec<FieldChange>,
    /// The version sets that are created, changed or deleted.
    pub version_sets: Vec<VersionSetChange>,
}

/// The reason for a change, found by comparing with the manifests of a base commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The manifests have changed since the base commit.
    Manifest,
    /// The live state has changed since the base commit, but the manifests have not.
    Drift,
    /// The manifests and the live state have both changed since the base commit, to different values.
    Both,
    /// The base branch has newer commits, and they declare the live value.
    Behind,
}

impl Cause {
    /// Returns the name that reports use for the cause.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Drift => "drift",
            Self::Both => "both",
            Self::Behind => "behind",
        }
    }
}

/// A changed value of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange<F = Field> {
    /// The field whose value changes.
    pub field: F,
    /// The live value, or null if there is none.
    pub before: Value,
    /// The wanted value, or null if the field is removed.
    pub after: Value,
    /// The cause of the change, or `None` if the plan has no base.
    pub cause: Option<Cause>,
}

/// A changed version set.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionSetChange {
    /// The name of the version set.
    pub name: VersionSetName,
    /// Says whether the version set is created, changed or deleted.
    pub kind: VersionSetChangeKind,
    /// The changed values. There is at least one.
    pub fields: Vec<FieldChange<VersionSetField>>,
}

/// The kind of change to a version set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionSetChangeKind {
    /// The version set is added to the service.
    Created,
    /// Values of the version set change.
    Changed,
    /// The version set is removed from the service.
    Deleted,
}

/// A field of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The name of the service.
    Name,
    /// The description of the service.
    Description,
    /// The field `active`, which is true if users can reach the service.
    Active,
    /// The agent of the service.
    Agent,
    /// The context graph of the service.
    ContextGraph,
    /// The key terms: words that speech recognition should expect.
    Keyterms,
    /// The tag with this key.
    Tag(String),
    /// A setting that only the Platform API has. The list contains the keys that lead to its value, the outermost
    /// first.
    Setting(Vec<String>),
}

/// A field of a version set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionSetField {
    /// The version of the agent.
    AgentVersion,
    /// The version of the context graph.
    ContextGraphVersion,
    /// A value in a model preference. The list contains the keys that lead to the value, beginning with the name of the
    /// interaction.
    Preference(Vec<String>),
    /// A field of the version set that manifests can't declare.
    Other(String),
}

/// The location of a changed value in a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangePath {
    /// A field of the service.
    Field(Field),
    /// A field of one of the service's version sets.
    VersionSet(VersionSetName, VersionSetField),
}

/// A changed value and its location in the service.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedValue<'a> {
    /// The location of the value in the service.
    pub path: ChangePath,
    /// The live value, or null if there is none.
    pub before: &'a Value,
    /// The wanted value, or null if the value is removed.
    pub after: &'a Value,
    /// The cause of the change, or `None` if the plan has no base.
    pub cause: Option<Cause>,
}

impl ServiceChanges {
    /// Returns the changed values of the service itself. Version sets are not included.
    pub fn field_values(&self) -> impl Iterator<Item = ChangedValue<'_>> {
        self.fields.iter().map(|change| change.at(ChangePath::Field(change.field.clone())))
    }

    /// Returns all changed values. The values of version sets come last.
    pub fn values(&self) -> impl Iterator<Item = ChangedValue<'_>> {
        self.field_values().chain(self.version_sets.iter().flat_map(VersionSetChange::values))
    }

    /// Returns the causes of all changes.
    pub fn causes(&self) -> impl Iterator<Item = Option<Cause>> {
        let of_sets = self.version_sets.iter().flat_map(VersionSetChange::causes);
        self.fields.iter().map(|change| change.cause).chain(of_sets)
    }

    /// Sets the cause of each change to the result of `cause_of` for the path of the change.
    pub fn set_causes(&mut self, cause_of: impl Fn(&ChangePath) -> Option<Cause>) {
        for change in &mut self.fields {
            change.cause = cause_of(&ChangePath::Field(change.field.clone()));
        }
        for set in &mut self.version_sets {
            for change in &mut set.fields {
                change.cause = cause_of(&ChangePath::VersionSet(set.name.clone(), change.field.clone()));
            }
        }
    }

    /// Returns the change of a field, or `None` if the field does not change.
    pub fn field(&self, field: &Field) -> Option<&FieldChange> {
        self.fields.iter().find(|change| change.field == *field)
    }

    /// Returns the opposite changes, which lead from the wanted state to the live state. A version set that is created
    /// becomes one that is deleted.
    pub fn reversed(self) -> Self {
        let version_sets = self.version_sets.into_iter().map(|set| VersionSetChange {
            name: set.name,
            kind: match set.kind {
                VersionSetChangeKind::Created => VersionSetChangeKind::Deleted,
                VersionSetChangeKind::Changed => VersionSetChangeKind::Changed,
                VersionSetChangeKind::Deleted => VersionSetChangeKind::Created,
            },
            fields: set.fields.into_iter().map(FieldChange::reversed).collect(),
        });
        Self {
            fields: self.fields.into_iter().map(FieldChange::reversed).collect(),
            version_sets: version_sets.collect(),
        }
    }
}

impl From<FieldChange> for ServiceChanges {
    fn from(change: FieldChange) -> Self {
        Self { fields: vec![change], version_sets: Vec::new() }
    }
}

impl<F> FieldChange<F> {
    /// Creates a change whose cause is not known yet.
    pub fn new(field: F, before: Value, after: Value) -> Self {
        Self { field, before, after, cause: None }
    }

    /// Returns the wanted value, or the live value if there is no wanted one.
    pub fn only_value(&self) -> &Value {
        if self.after.is_null() { &self.before } else { &self.after }
    }

    fn reversed(self) -> Self {
        Self { before: self.after, after: self.before, ..self }
    }

    fn at(&self, path: ChangePath) -> ChangedValue<'_> {
        ChangedValue { path, before: &self.before, after: &self.after, cause: self.cause }
    }
}

impl VersionSetChange {
    /// Returns the changed values of the version set.
    pub fn values(&self) -> impl Iterator<Item = ChangedValue<'_>> {
        let path = |field: &VersionSetField| ChangePath::VersionSet(self.name.clone(), field.clone());
        self.fields.iter().map(move |change| change.at(path(&change.field)))
    }

    /// Returns the causes of the changes of the version set.
    pub fn causes(&self) -> impl Iterator<Item = Option<Cause>> {
        self.fields.iter().map(|change| change.cause)
    }

    /// Returns the change of a field, or `None` if the field does not change.
    pub fn field(&self, field: &VersionSetField) -> Option<&FieldChange<VersionSetField>> {
        self.fields.iter().find(|change| change.field == *field)
    }

    /// Returns the path of the version set in a service, such as `version_sets.release`.
    pub fn path(&self) -> String {
        format!("version_sets.{}", self.name)
    }
}

impl Field {
    /// Returns true for the agent and the context graph. If one of them changes, a new service may be necessary.
    pub fn is_reference(&self) -> bool {
        matches!(self, Self::Agent | Self::ContextGraph)
    }
}

impl ChangePath {
    /// Returns true if the paths are equal, or if the value at one path contains the value at the other path.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let is_nested = |one: &[String], other: &[String]| one.starts_with(other) || other.starts_with(one);
        match (self, other) {
            (Self::Field(Field::Setting(one)), Self::Field(Field::Setting(other))) => is_nested(one, other),
            (
                Self::VersionSet(name, VersionSetField::Preference(one)),
                Self::VersionSet(other_name, VersionSetField::Preference(other)),
            ) => name == other_name && is_nested(one, other),
            _ => self == other,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("service"),
            Self::Description => f.write_str("description"),
            Self::Active => f.write_str("active"),
            Self::Agent => f.write_str("agent"),
            Self::ContextGraph => f.write_str("context_graph"),
            Self::Keyterms => f.write_str("keyterms"),
            Self::Tag(key) => write!(f, "tags.{key}"),
            Self::Setting(names) => f.write_str(&names.join(".")),
        }
    }
}

impl fmt::Display for VersionSetField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AgentVersion => f.write_str("agent_version"),
            Self::ContextGraphVersion => f.write_str("context_graph_version"),
            Self::Preference(names) => write!(f, "llm_model_preferences.{}", names.join(".")),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for ChangePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => field.fmt(f),
            Self::VersionSet(name, field) => write!(f, "version_sets.{name}.{field}"),
        }
    }
}
