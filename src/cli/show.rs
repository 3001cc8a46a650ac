//! A plan in the format that was asked for. May import everything.

use clap::ValueEnum;
use serde::Serialize;

use super::Context;
use super::prepare::Prepared;
use crate::model::Snapshot;
use crate::plan::{Origin, Plan};
use crate::plan_file::{Document, FORMAT_VERSION};
use crate::report::{Planned, Section, html, human, markdown, text};

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    #[default]
    Human,
    /// For programs: the document that --out writes
    Json,
    /// For a comment on a pull request: never longer than GitHub takes
    Markdown,
    /// One page for a browser, whole in one file
    Html,
}

impl Format {
    /// Whether the plan must be a document to be shown: all but terminals name its fingerprint, at least. To make
    /// one is to write all of it down.
    pub(super) fn needs_document(self) -> bool {
        self != Self::Human
    }
}

/// What was asked for: one environment, or all of them. Programs get the same form for the same question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    One,
    All,
}

/// One environment's part of what is shown.
pub(super) struct Part {
    origin: Origin,
    /// The plan, as a document, too, where one was asked for; or why there is none.
    outcome: Result<(Plan, Option<Document>), String>,
}

impl Part {
    /// A plan with the state that it was made from; with its document, where that is asked for.
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

    /// An environment without a plan, and why.
    pub(super) fn failed(origin: Origin, reason: String) -> Self {
        Self { origin, outcome: Err(reason) }
    }

    /// The plan, if there is one.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.outcome.as_ref().ok().map(|(plan, _)| plan)
    }

    /// The plan as a document, if there is one and it was asked for.
    pub(super) fn document(&self) -> Option<&Document> {
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

/// Several environments for programs.
#[derive(Serialize)]
struct Environments<'a> {
    format_version: u32,
    environments: Vec<Environment<'a>>,
}

/// One of them: its document, with the keys in the document's order, or why there is none.
#[derive(Serialize)]
#[serde(untagged)]
enum Environment<'a> {
    Document(Option<&'a Document>),
    Failed { environment: &'a str, error: &'a str },
}

/// Writes a report to stdout: of one environment, or of several.
pub(super) fn show(context: &Context<'_>, format: Format, command: &str, asked: Asked, parts: &[Part]) {
    let sections: Vec<Section<'_>> = parts.iter().map(Part::section).collect();
    match format {
        Format::Human => context.ui.result(&human::render(command, &sections)),
        Format::Json => context.ui.data(&json_of(asked, parts)),
        Format::Markdown => context.ui.result(&markdown::render(command, &sections)),
        // To the letter: the page's policy names the hashes of what is in it.
        Format::Html => context.ui.data(&html::render(command, &sections)),
    }
}

/// The document of one environment; a list, however many there are, where all were asked for.
fn json_of(asked: Asked, parts: &[Part]) -> String {
    if let ([part], Asked::One) = (parts, asked)
        && let Some(document) = part.document()
    {
        return text::json(document);
    }
    let environments = parts.iter().map(Part::json).collect();
    text::json(&Environments { format_version: FORMAT_VERSION, environments })
}
