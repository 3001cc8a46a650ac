//! `amigops drift`: reports the differences between the live services and the manifests.
//!
//! It makes a plan as `plan` does, through the same read-only API. But it enforces no guardrails, because drift must be
//! visible even if an apply would be refused. With `--accept`, it changes the manifests to the live values instead.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::importer::{ImportTarget, Importer};
use crate::cli::metrics_file::MetricsFile;
use crate::cli::plan_output::{self, Format, Part, Requested};
use crate::cli::prepare::{self, PlanArgs, Prepared};
use crate::error::{self, Failure, Success};
use crate::import::select::Scope;
use crate::manifest::{self, LoadOptions};
use crate::model::{Api, ServiceName};
use crate::plan::{Origin, Plan};
use crate::report::metrics::{Figures, Run};
use crate::report::{Mode, text};
use crate::ui;

/// Arguments of `drift`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DriftCommand {
    /// Report orphans as drift: services that this project owns and that no manifest declares
    #[arg(long)]
    prune: bool,
    /// Compare only the service NAME; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Find the cause of each difference by the last commit that HEAD shares with REF, such as origin/main, and not by
    /// the commit that was applied last
    #[arg(long, value_name = "REF", allow_hyphen_values = true)]
    base: Option<String>,
    /// Exit with code 2 also if manifests are not applied yet, but nothing has drifted
    #[arg(long)]
    pending: bool,
    /// Compare every environment in amigops.yaml, one after the other
    #[arg(long)]
    all_environments: bool,
    /// Write the results to FILE as Prometheus metrics
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Instead of reporting drift, change the manifests to the live values; with NAMEs only those of these services
    #[arg(long, value_name = "NAME", num_args = 0..)]
    #[arg(conflicts_with_all = ["prune", "only", "base", "pending", "all_environments", "metrics", "format"])]
    accept: Option<Vec<String>>,
    /// Show the changes of --accept as a diff without writing them
    #[arg(long, requires = "accept")]
    dry_run: bool,
}

/// The result of comparing one environment with the manifests.
struct Comparison {
    origin: Origin,
    outcome: Result<Part, Failure>,
    started: SystemTime,
    ended: SystemTime,
    requests: u64,
}

impl Comparison {
    fn plan(&self) -> Option<&Plan> {
        self.outcome.as_ref().ok().and_then(Part::plan)
    }

    fn into_part(self) -> Part {
        let Self { origin, outcome, .. } = self;
        outcome.unwrap_or_else(|failure| Part::failed(origin, ui::plain_message(&failure)))
    }
}

