//! `amigops outdated`: lists pinned versions that are not the newest, and raises them if requested.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::manifest_edits::{self, select_services, unknown_set};
use crate::cli::outdated_pins::{OutdatedPin, find_outdated_pins, raise_pins};
use crate::cli::{connect, prepare};
use crate::error::{Failure, Success};
use crate::manifest::{LoadOptions, Loaded};
use crate::model::{DesiredService, ServiceName};
use crate::report::pins::{self, Outdated, PinChange};

/// The version number of the JSON output's format. The output contains it as `format_version`.
const FORMAT_VERSION: u32 = 1;

/// Arguments of `outdated`.
#[derive(Debug, Args)]
pub(in crate::cli) struct OutdatedCommand {
    /// Services to check [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Check only this version set; may be repeated
    #[arg(long, value_name = "NAME")]
    set: Vec<String>,
    /// Raise the pins in the manifests, keeping comments and layout; nothing is sent
    #[arg(long)]
    write: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Exit with code 2 if a pin is outdated, even if it was raised
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

impl OutdatedCommand {
    /// Reads the newest versions, reports outdated pins, and raises them if requested. Changes nothing live.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let options = LoadOptions { keep_places: true, ..context.load_options() };
        let loaded = prepare::load(context, &options)?;
        let services = select_services(&loaded.desired.services, &self.names)?;
        self.check_sets(&services)?;
        let connection = connect::connect(context, &loaded)?;
        let outdated = find_outdated_pins(connection.read(), &services, &self.set).await?;
        self.report(context, &loaded, &outdated)
    }

    /// Checks that each version set that `--set` names exists in at least one of the services.
    fn check_sets(&self, services: &[(&ServiceName, &DesiredService)]) -> Result<(), Failure> {
        let known = services.iter().filter_map(|(_, service)| service.version_sets.as_ref());
        let known = known.flat_map(BTreeMap::keys);
        match self.set.iter().find(|set| !known.clone().any(|name| name.as_str() == set.as_str())) {
            Some(unknown) => Err(unknown_set(unknown, "no service has a", known)),
            None => Ok(()),
        }
    }

    /// Writes the raised pins into the manifests if requested, and prints the result.
    fn report(
        &self,
        context: &Context<'_>,
        loaded: &Loaded,
        outdated: &[OutdatedPin<'_>],
    ) -> Result<Success, Failure> {
        let (edits, mut changes) = raise_pins(&loaded.places, outdated);
        let write = self.write && !outdated.is_empty();
        if write {
            manifest_edits::write(&edits.apply_in_memory(&loaded.project.root)?)?;
        }
        if self.format == Format::Json {
            let value = json!({
                "format_version": FORMAT_VERSION,
                "environment": loaded.environment.name,
                "outdated": outdated.iter().zip(&changes).map(as_json).collect::<Vec<_>>(),
                "written": write,
            });
            context.ui.data(&format!("{value:#}\n"));
        } else if outdated.is_empty() {
            context.ui.result("Nothing to do: every pin names the newest version.\n");
        } else {
            let table: Vec<Outdated> = outdated.iter().map(|pin| pin.row.clone()).collect();
            context.ui.result(&pins::outdated(&table));
            if self.write {
                changes.sort();
                context.ui.result(&format!("\n{}", pins::changes(&changes, false)));
            } else {
                context.ui.note("run the command again with `--write` to raise these pins in the manifests");
            }
        }
        let pending = self.detailed_exitcode && !outdated.is_empty();
        Ok(if pending { Success::ChangesPending } else { Success::Done })
    }
}

fn as_json((OutdatedPin { kind, row, .. }, change): (&OutdatedPin<'_>, &PinChange)) -> Value {
    json!({
        "service": row.service,
        "version_set": row.set,
        "field": kind.field(),
        "name": row.name,
        "pin": row.pin,
        "latest": row.latest,
        "behind": row.latest - row.pin,
        "file": change.file,
        "overlay": change.overlay,
    })
}
