//! What an existing document must say, so that it says what is live.
//!
//! Only what the document manages is touched: what it leaves out stays out, and so does what its
//! `lifecycle.ignore` names.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::layers::{self, Layers};
use super::{Context, Note, manifest, select};
use crate::edit::Change;
use crate::model::settings::{self, EXPERIENCE_CONTROLS, SERVICE};
use crate::model::{
    DesiredPreference, DesiredService, DesiredVersionSet, FieldPath, LiveService, VersionSet, VersionSetName,
    same_json, trimmed,
};

/// The changes that one document needs.
pub fn changes(
    context: &Context<'_>,
    document: &Map<String, Value>,
    wanted: &DesiredService,
    live: &LiveService,
) -> (Vec<Change>, Vec<Note>) {
    let mut work = Work { wanted, operations: Vec::new() };
    let mut notes = Vec::new();
    name(&mut work, context, live, &mut notes);
    fields(&mut work, context, live);
    work.tags(context, live);
    work.version_sets(context, live);
    work.settings(live);
    let mut layers = Layers::new(context.defaults, document.clone(), context.environment, context.sole);
    for (path, value) in &work.operations {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let done = match value {
            Some(value) => layers.set(&path, value),
            None => layers.unset(&path),
        };
        if let Err(reason) = done {
            notes.push(Note::new(&live.name, format!("`{}` stays as it is: {reason}", path.join("."))));
        }
    }
    (layers::changes(document, &layers.into_document()), notes)
}

/// A live name is only taken over where no other environment has the service under the present one.
fn name(work: &mut Work<'_>, context: &Context<'_>, live: &LiveService, notes: &mut Vec<Note>) {
    if work.wanted.name == live.name {
        return;
    }
    if !context.sole {
        let message = format!(
            "`{}` was renamed live; its manifest keeps the name, which holds in every environment. Rename it \
             there, with `lifecycle.renamed_from` for those where it still has the old name",
            work.wanted.name
        );
        notes.push(Note::new(&live.name, message));
        return;
    }
    work.set(&["service"], json!(live.name));
    if work.wanted.lifecycle.renamed_from.as_ref() == Some(&live.name) {
        work.unset(&["lifecycle", "renamed_from"]);
    }
}

fn fields(work: &mut Work<'_>, context: &Context<'_>, live: &LiveService) {
    let wanted = work.wanted;
    if let Some(description) = &wanted.description
        && trimmed(description) != trimmed(&live.description)
    {
        match trimmed(&live.description) {
            "" => work.unset(&["description"]),
            text => work.set(&["description"], json!(text)),
        }
    }
    if wanted.active.is_some_and(|active| active != live.active) {
        work.set(&["active"], json!(live.active));
    }
    if !select::is(&wanted.agent, &live.agent, &context.snapshot.agents) {
        work.set(&["agent"], manifest::reference(&live.agent, &context.snapshot.agents));
    }
    if !select::is(&wanted.context_graph, &live.context_graph, &context.snapshot.context_graphs) {
        let graph = manifest::reference(&live.context_graph, &context.snapshot.context_graphs);
        work.set(&["context_graph"], graph);
    }
    let sorted = |terms: &[String]| {
        let mut terms: Vec<String> = terms.iter().map(|term| trimmed(term).to_owned()).collect();
        terms.sort();
        terms.dedup();
        terms
    };
    if wanted.keyterms.as_ref().is_some_and(|terms| sorted(terms) != sorted(&live.keyterms)) {
        work.set(&["keyterms"], json!(live.keyterms));
    }
    // Protection that the manifest asks for and that isn't live yet is not taken back.
    if manifest::is_protected(live) && !wanted.lifecycle.prevent_removal {
        work.set(&["lifecycle", "prevent_removal"], json!(true));
    }
}

/// What is to be set (or, without a value, taken away) in one document.
struct Work<'a> {
    wanted: &'a DesiredService,
    operations: Vec<(Vec<String>, Option<Value>)>,
}

impl Work<'_> {
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

    fn tags(&mut self, context: &Context<'_>, live: &LiveService) {
        let Some(declared) = &self.wanted.tags else { return };
        let there = manifest::tags(context, live);
        for key in declared.keys().filter(|key| !there.contains_key(*key)) {
            self.unset(&["tags", key]);
        }
        for (key, value) in &there {
            if declared.get(key).is_none_or(|declared| json!(declared) != *value) {
                self.set(&["tags", key], value.clone());
            }
        }
    }

    fn version_sets(&mut self, context: &Context<'_>, live: &LiveService) {
        let Some(declared) = &self.wanted.version_sets else { return };
        for name in declared.keys().filter(|name| !live.version_sets.contains_key(*name)) {
            self.unset(&["version_sets", name.as_str()]);
        }
        let managed = live.version_sets.iter().filter(|(name, _)| !context.policy.is_unmanaged(name));
        for (name, set) in managed {
            match declared.get(name) {
                Some(declared) => self.version_set(name, declared, set),
                // It is never deleted, so that leaving it out means leaving it alone.
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
        for (interaction, there) in &live.llm_model_preferences {
            let path = [at, &[interaction.as_str()]].concat();
            let Some(one) = declared.get(interaction).filter(|one| one.llm_name == there.llm_name) else {
                self.set(&path, manifest::preference(there));
                continue;
            };
            if one.params.as_ref().is_some_and(|params| !same_json(&json!(params), &json!(there.params))) {
                self.set(&[&path[..], &["params"]].concat(), json!(there.params));
            }
            let path = [&path[..], &["experience_controls"]].concat();
            match &one.experience_controls {
                None => {}
                Some(None) if there.experience_controls.is_empty() => {}
                Some(None) => {
                    let controls = manifest::known(EXPERIENCE_CONTROLS, &there.experience_controls);
                    self.set(&path, Value::Object(controls));
                }
                Some(Some(patch)) => self.patch(&path, patch, &there.experience_controls),
            }
        }
    }

    fn settings(&mut self, live: &LiveService) {
        let mut values = settings::normal(SERVICE, &live.settings);
        for field in SERVICE {
            // Unknown members stay whatever a manifest says.
            if let (settings::Kind::Object(fields), Some(Value::Object(inner))) =
                (&field.kind, values.get_mut(field.name))
            {
                *inner = manifest::known(fields, inner);
            }
        }
        self.patch(&[], &self.wanted.settings.clone(), &values);
    }

    /// Where a patch differs from what is there, down to what isn't an object.
    fn patch(&mut self, at: &[&str], patch: &Map<String, Value>, live: &Map<String, Value>) {
        for (key, declared) in patch {
            let path = [at, &[key.as_str()]].concat();
            match (declared, live.get(key)) {
                (Value::Object(patch), Some(Value::Object(live))) => self.patch(&path, patch, live),
                (declared, there) if same_json(declared, there.unwrap_or(&Value::Null)) => {}
                (_, Some(there)) => self.set(&path, there.clone()),
                (_, None) => self.unset(&path),
            }
        }
    }
}