impl DriftCommand {
    /// Compares the environments, prints the report, and writes the metrics. Changes nothing live.
    ///
    /// If the project file breaks a guardrail, that is an error here and not a refusal, because `drift` changes
    /// nothing.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        if let Some(names) = &self.accept {
            return self.accept(context, names).await;
        }
        let result = self.compare_all(context).await;
        // Keep the refusal of a host or variable that is not on the allowlist.
        let is_refusal = matches!(result, Err(Failure::NotAllowed(_)));
        if is_refusal || error::exit_code(&result) != error::exit_code::REFUSED {
            return result;
        }
        if let Err(failure) = &result {
            context.ui.failure(failure);
        }
        Err(Failure::Invalid { refused: false })
    }

    /// Changes the manifests of the services with these names to the live values, as an import does. Without names,
    /// changes the manifests of all services.
    async fn accept(&self, context: &Context<'_>, names: &[String]) -> Result<Success, Failure> {
        let target = ImportTarget::open(context, context.load_options())?;
        let only: BTreeSet<ServiceName> = match names {
            [] => target.loaded.desired.services.keys().cloned().collect(),
            names => names.iter().map(ServiceName::new).collect(),
        };
        if let Some(name) = only.iter().find(|name| !target.loaded.desired.services.contains_key(*name)) {
            return Err(Failure::other(format!(
                "no manifest declares `{name}`, so it has no drift to accept"
            ))
            .hint("use `amigops import --out DIR` to write a manifest for a live service"));
        }
        let scope = Scope { all: false, only, leftovers: BTreeSet::new() };
        Importer { target, scope, project_files: Vec::new(), dry_run: self.dry_run }.run(None).await
    }

    async fn compare_all(&self, context: &Context<'_>) -> Result<Success, Failure> {
        if self.all_environments && context.global.env.is_some() {
            return Err(Failure::other("--all-environments and --env can't be combined"));
        }
        // Open the metrics file before anything is sent, so that an unusable file stops the run early.
        let metrics = self.metrics.as_deref().map(MetricsFile::open).transpose()?;
        let started = context.env.now();
        let names = match self.environments(context) {
            Ok(names) => names,
            Err(failure) => {
                let written = metrics.as_ref().map(|file| write_failed_metrics(context, file, started));
                return Err(first_failure(failure, written.and_then(Result::err), context));
            }
        };
        let mut comparisons = Vec::new();
        // Compare one environment after the other: environments may share an organization, and thus its rate limits.
        for name in &names {
            comparisons.push(self.compare(context, name, comparisons.is_empty()).await);
        }
        let written = metrics.as_ref().map_or(Ok(()), |file| write_metrics(file, &comparisons));
        match (self.report(context, comparisons), written) {
            (Ok(_), Err(failure)) => Err(failure),
            (Err(failure), written) => Err(first_failure(failure, written.err(), context)),
            (result, Ok(())) => result,
        }
    }

    /// Returns the names of the environments to compare.
    fn environments(&self, context: &Context<'_>) -> Result<Vec<String>, Failure> {
        let chosen = context.global.env.as_deref();
        let project = context.project();
        // If `amigops.yaml` is invalid, load the whole project, so that every problem is reported at once.
        let load_all = || Ok(vec![manifest::load(&LoadOptions::new(project, chosen))?.environment.name]);
        match (self.all_environments, chosen) {
            (true, _) => match manifest::load_project(project) {
                Ok(project) => Ok(project.environments.into_keys().collect()),
                Err(_) => load_all(),
            },
            (false, Some(name)) => Ok(vec![name.to_owned()]),
            (false, None) => {
                match manifest::load_project(project).ok().and_then(|one| one.default_environment) {
                    Some(name) => Ok(vec![name]),
                    None => load_all(),
                }
            }
        }
    }

    /// Compares one environment with the manifests. Prints warnings only if `print_warnings` is true, because they are
    /// the same for every environment.
    async fn compare(&self, context: &Context<'_>, name: &str, print_warnings: bool) -> Comparison {
        let started = context.env.now();
        let loaded = manifest::load(&LoadOptions::new(context.project(), Some(name)));
        let (origin, outcome, requests) = match loaded {
            Err(problems) => (unknown_origin(context, name, Api::Classic), Err(problems.into()), 0),
            Ok(loaded) => {
                if print_warnings {
                    prepare::print_warnings(context, &loaded);
                }
                let api = loaded.environment.target.api();
                let args = PlanArgs::for_comparison(self.prune, &self.only, self.base.as_deref());
                match Prepared::from_loaded(context, &args, loaded) {
                    Err(failure) => (unknown_origin(context, name, api), Err(failure), 0),
                    Ok(mut prepared) => {
                        prepared.options.enforce_guardrails = false;
                        prepared.options.corrects_origins = false;
                        // Only the flag makes orphans count as drift, not `prune: true` in amigops.yaml.
                        prepared.options.prune = self.prune;
                        let origin = prepared.origin(context);
                        let planned = context.run_until_stopped(async {
                            let (snapshot, plan) = prepared.plan(prepared.connection.read()).await?;
                            let plan = prepared.with_causes(context, &snapshot, plan).await?;
                            Ok((snapshot, plan))
                        });
                        let planned = planned.await;
                        let with_document = self.format.needs_document();
                        let part = planned.map(|(snapshot, plan)| {
                            Part::new(&prepared, origin.clone(), &snapshot, plan, with_document)
                        });
                        (origin, part, prepared.connection.requests())
                    }
                }
            }
        };
        Comparison { origin, outcome, started, ended: context.env.now(), requests }
    }

    /// Prints the report, and returns the result of the command.
    fn report(&self, context: &Context<'_>, mut comparisons: Vec<Comparison>) -> Result<Success, Failure> {
        if let Some(failure) = self.only_failure(&mut comparisons) {
            return Err(failure);
        }
        let is_reported = |plan: &Plan| plan.has_drifted() || (self.pending && plan.has_pending());
        let reported = comparisons.iter().any(|one| one.plan().is_some_and(is_reported));
        let failed: Vec<String> = comparisons
            .iter()
            .filter(|one| one.outcome.is_err())
            .map(|one| text::visible(&one.origin.environment))
            .collect();
        let all = comparisons.len();
        let parts: Vec<Part> = comparisons.into_iter().map(Comparison::into_part).collect();
        let requested = if self.all_environments { Requested::All } else { Requested::One };
        plan_output::print(context, self.format, Mode::Drift, requested, &parts);
        if !failed.is_empty() {
            let what = text::count(failed.len(), "environment");
            let message = format!("{what} of {all} could not be compared: {}", failed.join(", "));
            return Err(Failure::other(message)
                .hint("the report shows the reason, and the results of the other environments"));
        }
        Ok(if reported { Success::ChangesPending } else { Success::Done })
    }

    /// Returns the failure that is shown instead of a report, or `None` if a report is printed. If one environment was
    /// requested, it is the failure of that environment. If all were requested, it is the failure that the manifests
    /// are invalid, if that applies to every environment.
    fn only_failure(&self, comparisons: &mut Vec<Comparison>) -> Option<Failure> {
        let is_invalid = |comparison: &Comparison| matches!(comparison.outcome, Err(Failure::Manifests(_)));
        if self.all_environments && !comparisons.iter().all(is_invalid) {
            return None;
        }
        let failed = comparisons.iter().position(|one| one.outcome.is_err())?;
        comparisons.swap_remove(failed).outcome.err()
    }
}

