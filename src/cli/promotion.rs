//! Copies the pins of one version set to another version set, one service at a time.

use serde_json::{Map, Value, json};

use super::manifest_edits::{ManifestEdits, layer_of};
use crate::error::Failure;
use crate::manifest::{Layer, Loaded};
use crate::model::{DesiredPreference, DesiredService, DesiredVersionSet, Pin, ServiceName};
use crate::report::pins::PinChange;
use crate::report::text::visible;

const PREFERENCES: &str = "llm_model_preferences";

/// The edits that copy pins from one version set to another, and the changes and notes for the report.
pub(super) struct Promotion<'a> {
    loaded: &'a Loaded,
    from: &'a str,
    to: &'a str,
    pub(super) edits: ManifestEdits,
    pub(super) changes: Vec<PinChange>,
    /// Notes about pins that are not copied.
    pub(super) notes: Vec<String>,
}

/// A service and its two version sets: the one to copy from and the one to copy to.
struct Pair<'a> {
    service: &'a ServiceName,
    from: &'a DesiredVersionSet,
    to: Option<&'a DesiredVersionSet>,
}

impl<'a> Promotion<'a> {
    /// Creates a promotion that has no edits yet.
    pub(super) fn new(loaded: &'a Loaded, from: &'a str, to: &'a str) -> Self {
        let edits = ManifestEdits::default();
        Self { loaded, from, to, edits, changes: Vec::new(), notes: Vec::new() }
    }

    /// Copies the pins of a service, and its model preferences if requested. Returns false if the service does not have
    /// the version set to copy from.
    ///
    /// # Errors
    ///
    /// Fails if a pin that `guardrails.require_pins` requires is missing, or if preferences can't be copied.
    pub(super) fn copy(&mut self, service: &DesiredService, preferences: bool) -> Result<bool, Failure> {
        let sets = service.version_sets.as_ref();
        let Some(from) = sets.and_then(|sets| sets.get(self.from)) else { return Ok(false) };
        let to = sets.and_then(|sets| sets.get(self.to));
        let pair = Pair { service: &service.name, from, to };
        self.copy_pins(&pair)?;
        if preferences {
            self.copy_preferences(&pair)?;
        }
        Ok(true)
    }

    fn copy_pins(&mut self, pair: &Pair<'_>) -> Result<(), Failure> {
        let required = self.loaded.project.policy.guardrails.require_pins.contains(self.to);
        let (service, from, to) = (pair.service, pair.from, pair.to);
        let empty = DesiredVersionSet::default();
        let old = to.unwrap_or(&empty);
        for (field, pin, before) in [
            ("agent_version", from.agent_version, old.agent_version),
            ("context_graph_version", from.context_graph_version, old.context_graph_version),
        ] {
            let refuse = |what: &str| {
                let message = format!("`{service}`: {field} of `{}` {what}", self.from);
                let hint = format!("`guardrails.require_pins` in amigops.yaml lists `{}`", self.to);
                Err(Failure::other(message).hint(hint).hint("no file was changed"))
            };
            let value = match pin {
                Some(pin) if before == Some(pin) => continue,
                Some(Pin::Latest) if required => return refuse("is `latest`, which is not a pin"),
                Some(Pin::Latest) => json!("latest"),
                Some(Pin::Number(number)) => json!(number),
                None if required && before.is_none() => return refuse("is not set"),
                None => {
                    let (name, from) = (visible(service.as_str()), visible(self.from));
                    self.notes.push(format!(
                        "`{name}`: version set `{from}` has no {field}, so this pin is not copied"
                    ));
                    continue;
                }
            };
            let after = pin.map(|pin| pin.to_string()).unwrap_or_default();
            let layer = self.layer(service, field);
            let before = before.map(|pin| pin.to_string());
            self.add_change((service, field, layer), value, (before, after));
        }
        Ok(())
    }

    /// Returns the layer of the manifest in which to write a field of the version set that `--to` names.
    fn layer(&self, service: &ServiceName, field: &str) -> Layer {
        layer_of(&self.loaded.places, service, self.to, field).unwrap_or_else(|| {
            // A new set goes into the same layer as the set that it copies.
            let fields = ["agent_version", "context_graph_version"];
            let overlay = fields.iter().any(|field| {
                self.loaded.places.layers(service, &[self.from, field]).first() == Some(&Layer::Overlay)
            });
            if overlay { Layer::Overlay } else { Layer::Document }
        })
    }

    fn add_change(
        &mut self,
        (service, field, layer): (&ServiceName, &str, Layer),
        value: Value,
        (before, after): (Option<String>, String),
    ) {
        let Some(at) = self.loaded.places.key_path(service, &[self.to, field], layer) else { return };
        self.changes.push(PinChange {
            file: at.file.clone(),
            service: service.to_string(),
            set: self.to.to_owned(),
            field: field.to_owned(),
            before,
            after,
            overlay: (layer == Layer::Overlay).then(|| at.path.get(1).cloned()).flatten(),
        });
        self.edits.set(at, value);
    }

    fn copy_preferences(&mut self, pair: &Pair<'_>) -> Result<(), Failure> {
        let (service, from) = (pair.service, pair.from);
        let old = pair.to.and_then(|set| set.llm_model_preferences.as_ref());
        let Some(wanted) = from.llm_model_preferences.as_ref().filter(|wanted| Some(*wanted) != old) else {
            return Ok(());
        };
        let layer = self.layer(service, PREFERENCES);
        let layers = self.loaded.places.layers(service, &[self.to, PREFERENCES]);
        let is_removed =
            layers.is_empty() && self.loaded.places.is_in_overlay(service, &[self.to, PREFERENCES]);
        // Layers are merged, so a value in one layer does not replace the values in another.
        if is_removed || layers.iter().any(|one| *one != layer) {
            let environment = &self.loaded.environment.name;
            let message = format!(
                "`{service}`: {PREFERENCES} of version set `{}` are set in several places for environment `{environment}`",
                self.to
            );
            let at = pair.to.map_or_else(String::new, |set| format!(" (see {})", set.place));
            return Err(Failure::other(message).hint(format!("copy them by hand{at}; no file was changed")));
        }
        let value = Value::Object(wanted.iter().map(|(name, one)| (name.clone(), preference(one))).collect());
        let count = |number: usize| format!("{number} interaction{}", if number == 1 { "" } else { "s" });
        let texts = (old.map(|old| count(old.len())), count(wanted.len()));
        self.add_change((service, PREFERENCES, layer), value, texts);
        Ok(())
    }
}

fn preference(preference: &DesiredPreference) -> Value {
    let mut out = Map::from_iter([("llm_name".to_owned(), json!(preference.llm_name))]);
    if let Some(params) = &preference.params {
        out.insert("params".to_owned(), Value::Object(params.clone()));
    }
    if let Some(controls) = &preference.experience_controls {
        out.insert("experience_controls".to_owned(), json!(controls));
    }
    Value::Object(out)
}
