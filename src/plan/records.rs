//! Changes and findings in the form that plan files have: the path of a changed value is a string, and a finding is
//! stored with its whole text.
//!
//! This is the only file that parses paths.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::changes::{
    Cause, ChangePath, ChangedValue, Field, FieldChange, ServiceChanges, VersionSetChange,
    VersionSetChangeKind, VersionSetField,
};
use super::types::Finding;
use crate::model::{ServiceName, VersionSetName};

/// A value that the plan changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRecord {
    /// The path of the value, with dots, such as `version_sets.release.agent_version`.
    pub path: String,
    /// The live value, or null if there is none.
    pub before: Value,
    /// The value after the change, or null if the value is removed.
    pub after: Value,
    /// The cause of the change, or null if the base is unknown.
    pub cause: Option<Cause>,
}

impl ChangeRecord {
    /// Creates the record of a change without a cause.
    pub fn new(path: impl Into<String>, before: Value, after: Value) -> Self {
        Self { path: path.into(), before, after, cause: None }
    }
}

impl From<ChangedValue<'_>> for ChangeRecord {
    fn from(ChangedValue { path, before, after, cause }: ChangedValue<'_>) -> Self {
        Self { path: path.to_string(), before: before.clone(), after: after.clone(), cause }
    }
}

impl From<&ServiceChanges> for Vec<ChangeRecord> {
    fn from(changes: &ServiceChanges) -> Self {
        changes.values().map(ChangeRecord::from).collect()
    }
}

impl From<Vec<ChangeRecord>> for ServiceChanges {
    fn from(list: Vec<ChangeRecord>) -> Self {
        let mut changes = Self::default();
        for ChangeRecord { path, before, after, cause } in list {
            match ChangePath::from(path.as_str()) {
                ChangePath::Field(field) => {
                    changes.fields.push(FieldChange { field, before, after, cause });
                }
                ChangePath::VersionSet(name, field) => {
                    let change = FieldChange { field, before, after, cause };
                    match changes.version_sets.last_mut().filter(|last| last.name == name) {
                        Some(last) => last.fields.push(change),
                        None => changes.version_sets.push(VersionSetChange {
                            name,
                            kind: VersionSetChangeKind::Changed,
                            fields: vec![change],
                        }),
                    }
                }
            }
        }
        for set in &mut changes.version_sets {
            set.kind = kind_of(set);
        }
        changes
    }
}

impl Serialize for ServiceChanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.values().map(ChangeRecord::from))
    }
}

impl<'de> Deserialize<'de> for ServiceChanges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<ChangeRecord>::deserialize(deserializer).map(Self::from)
    }
}

impl JsonSchema for ServiceChanges {
    fn inline_schema() -> bool {
        Vec::<ChangeRecord>::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<ChangeRecord>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<ChangeRecord>::json_schema(generator)
    }
}

/// Returns the kind of change to a version set. The change of the agent's pin shows the kind: the pin is null before a
/// version set is created, and after it is deleted.
fn kind_of(set: &VersionSetChange) -> VersionSetChangeKind {
    match set.field(&VersionSetField::AgentVersion) {
        Some(pin) if pin.after.is_null() => VersionSetChangeKind::Deleted,
        Some(pin) if pin.before.is_null() => VersionSetChangeKind::Created,
        _ => VersionSetChangeKind::Changed,
    }
}

impl From<&str> for ChangePath {
    /// Parses the path of a changed value. Every string is a valid path, and formatting the parsed path returns the
    /// same string.
    fn from(path: &str) -> Self {
        let field = match path {
            "service" => Field::Name,
            "description" => Field::Description,
            "active" => Field::Active,
            "agent" => Field::Agent,
            "context_graph" => Field::ContextGraph,
            "keyterms" => Field::Keyterms,
            _ => {
                if let Some(key) = path.strip_prefix("tags.") {
                    Field::Tag(key.to_owned())
                } else if let Some(in_set) = path.strip_prefix("version_sets.").and_then(version_set_path) {
                    return in_set;
                } else {
                    Field::Setting(names(path))
                }
            }
        };
        Self::Field(field)
    }
}

