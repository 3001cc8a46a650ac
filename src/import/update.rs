//! Finds the changes that bring an existing document up to date with the live service.
//!
//! Only fields that the document manages are changed. Fields that the document does not contain, and fields in
//! `lifecycle.ignore`, stay as they are.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::context::{ImportContext, Note};
use super::layers::{self, Layers};
use super::{manifest, select};
use crate::edit::Change;
use crate::model::settings::{self, EXPERIENCE_CONTROLS, SERVICE};
use crate::model::{
    DesiredPreference, DesiredService, DesiredVersionSet, FieldPath, LiveService, VersionSet, VersionSetName,
    same_json, trimmed,
};

/// Returns the changes that bring one document up to date with the live service, and notes for the user.
pub fn changes(
    context: &ImportContext<'_>,
    document: &Map<String, Value>,
    wanted: &DesiredService,
    live: &LiveService,
) -> (Vec<Change>, Vec<Note>) {
    let mut pending = PendingChanges { wanted, operations: Vec::new() };
    let mut notes = Vec::new();
    name(&mut pending, context, live, &mut notes);
    fields(&mut pending, context, live);
    pending.tags(context, live);
    pending.version_sets(context, live);
    pending.settings(live);
    let mut layers = Layers::new(context.defaults, document.clone(), context.environment, context.sole);
    for (path, value) in &pending.operations {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let done = match value {
            Some(value) => layers.set(&path, value),
            None => layers.unset(&path),
        };
        if let Err(reason) = done {
            notes.push(Note::new(&live.name, format!("`{}` is not updated: {reason}", path.join("."))));
        }
    }
    (layers::changes(document, &layers.into_document()), notes)
}

/// Changes the declared name to the live name. If the project has several environments, only adds a note, because the
/// service may still have the old name in other environments.
fn name(
    pending: &mut PendingChanges<'_>,
    context: &ImportContext<'_>,
    live: &LiveService,
    notes: &mut Vec<Note>,
) {
    if pending.wanted.name == live.name {
        return;
    }
    if !context.sole {
        let message = format!(
            "`{}` was renamed live. Its manifest keeps the old name, because the name applies to every environment. \
                         Rename it in the manifest, with `lifecycle.renamed_from` for environments that still have the old name",
            pending.wanted.name
        );
        notes.push(Note::new(&live.name, message));
        return;
    }
    pending.set(&["service"], json!(live.name));
    if pending.wanted.lifecycle.renamed_from.as_ref() == Some(&live.name) {
        pending.unset(&["lifecycle", "renamed_from"]);
    }
}

fn fields(pending: &mut PendingChanges<'_>, context: &ImportContext<'_>, live: &LiveService) {
    let wanted = pending.wanted;
    if let Some(description) = &wanted.description
        && trimmed(description) != trimmed(&live.description)
    {
        match trimmed(&live.description) {
            "" => pending.unset(&["description"]),
            text => pending.set(&["description"], json!(text)),
        }
    }
    // A manifest without `active` wants an active service.
    if wanted.active.unwrap_or(true) != live.active {
        pending.set(&["active"], json!(live.active));
    }
    if !select::refers_to(&wanted.agent, &live.agent, &context.snapshot.agents) {
        pending.set(&["agent"], manifest::reference(&live.agent, &context.snapshot.agents));
    }
    if !select::refers_to(&wanted.context_graph, &live.context_graph, &context.snapshot.context_graphs) {
        let graph = manifest::reference(&live.context_graph, &context.snapshot.context_graphs);
        pending.set(&["context_graph"], graph);
    }
    let sorted = |terms: &[String]| {
        let mut terms: Vec<String> = terms.iter().map(|term| trimmed(term).to_owned()).collect();
        terms.sort();
        terms.dedup();
        terms
    };
    if wanted.keyterms.as_ref().is_some_and(|terms| sorted(terms) != sorted(&live.keyterms)) {
        pending.set(&["keyterms"], json!(live.keyterms));
    }
    // Only add a protection: one that the manifest declares may not be live yet, so it is never removed.
    if manifest::is_protected(live) && !wanted.lifecycle.prevent_removal {
        pending.set(&["lifecycle", "prevent_removal"], json!(true));
    }
}

/// The pending changes of one document: values to set, and keys to remove (operations without a value).
struct PendingChanges<'a> {
    wanted: &'a DesiredService,
    operations: Vec<(Vec<String>, Option<Value>)>,
}

