//! `amigops promote`: copies a version set's pins to another version set, in the manifests.

use std::collections::BTreeMap;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::manifest_edits::{self, select_services, unknown_set};
use crate::cli::prepare;
use crate::cli::promotion::Promotion;
use crate::error::{Failure, Success};
use crate::manifest::{LoadOptions, Loaded};
use crate::model::{DesiredService, VersionSetName};
use crate::report::pins;
use crate::report::text::visible;

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
    /// Version set to copy to; added to services that do not have it
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

impl Promote {
    /// Copies the pins in the manifests. Sends no requests.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let options = LoadOptions { keep_places: true, ..context.load_options() };
        let loaded = prepare::load(context, &options)?;
        self.check_names(&loaded)?;
        let mut promotion = Promotion::new(&loaded, &self.from, &self.to);
        for (name, service) in select_services(&loaded.desired.services, &self.names)? {
            let has_set = promotion.copy(service, self.preferences)?;
            if !has_set && !self.names.is_empty() {
                return Err(self.unknown(&format!("`{name}` has no"), std::iter::once(service)));
            }
        }
        let has_set = |service: &DesiredService| {
            service.version_sets.as_ref().is_some_and(|sets| sets.contains_key(self.from.as_str()))
        };
        if !loaded.desired.services.values().any(has_set) {
            return Err(self.unknown("no service has a", loaded.desired.services.values()));
        }
        let Promotion { edits, mut changes, notes, .. } = promotion;
        for note in &notes {
            context.ui.note(note);
        }
        if changes.is_empty() {
            let (from, to) = (visible(&self.from), visible(&self.to));
            context.ui.result(&format!("Nothing to do: `{to}` already has the pins of `{from}`.\n"));
            return Ok(Success::Done);
        }
        let files = edits.apply_in_memory(&loaded.project.root)?;
        if !self.dry_run {
            manifest_edits::write(&files)?;
        }
        changes.sort();
        context.ui.result(&pins::changes(&changes, self.dry_run));
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

    /// Checks that the names in `--from` and `--to` are usable, before the content of the version sets is read.
    fn check_names(&self, loaded: &Loaded) -> Result<(), Failure> {
        let to = VersionSetName::new(&self.to);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let valid = (1..=40).contains(&self.to.len()) && self.to.chars().all(fits);
        let reason = if self.from == self.to {
            "--from and --to are the same version set".to_owned()
        } else if !valid {
            format!(
                "`{to}` can't be a version set's name: use 1 to 40 letters (a–z, A–Z), digits, `-` and `_`"
            )
        } else if to.is_edge() {
            "`edge` belongs to the server and can't be changed".to_owned()
        } else if loaded.project.policy.unmanaged_version_sets.matches(&to) {
            format!("amigops.yaml lists `{to}` as unmanaged")
        } else {
            return Ok(());
        };
        Err(Failure::other(reason))
    }
}
