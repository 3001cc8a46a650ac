//! `amigops ids`: prints the id of each declared service, for applications that need it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::prepare::{PlanArgs, Prepared};
use crate::error::{Failure, Success};
use crate::model::{ServiceId, ServiceName};
use crate::report::text::visible;

/// The beginning of the name of every variable that `--format env` prints.
const PREFIX: &str = "AMIGO_SERVICE";

type Ids = BTreeMap<ServiceName, ServiceId>;

/// Arguments of `ids`.
#[derive(Debug, Args)]
pub(in crate::cli) struct IdsCommand {
    /// Output format
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
    /// Reads the live services, and prints the ids of the declared services.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let prepared = Prepared::new(context, &PlanArgs::default())?;
        let ids = prepared.ids(prepared.connection.read()).await?;
        let mut out = String::new();
        match self.format {
            Format::Json => {
                let text = serde_json::to_string_pretty(&json!(ids))
                    .map_err(|error| Failure::other(format!("can't write the ids as JSON: {error}")))?;
                let _ = writeln!(out, "{text}");
            }
            Format::Yaml => {
                for (name, id) in &ids {
                    // JSON strings are valid YAML, whatever characters they contain.
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

/// Returns the environment variables that `--format env` prints: the name of one variable for each service, with the
/// service's name and id.
///
/// # Errors
///
/// Fails if a service's name has no ASCII letters or digits, or if two names result in the same variable.
fn variables(ids: &Ids) -> Result<BTreeMap<String, (&ServiceName, &ServiceId)>, Failure> {
    let mut variables: BTreeMap<String, (&ServiceName, &ServiceId)> = BTreeMap::new();
    for (name, id) in ids {
        let variable = variable_name(name.as_str());
        let clash = variables.insert(variable.clone(), (name, id));
        if let Some((other, _)) = clash {
            return Err(Failure::other(format!(
                "`{other}` and `{name}` would both get the variable {variable}"
            ))
            .hint("use --format json or yaml, which print names unchanged"));
        }
        if variable == PREFIX {
            return Err(Failure::other(format!(
                "`{name}` has no ASCII letters or digits, so no variable can be named after it"
            ))
            .hint("use --format json or yaml, which print names unchanged"));
        }
    }
    Ok(variables)
}

/// Returns the name of the variable for a service's name: `Meet & Greet` → `AMIGO_SERVICE_MEET_GREET`.
fn variable_name(name: &str) -> String {
    let mut out = PREFIX.to_owned();
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        out.push('_');
        out.push_str(&word.to_ascii_uppercase());
    }
    out
}