impl PendingChanges<'_> {
    fn push(&mut self, path: &[&str], value: Option<Value>) {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        let ignored = |ignored: &FieldPath| path.starts_with(&ignored.0);
        if !self.wanted.lifecycle.ignore.iter().any(ignored) {
            self.operations.push((path, value));
        }
    }

    fn set(&mut self, path: &[&str], value: Value) {
        self.push(path, Some(value));
    }

    fn unset(&mut self, path: &[&str]) {
        self.push(path, None);
    }

    fn tags(&mut self, context: &ImportContext<'_>, live: &LiveService) {
        let Some(declared) = &self.wanted.tags else { return };
        let current = manifest::tags(context, live);
        for key in declared.keys().filter(|key| !current.contains_key(*key)) {
            self.unset(&["tags", key]);
        }
        for (key, value) in &current {
            if declared.get(key).is_none_or(|declared| json!(declared) != *value) {
                self.set(&["tags", key], value.clone());
            }
        }
    }

    fn version_sets(&mut self, context: &ImportContext<'_>, live: &LiveService) {
        let Some(declared) = &self.wanted.version_sets else { return };
        for name in declared.keys().filter(|name| !live.version_sets.contains_key(*name)) {
            self.unset(&["version_sets", name.as_str()]);
        }
        let managed = live.version_sets.iter().filter(|(name, _)| !context.policy.is_unmanaged(name));
        for (name, set) in managed {
            match declared.get(name) {
                Some(declared) => self.version_set(name, declared, set),
                // `release` is never deleted, so a manifest that does not declare it leaves it unchanged.
                None if name.is_release() => {}
                None => self.set(&["version_sets", name.as_str()], manifest::version_set(set)),
            }
        }
    }

    fn version_set(&mut self, name: &VersionSetName, declared: &DesiredVersionSet, live: &VersionSet) {
        let at = |key| ["version_sets", name.as_str(), key];
        if declared.agent_version.is_some_and(|pin| pin != live.agent_version) {
            self.set(&at("agent_version"), manifest::pin(live.agent_version));
        }
        if declared.context_graph_version.is_some_and(|pin| pin != live.context_graph_version) {
            self.set(&at("context_graph_version"), manifest::pin(live.context_graph_version));
        }
        if let Some(preferences) = &declared.llm_model_preferences {
            self.preferences(&at("llm_model_preferences"), preferences, live);
        }
    }

    fn preferences(
        &mut self,
        at: &[&str],
        declared: &BTreeMap<String, DesiredPreference>,
        live: &VersionSet,
    ) {
        for interaction in declared.keys().filter(|name| !live.llm_model_preferences.contains_key(*name)) {
            self.unset(&[at, &[interaction]].concat());
        }
        for (interaction, current) in &live.llm_model_preferences {
            let path = [at, &[interaction.as_str()]].concat();
            let Some(one) = declared.get(interaction).filter(|one| one.llm_name == current.llm_name) else {
                self.set(&path, manifest::preference(current));
                continue;
            };
            if one.params.as_ref().is_some_and(|params| !same_json(&json!(params), &json!(current.params))) {
                self.set(&[&path[..], &["params"]].concat(), json!(current.params));
            }
            let path = [&path[..], &["experience_controls"]].concat();
            match &one.experience_controls {
                None => {}
                Some(None) if current.experience_controls.is_empty() => {}
                Some(None) => {
                    let controls = manifest::known(EXPERIENCE_CONTROLS, &current.experience_controls);
                    self.set(&path, Value::Object(controls));
                }
                Some(Some(patch)) => self.patch(&path, patch, &current.experience_controls),
            }
        }
    }

    fn settings(&mut self, live: &LiveService) {
        let mut values = settings::normal(SERVICE, &live.settings);
        for field in SERVICE {
            // Leave out unknown members, because manifests can't change them.
            if let (settings::Kind::Object(fields), Some(Value::Object(inner))) =
                (&field.kind, values.get_mut(field.name))
            {
                *inner = manifest::known(fields, inner);
            }
        }
        self.patch(&[], &self.wanted.settings.clone(), &values);
    }

    /// Adds a change for every declared value that differs from the live value, including values in nested mappings.
    fn patch(&mut self, at: &[&str], patch: &Map<String, Value>, live: &Map<String, Value>) {
        for (key, declared) in patch {
            let path = [at, &[key.as_str()]].concat();
            match (declared, live.get(key)) {
                (Value::Object(patch), Some(Value::Object(live))) => self.patch(&path, patch, live),
                (declared, current) if same_json(declared, current.unwrap_or(&Value::Null)) => {}
                (_, Some(current)) => self.set(&path, current.clone()),
                (_, None) => self.unset(&path),
            }
        }
    }
}
