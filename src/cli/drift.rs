//! `amigops drift`: where the live services are no longer as declared. May import everything.
//!
//! It plans as `plan` does, with the same read-only API, and only tells: rules that would stand against an
//! apply must not stand against seeing what has happened.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::Context;
use super::metrics::MetricsFile;
use super::prepare::{self, PlanArgs, Prepared};
use super::show::{self, Asked, Format, Part};
use crate::error::{self, Failure, Success};
use crate::manifest;
use crate::model::Api;
use crate::plan::{Origin, Plan};
use crate::report::metrics::{Figures, Run};
use crate::report::text;
use crate::ui;

/// Arguments of `drift`.
#[derive(Debug, Args)]
// What allows an apply allows nothing here: nothing is refused.
#[command(
    mut_arg("take_over", |arg| arg.hide(true)),
    mut_arg("allow_protected", |arg| arg.hide(true)),
    mut_arg("prune", |arg| arg.help("Count owned services that no manifest declares as drift"))
)]
pub(super) struct DriftCommand {
    #[command(flatten)]
    plan: PlanArgs,
    /// Look at every environment of amigops.yaml, one after the other
    #[arg(long)]
    all_environments: bool,
    /// Write this run's figures to FILE, for Prometheus
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// How the report is shown
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

/// What came of one environment.
struct Look {
    origin: Origin,
    outcome: Result<Part, Failure>,
    began: SystemTime,
    ended: SystemTime,
    requests: u64,
}

impl Look {
    fn plan(&self) -> Option<&Plan> {
        self.outcome.as_ref().ok().and_then(Part::plan)
    }

    fn part(self) -> Part {
        let Self { origin, outcome, .. } = self;
        outcome.unwrap_or_else(|failure| Part::failed(origin, ui::plain_words(&failure)))
    }
}

impl DriftCommand {
    /// Compares, shows, and keeps the figures. Sends nothing that writes.
    ///
    /// Nothing was to be done, so that nothing can be refused: files that break a rule are an error here.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let done = self.compare(context).await;
        // Credentials that may not be sent are refused here as everywhere.
        let is_refusal = matches!(done, Err(Failure::NotAllowed(_)));
        if is_refusal || error::exit_code(&done) != error::exit_code::REFUSED {
            return done;
        }
        if let Err(failure) = &done {
            context.ui.failure(failure);
        }
        Err(Failure::Invalid { refused: false })
    }

    async fn compare(&self, context: &Context<'_>) -> Result<Success, Failure> {
        if self.all_environments && context.global.env.is_some() {
            return Err(Failure::other("--all-environments and --env exclude each other"));
        }
        // Before anything is sent: a file that can't be used is better known early.
        let metrics = self.metrics.as_deref().map(MetricsFile::open).transpose()?;
        let began = context.env.now();
        let names = match self.environments(context) {
            Ok(names) => names,
            Err(failure) => {
                let kept = metrics.as_ref().map(|file| nothing_seen(context, file, began));
                return Err(with(failure, kept.and_then(Result::err), context));
            }
        };
        let mut looks = Vec::new();
        // One after the other: environments may share an organization, and with it its limits.
        for name in &names {
            looks.push(self.look(context, name, looks.is_empty()).await);
        }
        let kept = metrics.as_ref().map_or(Ok(()), |file| keep(file, &looks));
        match (self.conclude(context, looks), kept) {
            (Ok(_), Err(failure)) => Err(failure),
            (Err(failure), kept) => Err(with(failure, kept.err(), context)),
            (done, Ok(())) => done,
        }
    }

    /// The environments to look at.
    fn environments(&self, context: &Context<'_>) -> Result<Vec<String>, Failure> {
        let chosen = context.global.env.as_deref();
        let root = manifest::find_root(&context.global.directory)?;
        // Where `amigops.yaml` is broken, the whole project is read, so that all that is wrong is told at once.
        let whole = || prepare::load_for(context, chosen).map(|loaded| vec![loaded.environment.name]);
        match (self.all_environments, chosen) {
            (true, _) => match manifest::load_project(&root) {
                Ok(project) => Ok(project.environments.into_keys().collect()),
                Err(_) => whole(),
            },
            (false, Some(name)) => Ok(vec![name.to_owned()]),
            (false, None) => match manifest::load_project(&root).ok().and_then(|one| one.default_environment)
            {
                Some(name) => Ok(vec![name]),
                None => whole(),
            },
        }
    }

