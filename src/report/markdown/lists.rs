//! The lists at the top of a report: refusals, removals, replacements and conflicts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::changes::{cause_text, retirement_text};
use super::escape::{code, prose, short};
use super::words::Words;
use crate::plan::{
    Action, Cause, ChangedValue, Field, Finding, Plan, Risk, ServiceKind, ServicePlan, Step, StepId,
    conflicts_of,
};
use crate::report::lookalikes::distinct;
use crate::report::short_value::short_value;

/// The maximum length of a value in a sentence, in characters.
const VALUE: usize = 60;

/// An entry of a list, in two forms. Reports show the sentence. If they have little room, they show only the names.
pub(super) struct Item {
    pub(super) sentence: String,
    pub(super) names: String,
}

/// A list of entries of one kind, such as removals.
pub(super) struct List {
    pub(super) title: &'static str,
    pub(super) noun: &'static str,
    /// The explanation that is shown above the entries. May be empty.
    pub(super) meaning: &'static str,
    pub(super) items: Vec<Item>,
}

/// Returns the four lists of a plan. The most serious kind comes first.
pub(super) fn of(words: &Words, plan: &Plan) -> [List; 4] {
    [
        List {
            title: "Refusals",
            noun: "refusal",
            meaning: "An apply would be refused:",
            items: refusals(plan),
        },
        List {
            title: words.removals,
            noun: "removal",
            meaning: "",
            items: removals(plan).map(removal).collect(),
        },
        List {
            title: words.replacements,
            noun: "replacement",
            meaning: words.replaced_means,
            items: replacements(words, plan),
        },
        List {
            title: "Conflicts",
            noun: "conflict",
            meaning: "`apply` refuses a plan with conflicts unless `--overwrite-drift` is given.",
            items: conflicts(words, plan),
        },
    ]
}

/// Returns the steps that take services or version sets out of use. Omits the steps that retire the old services of
/// replacements.
pub(super) fn removals(plan: &Plan) -> impl Iterator<Item = &Step> {
    let replaced = plan.services.iter().filter(|shown| shown.kind == ServiceKind::Replace);
    let covered: BTreeSet<StepId> = replaced.flat_map(|shown| &shown.steps).copied().collect();
    let apart = move |step: &&Step| {
        let of_replacement =
            covered.contains(&step.id) && !matches!(step.action, Action::DeleteVersionSet { .. });
        step.risk == Risk::Destructive && !of_replacement
    };
    plan.steps.iter().filter(apart)
}

/// Returns the list entry for a step that takes a service or version set out of use.
pub(super) fn removal(step: &Step) -> Item {
    let service = code(step.service.as_str());
    let reason = step.reason.as_deref().map_or(String::new(), |reason| format!(" ({})", prose(reason)));
    let (sentence, names) = match &step.action {
        Action::DeleteVersionSet { name, .. } => {
            let names = format!("version set {} of {service}", code(name.as_str()));
            (format!("{names} is deleted"), names)
        }
        Action::Retire { id, how, .. } => {
            (format!("{service}, {}, {}", code(id.as_str()), retirement_text(*how)), service)
        }
        Action::Update { id, .. } => (format!("{service}, {}, is deactivated", code(id.as_str())), service),
        _ => (format!("{service} goes out of use"), service),
    };
    Item { sentence: format!("{sentence}{reason}"), names }
}

fn replacements(words: &Words, plan: &Plan) -> Vec<Item> {
    let replaced = plan.services.iter().filter(|shown| shown.kind == ServiceKind::Replace);
    replaced
        .map(|shown| {
            let name = code(shown.name.as_str());
            let mut sentence = name.clone();
            if let Some(id) = &shown.id {
                sentence.push_str(&format!(", {} → a new id", code(id.as_str())));
            }
            for change in shown.changes.fields.iter().filter(|change| change.field.is_reference()) {
                let noun = if change.field == Field::Agent { "agent" } else { "context graph" };
                let values = from_to(&change.before, &change.after);
                sentence.push_str(&match (words.is_drift(), change.cause) {
                    (true, Some(Cause::Manifest)) => {
                        format!(": the pending change of the {noun} {values} requires a new service")
                    }
                    (true, _) => format!(": only a new service can revert the changed {noun} {values}"),
                    (false, _) => format!(": the changed {noun} {values} forces a new service"),
                });
            }
            if shown.continued {
                sentence.push_str("; this continues an unfinished replacement");
            }
            sentence.push_str(&retirement(plan, shown));
            Item { sentence, names: name }
        })
        .collect()
}

/// Returns the end of a sentence that says how the old service of a replacement is retired.
fn retirement(plan: &Plan, shown: &ServicePlan) -> String {
    let retirements = plan.steps_of(shown).filter_map(|step| match &step.action {
        Action::Retire { id, how, .. } if Some(id) == shown.id.as_ref() => {
            Some(format!("; the old service {}", retirement_text(*how)))
        }
        Action::Retire { id, how, .. } => Some(format!("; {} {}", code(id.as_str()), retirement_text(*how))),
        Action::HandOver { .. } if step.risk == Risk::Destructive => {
            Some("; the old service is deactivated".to_owned())
        }
        _ => None,
    });
    retirements.collect()
}

/// Returns an entry for each conflict: a change that would undo a live change or a newer commit.
fn conflicts(words: &Words, plan: &Plan) -> Vec<Item> {
    let items = plan.services.iter().flat_map(|shown| {
        let found = conflicts_of(plan, shown).into_iter();
        found.map(move |(change, cause)| conflict(words, shown, (change, cause)))
    });
    items.collect()
}

fn conflict(words: &Words, shown: &ServicePlan, (change, cause): (Option<ChangedValue<'_>>, Cause)) -> Item {
    let (name, why) = (code(shown.name.as_str()), cause_text(words, cause));
    if let Some(change) = change {
        let names = format!("{name} {}", code(&change.path.to_string()));
        let values = from_to(change.before, change.after);
        return Item { sentence: format!("{names}: {values} ({why})"), names };
    }
    let fate = match shown.kind {
        ServiceKind::Create => "created",
        ServiceKind::Update => "changed",
        ServiceKind::Replace => "replaced",
        ServiceKind::Retire => "retired",
    };
    Item { sentence: format!("{name} would be {fate} ({why})"), names: name }
}

/// Returns an entry for each finding that makes `apply` refuse the plan.
fn refusals(plan: &Plan) -> Vec<Item> {
    let item = |finding: &Finding| {
        let names = code(finding.service.as_str());
        Item { sentence: format!("{names}: {}", prose(&finding.message)), names }
    };
    plan.findings.iter().filter(|finding| finding.is_refusal()).map(item).collect()
}

fn from_to(before: &Value, after: &Value) -> String {
    let escaped = distinct(before, after);
    let (before, after) = escaped.as_ref().map_or((before, after), |(before, after)| (before, after));
    let value = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => code(&short(text, VALUE)),
        value => code(&short(&short_value(value), VALUE)),
    };
    format!("{} → {}", value(before), value(after))
}