/// Returns the origin of a plan for an environment to which no connection was made.
fn unknown_origin(context: &Context<'_>, name: &str, api: Api) -> Origin {
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

/// Returns the failure `first`. Prints the failure `second`, if there is one, because a command can return only one
/// failure.
fn first_failure(first: Failure, second: Option<Failure>, context: &Context<'_>) -> Failure {
    if let Some(second) = second {
        context.ui.failure(&second);
    }
    first
}

/// Writes the metrics of all environments that were compared.
fn write_metrics(file: &MetricsFile, comparisons: &[Comparison]) -> Result<(), Failure> {
    let run = |comparison| metrics_of(file, comparison);
    file.write(&comparisons.iter().map(run).collect::<Vec<_>>())
}

fn metrics_of<'a>(file: &MetricsFile, comparison: &'a Comparison) -> Run<'a> {
    let (environment, ended) = (comparison.origin.environment.as_str(), seconds(comparison.ended));
    let figures = comparison.plan().map(Figures::of);
    Run {
        environment,
        figures,
        ended,
        last_success: if figures.is_some() { ended } else { file.last_success(environment) },
        duration: comparison.ended.duration_since(comparison.started).unwrap_or_default().as_secs_f64(),
        requests: comparison.requests,
    }
}

/// Writes the metrics of a run that failed before it knew its environments. The environment of `--env`, or else every
/// environment in the previous metrics file, counts as failed.
fn write_failed_metrics(
    context: &Context<'_>,
    file: &MetricsFile,
    started: SystemTime,
) -> Result<(), Failure> {
    let mut names = match &context.global.env {
        Some(name) => vec![name.clone()],
        None => file.environments(),
    };
    if names.is_empty() {
        names.push(String::new());
    }
    let failed = |name: String| Comparison {
        origin: unknown_origin(context, &name, Api::Classic),
        outcome: Err(Failure::Invalid { refused: false }),
        started,
        ended: context.env.now(),
        requests: 0,
    };
    write_metrics(file, &names.into_iter().map(failed).collect::<Vec<_>>())
}

/// Returns a time as seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