    /// Compares one environment. Warnings about the project are the same for all, and shown `once`.
    async fn look(&self, context: &Context<'_>, name: &str, once: bool) -> Look {
        let began = context.env.now();
        let (origin, outcome, requests) = match prepare::load_for(context, Some(name)) {
            Err(failure) => (unreached(context, name, Api::Classic), Err(failure), 0),
            Ok(loaded) => {
                if once {
                    prepare::warn(context, &loaded);
                }
                let api = loaded.environment.target.api();
                match Prepared::of(context, &self.plan, loaded) {
                    Err(failure) => (unreached(context, name, api), Err(failure), 0),
                    Ok(mut prepared) => {
                        prepared.options.enforce_guardrails = false;
                        let origin = prepared.origin(context);
                        let planned = context.in_time(prepared.plan(prepared.connection.read())).await;
                        let whole = self.format.needs_document();
                        let part = planned.map(|(snapshot, plan)| {
                            Part::new(&prepared, origin.clone(), &snapshot, plan, whole)
                        });
                        (origin, part, prepared.connection.requests())
                    }
                }
            }
        };
        Look { origin, outcome, began, ended: context.env.now(), requests }
    }

    /// Shows what was found, and says how it all ended.
    fn conclude(&self, context: &Context<'_>, mut looks: Vec<Look>) -> Result<Success, Failure> {
        if let Some(failure) = self.only_failure(&mut looks) {
            return Err(failure);
        }
        let drifted = looks.iter().any(|look| look.plan().is_some_and(|plan| !plan.is_empty()));
        let failed: Vec<String> = looks
            .iter()
            .filter(|look| look.outcome.is_err())
            .map(|look| text::visible(&look.origin.environment))
            .collect();
        let all = looks.len();
        let parts: Vec<Part> = looks.into_iter().map(Look::part).collect();
        let asked = if self.all_environments { Asked::All } else { Asked::One };
        show::show(context, self.format, "drift", asked, &parts);
        if !failed.is_empty() {
            let what = text::count(failed.len(), "environment");
            let message = format!("{what} of {all} could not be compared: {}", failed.join(", "));
            return Err(
                Failure::other(message).hint("the report says why; the others are in it all the same")
            );
        }
        Ok(if drifted { Success::ChangesPending } else { Success::Done })
    }

    /// The failure that is all there is to say. Broken manifests are broken for every environment: they are
    /// told once, as every command does.
    fn only_failure(&self, looks: &mut Vec<Look>) -> Option<Failure> {
        let is_broken = |look: &Look| matches!(look.outcome, Err(Failure::Manifests(_)));
        if self.all_environments && !looks.iter().all(is_broken) {
            return None;
        }
        let failed = looks.iter().position(|look| look.outcome.is_err())?;
        looks.swap_remove(failed).outcome.err()
    }
}

/// What is known of an environment that no connection was made to.
fn unreached(context: &Context<'_>, name: &str, api: Api) -> Origin {
    Origin {
        environment: name.to_owned(),
        api,
        organization: String::new(),
        server: String::new(),
        created_at: context.env.timestamp(),
        commit: None,
        base: None,
    }
}

/// Ends with the first failure, and tells of the second.
fn with(first: Failure, second: Option<Failure>, context: &Context<'_>) -> Failure {
    if let Some(second) = second {
        context.ui.failure(&second);
    }
    first
}

/// Writes the figures of all environments.
fn keep(file: &MetricsFile, looks: &[Look]) -> Result<(), Failure> {
    let run = |look| run(file, look);
    file.write(&looks.iter().map(run).collect::<Vec<_>>())
}

fn run<'a>(file: &MetricsFile, look: &'a Look) -> Run<'a> {
    let (environment, ended) = (look.origin.environment.as_str(), seconds(look.ended));
    let figures = look.plan().map(Figures::of);
    Run {
        environment,
        figures,
        ended,
        last_success: if figures.is_some() { ended } else { file.last_success(environment) },
        duration: look.ended.duration_since(look.began).unwrap_or_default().as_secs_f64(),
        requests: look.requests,
    }
}

/// Writes that a run failed before it knew its environments: those of the run before count as failed.
fn nothing_seen(context: &Context<'_>, file: &MetricsFile, began: SystemTime) -> Result<(), Failure> {
    let mut names = match &context.global.env {
        Some(name) => vec![name.clone()],
        None => file.environments(),
    };
    if names.is_empty() {
        names.push(String::new());
    }
    let failed = |name: String| Look {
        origin: unreached(context, &name, Api::Classic),
        outcome: Err(Failure::Invalid { refused: false }),
        began,
        ended: context.env.now(),
        requests: 0,
    };
    keep(file, &names.into_iter().map(failed).collect::<Vec<_>>())
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
