//! `amigops ids`: service name → id, which applications need. May import everything.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Context;
use super::prepare::{PlanArgs, Prepared};
use crate::error::{Failure, Success};
use crate::model::{ServiceId, ServiceName};
use crate::report::text::visible;

/// What every variable begins with.
const PREFIX: &str = "AMIGO_SERVICE";

type Ids = BTreeMap<ServiceName, ServiceId>;

/// Arguments of `ids`.
#[derive(Debug, Args)]
pub(super) struct IdsCommand {
    /// How to write them
    #[arg(long, value_name = "FORMAT", default_value = "yaml")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Env,
    Yaml,
}

impl IdsCommand {
    /// Reads the live services and prints the ids of those that the manifests declare.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let prepared = Prepared::new(context, &PlanArgs::default())?;
        let ids = prepared.ids(prepared.connection.read()).await?;
        let mut out = String::new();
        match self.format {
            Format::Json => {
                let text = serde_json::to_string_pretty(&json!(ids))
                    .map_err(|error| Failure::other(format!("the ids can't be written: {error}")))?;
                let _ = writeln!(out, "{text}");
            }
            Format::Yaml => {
                for (name, id) in &ids {
                    // A JSON text is a YAML text, whatever is in it.
                    let _ = writeln!(out, "{}: {}", json!(name), json!(id));
                }
            }
            Format::Env => {
                for (variable, (_, id)) in variables(&ids)? {
                    let _ = writeln!(out, "{variable}={}", visible(id.as_str()));
                }
            }
        }
        context.ui.data(&out);
        for name in prepared.loaded.desired.services.keys().filter(|name| !ids.contains_key(*name)) {
            context.ui.note(&format!("`{}` does not exist yet", visible(name.as_str())));
        }
        Ok(Success::Done)
    }
}

/// A variable for each service.
///
/// # Errors
///
/// Names that leave nothing for a variable, and names that give the same one.
fn variables(ids: &Ids) -> Result<BTreeMap<String, (&ServiceName, &ServiceId)>, Failure> {
    let mut variables: BTreeMap<String, (&ServiceName, &ServiceId)> = BTreeMap::new();
    for (name, id) in ids {
        let variable = variable(name.as_str());
        let clash = variables.insert(variable.clone(), (name, id));
        if let Some((other, _)) = clash {
            return Err(Failure::other(format!("`{other}` and `{name}` would both be {variable}"))
                .hint("use --format json or yaml, which keep names as they are"));
        }
        if variable == PREFIX {
            return Err(Failure::other(format!("`{name}` has no letters or digits for a variable's name"))
                .hint("use --format json or yaml, which keep names as they are"));
        }
    }
    Ok(variables)
}

/// `Meet & Greet` → `AMIGO_SERVICE_MEET_GREET`.
fn variable(name: &str) -> String {
    let mut out = PREFIX.to_owned();
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        out.push('_');
        out.push_str(&word.to_ascii_uppercase());
    }
    out
}
