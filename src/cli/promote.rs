//! `amigops promote`: copies a version set's pins within the manifests. May import everything.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Map, Value, json};

use super::rewrite::{self, Rewrite, layer_of, selected, unknown_set};
use super::{Context, prepare};
use crate::error::{Failure, Success};
use crate::manifest::{Layer, Loaded, Places};
use crate::model::{DesiredPreference, DesiredService, DesiredVersionSet, Pin, ServiceName, VersionSetName};
use crate::report::pins::{self, PinChange};
use crate::report::text::visible;

const PREFERENCES: &str = "llm_model_preferences";

/// Arguments of `promote`.
#[derive(Debug, Args)]
#[command(long_about = "Copy a version set's pins in the manifests, comments and layout kept\n\n\
    Pins are the two versions: agent_version and context_graph_version. What the environment (-e) has in \
    --from is written where --to is said for that environment: in its overlay if that says it, else in the \
    service's document. Nothing is sent: plan and apply do that.")]
pub(super) struct Promote {
    /// The version set to copy from
    #[arg(long, value_name = "SET")]
    from: String,
    /// The version set to copy to; made where it doesn't exist
    #[arg(long, value_name = "SET")]
    to: String,
    /// The services [default: all that have the set]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// All services that have the set
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Copy llm_model_preferences, too
    #[arg(long)]
    preferences: bool,
    /// Show what would be changed, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is to be written, and what to say of it.
#[derive(Default)]
struct Draft {
    rewrite: Rewrite,
    changes: Vec<PinChange>,
    notes: Vec<String>,
}

/// One service, and its two sets.
struct Pair<'a> {
    service: &'a ServiceName,
    from: &'a DesiredVersionSet,
    to: Option<&'a DesiredVersionSet>,
}