/// Parses the path of a value in a version set. The path begins with the name of the version set, which may contain
/// dots. Returns `None` if the path has another form.
fn version_set_path(path: &str) -> Option<ChangePath> {
    const PREFERENCES: &str = "llm_model_preferences.";
    let (name, field) = if let Some((name, rest)) = path.split_once(&format!(".{PREFERENCES}")) {
        (name, VersionSetField::Preference(names(rest)))
    } else if let Some(name) = path.strip_suffix(".agent_version") {
        (name, VersionSetField::AgentVersion)
    } else if let Some(name) = path.strip_suffix(".context_graph_version") {
        (name, VersionSetField::ContextGraphVersion)
    } else {
        let (name, other) = path.split_once('.')?;
        (name, VersionSetField::Other(other.to_owned()))
    };
    // A version set's name has no blanks at its ends.
    let is_name = name.trim() == name;
    is_name.then(|| ChangePath::VersionSet(VersionSetName::new(name), field))
}

fn names(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// A note for the reader of the plan. If an apply would be refused, the text of the note says so.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FindingRecord {
    /// The service that the note is about.
    service: ServiceName,
    /// The text of the note.
    message: String,
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FindingRecord { service: self.service.clone(), message: self.text() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let FindingRecord { service, message } = FindingRecord::deserialize(deserializer)?;
        Ok(match message.strip_prefix(Self::REFUSAL) {
            Some(reason) => Self::refusal(service, reason),
            None => Self::note(service, message),
        })
    }
}

impl JsonSchema for Finding {
    fn inline_schema() -> bool {
        FindingRecord::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        FindingRecord::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        FindingRecord::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Parts that the tests join to paths. Some are names that look like other parts of a path.
    const PARTS: &[&str] = &[
        "",
        ".",
        "..",
        " ",
        "a",
        "a.b",
        "service",
        "agent",
        "agent_version",
        "context_graph_version",
        "tags",
        "tags.",
        "version_sets",
        "version_sets.",
        "version_sets.release",
        "llm_model_preferences",
        ".llm_model_preferences.",
        "edge",
        "voice_config",
        "\n",
        "日本\u{202e}",
        "description",
        "keyterms",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_path_is_written_as_it_was_read(
            parts in prop::collection::vec(prop::sample::select(PARTS), 0..6), between in "\\.|"
        ) {
            let path = parts.join(&between);
            prop_assert_eq!(ChangePath::from(path.as_str()).to_string(), path);
        }

        #[test]
        fn any_text_is_a_path(path in "(\\PC|\\pC|\\.){0,40}") {
            prop_assert_eq!(ChangePath::from(path.as_str()).to_string(), path);
        }

        #[test]
        fn tags_and_names_with_dots_are_read_back(key in "(\\PC|\\.|[a-z]){0,20}", name in "[a-z.]{1,12}") {
            let tag = ChangePath::Field(Field::Tag(key));
            prop_assert_eq!(ChangePath::from(tag.to_string().as_str()), tag);
            for field in [
                VersionSetField::AgentVersion,
                VersionSetField::ContextGraphVersion,
                VersionSetField::Preference(vec!["EngageWithUser".to_owned(), "llm_name".to_owned()]),
            ] {
                let path = ChangePath::VersionSet(VersionSetName::new(&name), field);
                prop_assert_eq!(ChangePath::from(path.to_string().as_str()), path);
            }
        }
    }

    #[test]
    fn a_list_of_changes_is_written_as_it_was_read() {
        let values = [
            ("agent", json!("A1"), json!("A2")),
            ("tags.a.b", Value::Null, json!("")),
            ("voice_config.eot_timeout_ms", json!(1), json!(2)),
            ("version_sets.new.agent_version", Value::Null, json!("latest")),
            ("version_sets.new.context_graph_version", Value::Null, json!(3)),
            ("version_sets.new.llm_model_preferences.Engage.params.temperature", Value::Null, json!(0.2)),
            ("version_sets.old.agent_version", json!(1), Value::Null),
            ("version_sets.release.agent_version", json!("latest"), json!(2)),
            ("version_sets.release.applied_behavior_ids", json!([]), json!(["b"])),
        ];
        let list: Vec<ChangeRecord> =
            values.into_iter().map(|(path, before, after)| ChangeRecord::new(path, before, after)).collect();
        let changes = ServiceChanges::from(list.clone());
        let kinds: Vec<_> = changes.version_sets.iter().map(|set| (set.name.as_str(), set.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("new", VersionSetChangeKind::Created),
                ("old", VersionSetChangeKind::Deleted),
                ("release", VersionSetChangeKind::Changed),
            ]
        );
        assert_eq!(changes.fields[1].field, Field::Tag("a.b".to_owned()));
        assert_eq!(Vec::from(&changes), list);
    }
}
