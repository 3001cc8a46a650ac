//! `amigops promote`: copies a version set's pins to another version set, in the manifests.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::manifest_edits::{self, ManifestEdits, layer_of, select_services, unknown_set};
use crate::cli::{Context, prepare};
use crate::error::{Failure, Success};
use crate::manifest::{Layer, Loaded, Places};
use crate::model::{DesiredPreference, DesiredService, DesiredVersionSet, Pin, ServiceName, VersionSetName};
use crate::report::pins::{self, PinChange};
use crate::report::text::visible;

const PREFERENCES: &str = "llm_model_preferences";

/// Arguments of `promote`.
#[derive(Debug, Args)]
#[command(long_about = "Copy the pinned versions of one version set to another, in the manifests\n\n\
    The pinned versions are agent_version and context_graph_version. Their values for the environment (-e) \
    in --from are written to --to: in the environment's overlay if the overlay sets them, else in the \
    service's document. Comments and layout are kept. Nothing is sent: run plan and apply next.")]
pub(in crate::cli) struct Promote {
    /// Version set to copy from
    #[arg(long, value_name = "SET")]
    from: String,
    /// Version set to copy to; added where it does not exist
    #[arg(long, value_name = "SET")]
    to: String,
    /// Services to change [default: all that have the set]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Change all services that have the set
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Also copy llm_model_preferences
    #[arg(long)]
    preferences: bool,
    /// Show the changes without writing them
    #[arg(long)]
    dry_run: bool,
}

/// The edits to make, and the report on them.
#[derive(Default)]
struct Promotion {
    edits: ManifestEdits,
    changes: Vec<PinChange>,
    notes: Vec<String>,
}

/// A service and its two version sets.
struct Pair<'a> {
    service: &'a ServiceName,
    from: &'a DesiredVersionSet,
    to: Option<&'a DesiredVersionSet>,
}