impl Promote {
    /// Copies, offline.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let (loaded, places) = prepare::load_places(context)?;
        self.check_names(&loaded)?;
        let mut draft = Draft::default();
        for (name, service) in selected(&loaded.desired.services, &self.names)? {
            let sets = service.version_sets.as_ref();
            let Some(from) = sets.and_then(|sets| sets.get(self.from.as_str())) else {
                if self.names.is_empty() {
                    continue;
                }
                return Err(self.unknown(&format!("`{name}` has"), std::iter::once(service)));
            };
            let to = sets.and_then(|sets| sets.get(self.to.as_str()));
            let pair = Pair { service: name, from, to };
            self.pins(&loaded, &places, &pair, &mut draft)?;
            if self.preferences {
                self.copy_preferences(&loaded, &places, &pair, &mut draft)?;
            }
        }
        let has = |service: &DesiredService| {
            service.version_sets.as_ref().is_some_and(|sets| sets.contains_key(self.from.as_str()))
        };
        if !loaded.desired.services.values().any(has) {
            return Err(self.unknown("no service has a", loaded.desired.services.values()));
        }
        for note in &draft.notes {
            context.ui.note(note);
        }
        if draft.changes.is_empty() {
            let (from, to) = (visible(&self.from), visible(&self.to));
            context.ui.result(&format!("Nothing to do: `{to}` has the pins of `{from}` already.\n"));
            return Ok(Success::Done);
        }
        let files = draft.rewrite.edited(&loaded.project.root)?;
        if !self.dry_run {
            rewrite::write(&files)?;
        }
        draft.changes.sort();
        context.ui.result(&pins::changes(&draft.changes, self.dry_run));
        Ok(Success::Done)
    }

    fn unknown<'a>(&self, wher: &str, services: impl Iterator<Item = &'a DesiredService> + Clone) -> Failure {
        let known = services.filter_map(|service| service.version_sets.as_ref()).flat_map(BTreeMap::keys);
        unknown_set(&self.from, wher, known)
    }

    /// Refuses what no manifest may say, before anything is read of it.
    fn check_names(&self, loaded: &Loaded) -> Result<(), Failure> {
        let to = VersionSetName::new(&self.to);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let valid = (1..=40).contains(&self.to.len()) && self.to.chars().all(fits);
        let reason = if self.from == self.to {
            "--from and --to are the same version set".to_owned()
        } else if !valid {
            format!("`{to}` can't be a version set's name: 1 to 40 letters (a–z, A–Z), digits, `-` and `_`")
        } else if to.is_edge() {
            "`edge` belongs to the server: it can't be written".to_owned()
        } else if loaded.project.policy.unmanaged_version_sets.matches(&to) {
            format!("amigops.yaml says that `{to}` is unmanaged")
        } else {
            return Ok(());
        };
        Err(Failure::other(reason))
    }

    fn pins(
        &self,
        loaded: &Loaded,
        places: &Places,
        pair: &Pair<'_>,
        draft: &mut Draft,
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
                None if required && before.is_none() => return refuse("is not said"),
                None => {
                    let (name, from) = (visible(service.as_str()), visible(&self.from));
                    draft.notes.push(format!("`{name}`: `{from}` does not say {field}, so it is not copied"));
                    continue;
                }
            };
            let after = pin.map(|pin| pin.to_string()).unwrap_or_default();
            let layer = self.layer(places, service, field);
            let before = before.map(|pin| pin.to_string());
            self.note(places, draft, (service, field, layer), value, (before, after));
        }
        Ok(())
    }

    /// Where a field of `--to` is to be written.
    fn layer(&self, places: &Places, service: &ServiceName, field: &str) -> Layer {
        layer_of(places, service, &self.to, field).unwrap_or_else(|| {
            // A new set stands next to the one whose values it has.
            let fields = ["agent_version", "context_graph_version"];
            let overlay = fields.iter().any(|field| {
                places.layers(service, &[self.from.as_str(), field]).first() == Some(&Layer::Overlay)
            });
            if overlay { Layer::Overlay } else { Layer::Document }
        })
    }

    fn note(
        &self,
        places: &Places,
        draft: &mut Draft,
        (service, field, layer): (&ServiceName, &str, Layer),
        value: Value,
        (before, after): (Option<String>, String),
    ) {
        let Some(at) = places.key_path(service, &[self.to.as_str(), field], layer) else { return };
        draft.changes.push(PinChange {
            file: at.file.clone(),
            service: service.to_string(),
            set: self.to.clone(),
            field: field.to_owned(),
            before,
            after,
            overlay: (layer == Layer::Overlay).then(|| at.path.get(1).cloned()).flatten(),
        });
        draft.rewrite.set(at, value);
    }

    fn copy_preferences(
        &self,
        loaded: &Loaded,
        places: &Places,
        pair: &Pair<'_>,
        draft: &mut Draft,
    ) -> Result<(), Failure> {
        let (service, from) = (pair.service, pair.from);
        let old = pair.to.and_then(|set| set.llm_model_preferences.as_ref());
        let Some(wanted) = from.llm_model_preferences.as_ref().filter(|wanted| Some(*wanted) != old) else {
            return Ok(());
        };
        let layer = self.layer(places, service, PREFERENCES);
        let said = places.layers(service, &[self.to.as_str(), PREFERENCES]);
        let taken_away = said.is_empty() && places.is_in_overlay(service, &[self.to.as_str(), PREFERENCES]);
        // Layers are merged, so a value in one of them doesn't replace what another one says.
        if taken_away || said.iter().any(|one| *one != layer) {
            let environment = &loaded.environment.name;
            let message = format!(
                "`{service}`: {PREFERENCES} of `{}` come from several places in `{environment}`",
                self.to
            );
            let at = pair.to.map_or_else(String::new, |set| format!(" (see {})", set.place));
            return Err(Failure::other(message).hint(format!("copy them by hand{at}; no file was changed")));
        }
        let value = Value::Object(wanted.iter().map(|(name, one)| (name.clone(), preference(one))).collect());
        let count = |number: usize| format!("{number} interaction{}", if number == 1 { "" } else { "s" });
        let texts = (old.map(|old| count(old.len())), count(wanted.len()));
        self.note(places, draft, (service, PREFERENCES, layer), value, texts);
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
