//! Prints plans in the requested format, for `plan` and `drift`.

use clap::ValueEnum;
use serde::Serialize;

use super::context::Context;
use super::prepare::Prepared;
use crate::model::Snapshot;
use crate::plan::{Origin, Plan};
use crate::plan_file::{FORMAT_VERSION, PlanDocument};
use crate::report::{Mode, Planned, Section, html, human, markdown, text};

/// The output format of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    #[default]
    Human,
    /// For programs: the document that `plan --out` writes
    Json,
    /// For a comment on a pull request: short enough for GitHub's limit
    Markdown,
    /// For a browser: one self-contained page
    Html,
}

impl Format {
    /// Returns true if the format shows the plan's document, or at least its fingerprint. For the human format, the
    /// document is not made, because making it copies the whole plan.
    pub(super) fn needs_document(self) -> bool {
        self != Self::Human
    }
}

/// The environments that the user requested: one, or all of them. If all were requested, the JSON output contains a
/// list, even if there is only one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Requested {
    One,
    All,
}

/// The part of the output that is about one environment: its plan, or the reason why there is no plan.
pub(super) struct Part {
    origin: Origin,
    /// The plan, with its document if that was requested, or the reason why there is no plan.
    outcome: Result<(Plan, Option<PlanDocument>), String>,
}

impl Part {
    /// Creates the part for a plan that was made from a snapshot. Includes the plan's document if `with_document` is
    /// true.
    pub(super) fn new(
        prepared: &Prepared,
        origin: Origin,
        snapshot: &Snapshot,
        plan: Plan,
        with_document: bool,
    ) -> Self {
        let document = with_document.then(|| prepared.document(&origin, snapshot, &plan));
        Self { origin, outcome: Ok((plan, document)) }
    }

    /// Creates the part for an environment without a plan, with the reason why there is none.
    pub(super) fn failed(origin: Origin, reason: String) -> Self {
        Self { origin, outcome: Err(reason) }
    }

    /// Returns the plan, or `None` if there is no plan.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.outcome.as_ref().ok().map(|(plan, _)| plan)
    }

    /// Returns the plan's document, or `None` if there is no plan or its document was not requested.
    pub(super) fn document(&self) -> Option<&PlanDocument> {
        self.outcome.as_ref().ok().and_then(|(_, document)| document.as_ref())
    }

    fn section(&self) -> Section<'_> {
        let outcome = match &self.outcome {
            Ok((plan, document)) => {
                let fingerprint = document.as_ref().map_or("", |document| &document.fingerprint);
                Ok(Planned { plan, fingerprint })
            }
            Err(reason) => Err(reason.as_str()),
        };
        Section { origin: &self.origin, outcome }
    }

    fn json(&self) -> Environment<'_> {
        match &self.outcome {
            Ok((_, document)) => Environment::Document(document.as_ref()),
            Err(error) => Environment::Failed { environment: &self.origin.environment, error },
        }
    }
}

/// The JSON output for several environments.
#[derive(Serialize)]
struct Environments<'a> {
    format_version: u32,
    environments: Vec<Environment<'a>>,
}

/// The JSON output for one environment: the document of its plan, or the reason why there is no plan.
#[derive(Serialize)]
#[serde(untagged)]
enum Environment<'a> {
    Document(Option<&'a PlanDocument>),
    Failed { environment: &'a str, error: &'a str },
}

/// Prints a report about one or more environments to stdout.
pub(super) fn print(context: &Context<'_>, format: Format, mode: Mode, requested: Requested, parts: &[Part]) {
    let sections: Vec<Section<'_>> = parts.iter().map(Part::section).collect();
    match format {
        Format::Human => context.ui.result(&human::render(mode, &sections)),
        Format::Json => context.ui.data(&json_of(requested, parts)),
        Format::Markdown => context.ui.result(&markdown::render(mode, &sections)),
        // The page is printed unchanged, because its security policy contains hashes of its script and style.
        Format::Html => context.ui.data(&html::render(mode, &sections)),
    }
}

/// Returns the JSON output: the plan document of one environment, or a list of documents if all environments were
/// requested.
fn json_of(requested: Requested, parts: &[Part]) -> String {
    if let ([part], Requested::One) = (parts, requested)
        && let Some(document) = part.document()
    {
        return text::json(document);
    }
    let environments = parts.iter().map(Part::json).collect();
    text::json(&Environments { format_version: FORMAT_VERSION, environments })
}