impl Promote {
    /// Copies the pins. Works offline.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let (loaded, places) = prepare::load_places(context)?;
        self.check_names(&loaded)?;
        let mut promotion = Promotion::default();
        for (name, service) in select_services(&loaded.desired.services, &self.names)? {
            let sets = service.version_sets.as_ref();
            let Some(from) = sets.and_then(|sets| sets.get(self.from.as_str())) else {
                if self.names.is_empty() {
                    continue;
                }
                return Err(self.unknown(&format!("`{name}` has"), std::iter::once(service)));
            };
            let to = sets.and_then(|sets| sets.get(self.to.as_str()));
            let pair = Pair { service: name, from, to };
            self.copy_pins(&loaded, &places, &pair, &mut promotion)?;
            if self.preferences {
                self.copy_preferences(&loaded, &places, &pair, &mut promotion)?;
            }
        }
        let has = |service: &DesiredService| {
            service.version_sets.as_ref().is_some_and(|sets| sets.contains_key(self.from.as_str()))
        };
        if !loaded.desired.services.values().any(has) {
            return Err(self.unknown("no service has a", loaded.desired.services.values()));
        }
        for note in &promotion.notes {
            context.ui.note(note);
        }
        if promotion.changes.is_empty() {
            let (from, to) = (visible(&self.from), visible(&self.to));
            context.ui.result(&format!("Nothing to do: `{to}` already has the pins of `{from}`.\n"));
            return Ok(Success::Done);
        }
        let files = promotion.edits.apply_in_memory(&loaded.project.root)?;
        if !self.dry_run {
            manifest_edits::write(&files)?;
        }
        promotion.changes.sort();
        context.ui.result(&pins::changes(&promotion.changes, self.dry_run));
        Ok(Success::Done)
    }

    fn unknown<'a>(
        &self,
        subject: &str,
        services: impl Iterator<Item = &'a DesiredService> + Clone,
    ) -> Failure {
        let known = services.filter_map(|service| service.version_sets.as_ref()).flat_map(BTreeMap::keys);
        unknown_set(&self.from, subject, known)
    }

    /// Checks the names of the version sets before their content is read.
    fn check_names(&self, loaded: &Loaded) -> Result<(), Failure> {
        let to = VersionSetName::new(&self.to);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let valid = (1..=40).contains(&self.to.len()) && self.to.chars().all(fits);
        let reason = if self.from == self.to {
            "--from and --to are the same version set".to_owned()
        } else if !valid {
            format!("`{to}` can't be a version set's name: 1 to 40 letters (a–z, A–Z), digits, `-` and `_`")
        } else if to.is_edge() {
            "`edge` belongs to the server and can't be changed".to_owned()
        } else if loaded.project.policy.unmanaged_version_sets.matches(&to) {
            format!("amigops.yaml lists `{to}` as unmanaged")
        } else {
            return Ok(());
        };
        Err(Failure::other(reason))
    }

    fn copy_pins(
        &self,
        loaded: &Loaded,
        places: &Places,
        pair: &Pair<'_>,
        promotion: &mut Promotion,
    ) -> Result<(), Failure> {
        let required = loaded.project.policy.guardrails.require_pins.contains(self.to.as_str());
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
                    let (name, from) = (visible(service.as_str()), visible(&self.from));
                    promotion.notes.push(format!("`{name}`: `{from}` has no {field}, so it is not copied"));
                    continue;
                }
            };
            let after = pin.map(|pin| pin.to_string()).unwrap_or_default();
            let layer = self.layer(places, service, field);
            let before = before.map(|pin| pin.to_string());
            self.add_change(places, promotion, (service, field, layer), value, (before, after));
        }
        Ok(())
    }

    /// Returns the layer in which to write a field of `--to`.
    fn layer(&self, places: &Places, service: &ServiceName, field: &str) -> Layer {
        layer_of(places, service, &self.to, field).unwrap_or_else(|| {
            // A new set goes into the same layer as the set that it copies.
            let fields = ["agent_version", "context_graph_version"];
            let overlay = fields.iter().any(|field| {
                places.layers(service, &[self.from.as_str(), field]).first() == Some(&Layer::Overlay)
            });
            if overlay { Layer::Overlay } else { Layer::Document }
        })
    }

    fn add_change(
        &self,
        places: &Places,
        promotion: &mut Promotion,
        (service, field, layer): (&ServiceName, &str, Layer),
        value: Value,
        (before, after): (Option<String>, String),
    ) {
        let Some(at) = places.at(service, &[self.to.as_str(), field], layer) else { return };
        promotion.changes.push(PinChange {
            file: at.file.clone(),
            service: service.to_string(),
            set: self.to.clone(),
            field: field.to_owned(),
            before,
            after,
            overlay: (layer == Layer::Overlay).then(|| at.path.get(1).cloned()).flatten(),
        });
        promotion.edits.set(at, value);
    }

    fn copy_preferences(
        &self,
        loaded: &Loaded,
        places: &Places,
        pair: &Pair<'_>,
        promotion: &mut Promotion,
    ) -> Result<(), Failure> {
        let (service, from) = (pair.service, pair.from);
        let old = pair.to.and_then(|set| set.llm_model_preferences.as_ref());
        let Some(wanted) = from.llm_model_preferences.as_ref().filter(|wanted| Some(*wanted) != old) else {
            return Ok(());
        };
        let layer = self.layer(places, service, PREFERENCES);
        let layers = places.layers(service, &[self.to.as_str(), PREFERENCES]);
        let is_removed = layers.is_empty() && places.overlaid(service, &[self.to.as_str(), PREFERENCES]);
        // Layers are merged, so a value in one layer does not replace the values in another.
        if is_removed || layers.iter().any(|one| *one != layer) {
            let environment = &loaded.environment.name;
            let message = format!(
                "`{service}`: {PREFERENCES} of `{}` come from several places for `{environment}`",
                self.to
            );
            let at = pair.to.map_or_else(String::new, |set| format!(" (see {})", set.place));
            return Err(Failure::other(message).hint(format!("copy them by hand{at}; no file was changed")));
        }
        let value = Value::Object(wanted.iter().map(|(name, one)| (name.clone(), preference(one))).collect());
        let count = |number: usize| format!("{number} interaction{}", if number == 1 { "" } else { "s" });
        let texts = (old.map(|old| count(old.len())), count(wanted.len()));
        self.add_change(places, promotion, (service, PREFERENCES, layer), value, texts);
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
