//! Renders a plan for a terminal.
//!
//! The output shows at a glance what changes, why, how risky it is and how long it takes. Unchanged values are not
//! shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::text::{BAD, CHANGED, DIM, GOOD, STRONG, count, padded, short_id, styled, visible};
use super::values::{FIELDS, VALUE_COLUMN, changes, field};
use super::{Section, causes, created, drift};
use crate::model::{Api, Pin, Retire, ServiceId, ServiceName, VersionSet};
use crate::plan::{
    Action, Cause, Change, Estimate, Finding, LastChange, Origin, Plan, PlanError, ProblemKind, ServiceKind,
    ServicePlan, Step, conflicts, worst,
};

/// The column of ids.
const ID_COLUMN: usize = 64;

/// Renders the parts of a report.
pub fn render(command: &str, sections: &[Section<'_>]) -> String {
    let parts = sections.iter().map(|section| match section.outcome {
        Ok(planned) => plan(command, planned.plan, section.origin),
        Err(reason) => failed(command, section.origin, reason),
    });
    parts.collect::<Vec<_>>().join("\n")
}

/// Renders why an environment has no plan.
fn failed(command: &str, origin: &Origin, reason: &str) -> String {
    let mut out = String::new();
    let name = styled(STRONG, &visible(&origin.environment));
    let _ = writeln!(out, "amigops {command} · environment {name}\n");
    let lines = reason.lines().filter(|line| !line.trim().is_empty());
    for (number, line) in lines.enumerate() {
        let mark = if number == 0 { styled(BAD, "✗") } else { " ".to_owned() };
        let _ = writeln!(out, "  {mark} {}", visible(line));
    }
    out
}

/// Renders a plan.
pub fn plan(command: &str, plan: &Plan, origin: &Origin) -> String {
    let mut out = String::new();
    let Origin { environment, api, organization, base, .. } = origin;
    let base = base.as_ref().map(|base| format!(" · {}", causes::base(base))).unwrap_or_default();
    let _ = writeln!(
        out,
        "amigops {command} · environment {} ({}, {}) · {}, {} declared{base}{}\n",
        styled(STRONG, &visible(environment)),
        api.as_str(),
        visible(organization),
        live(plan),
        plan.declared,
        if command == drift::COMMAND { format!(" · {}", drift::verdict(plan)) } else { String::new() }
    );
    for shown in &plan.services {
        render_service(&mut out, plan, shown, *api);
        out.push('\n');
    }
    findings(&mut out, plan);
    match (plan.is_empty(), command == drift::COMMAND) {
        (true, true) => out.push_str(&format!("{}\n", drift::nothing(plan))),
        (true, false) => {
            let _ = writeln!(out, "Nothing to do: {} as declared.", are(plan.summary.unchanged));
        }
        (false, true) => out.push_str(&drift::summary(plan, &estimate(&plan.estimate, *api))),
        (false, false) => summary(&mut out, plan, *api),
    }
    let conflicts = conflicts(plan).len();
    if conflicts > 0 {
        let them = if conflicts == 1 { "it" } else { "them" };
        let conflicts = count(conflicts, "conflict");
        let line = format!("⚠ {conflicts}: `amigops apply` refuses {them} unless --overwrite-drift is given");
        let _ = writeln!(out, "  {}", styled(BAD, &line));
    }
    out
}

pub(super) fn live(plan: &Plan) -> String {
    let active = format!("{} live", count(plan.active, "service"));
    if plan.inactive == 0 { active } else { format!("{active} (and {} inactive)", plan.inactive) }
}

pub(super) fn are(number: usize) -> String {
    format!("{} {}", count(number, "service"), if number == 1 { "is" } else { "are" })
}

/// Writes a service's kind of change, name and id.
fn heading(out: &mut String, shown: &ServicePlan) {
    let (mark, style) = match shown.kind {
        ServiceKind::Create => ("  +", GOOD),
        ServiceKind::Update => ("  ~", CHANGED),
        ServiceKind::Replace => ("-/+", BAD),
        ServiceKind::Retire => ("  -", BAD),
    };
    let name = visible(shown.name.as_str());
    let mut id = shown.id.as_ref().map(|id| short_id(id.as_str())).unwrap_or_default();
    if shown.kind == ServiceKind::Replace {
        id.push_str(" → new id");
    }
    let line = if id.is_empty() {
        format!("{} {}", styled(style, mark), styled(STRONG, &name))
    } else {
        format!(
            "{} {} {}",
            styled(style, mark),
            styled(STRONG, &padded(&name, ID_COLUMN - 4)),
            styled(DIM, &id)
        )
    };
    let _ = writeln!(out, "{line}");
}

fn render_service(out: &mut String, plan: &Plan, shown: &ServicePlan, api: Api) {
    heading(out, shown);
    if let Some(last) = &shown.last_change {
        let _ = writeln!(out, "{}{}", " ".repeat(FIELDS), styled(DIM, &last_change(last)));
    }
    if let Some(former) = &shown.former_name
        && shown.kind != ServiceKind::Replace
    {
        let renamed = shown.changes.iter().find(|change| change.path == "service");
        let cause = cause_note(renamed.and_then(|change| change.cause));
        field(out, "renamed from", &format!("{}{cause}", visible(former.as_str())));
    }
    if let Some(cause) = causes::of_service(shown) {
        field(out, "cause", &styled(BAD, cause));
    }
    if shown.adopted {
        field(out, "adopted", "it has no owner yet, so the ownership tag is set");
    }
    if shown.continued {
        field(out, "continues", "the unfinished replacement of an earlier run");
    }
    created::joins(out, shown);
    let own = shown.changes.iter().filter(|one| one.path != "service" && set_of(&one.path).is_none());
    let noted = own.map(|change| {
        let forces =
            shown.kind == ServiceKind::Replace && matches!(change.path.as_str(), "agent" | "context_graph");
        let note = if forces { causes::forcing_note } else { causes::note };
        (change.path.as_str(), change, note(change.cause))
    });
    changes(out, FIELDS, noted);
    match shown.kind {
        ServiceKind::Create => created::of(out, plan, shown, api),
        ServiceKind::Replace => {
            version_set_changes(out, &shown.changes);
            field(out, "steps", &replacement_steps(plan, shown, api));
        }
        ServiceKind::Update | ServiceKind::Retire => {}
    }
    if shown.kind != ServiceKind::Replace {
        for step in steps(plan, shown) {
            step_lines(out, step);
        }
    }
}

/// Describes the last change of the live service.
fn last_change(last: &LastChange) -> String {
    let mut text = "last changed".to_owned();
    for (word, value) in [("by", &last.by), ("at", &last.at)] {
        if let Some(value) = value {
            let _ = write!(text, " {word} {}", visible(value));
        }
    }
    text
}

/// Returns the note on a cause, for the end of a line.
fn cause_note(cause: Option<Cause>) -> String {
    match causes::note(cause) {
        "" => String::new(),
        note => format!("   {}", styled(BAD, note)),
    }
}

pub(super) fn steps<'a>(plan: &'a Plan, shown: &'a ServicePlan) -> impl Iterator<Item = &'a Step> {
    shown.steps.iter().filter_map(|id| plan.step(*id))
}

/// Splits a path into its version set and the rest. Returns `None` for other paths.
pub(super) fn set_of(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("version_sets.")?.split_once('.')
}

pub(super) fn pins(set: &VersionSet) -> String {
    let pins = if set.agent_version == Pin::Latest && set.context_graph_version == Pin::Latest {
        "the latest".to_owned()
    } else {
        format!("agent {}, graph {}", set.agent_version, set.context_graph_version)
    };
    match set.llm_model_preferences.len() {
        0 => format!("({pins})"),
        models => format!("({pins}, {})", count(models, "model preference")),
    }
}

/// Writes the changes in version sets, set by set. Ignores other changes.
fn version_set_changes(out: &mut String, all: &[Change]) {
    let of = |change: &Change| set_of(&change.path).map(|(set, _)| set.to_owned());
    for group in all.chunk_by(|one, next| of(one) == of(next)) {
        let Some(set) = group.first().and_then(of) else { continue };
        // Pins are null on the side that does not have the set.
        let pin = group.iter().find(|change| change.path.ends_with(".agent_version"));
        let mark = match pin {
            Some(pin) if pin.after.is_null() => styled(BAD, "-"),
            Some(pin) if pin.before.is_null() => styled(GOOD, "+"),
            _ => styled(CHANGED, "~"),
        };
        let _ = writeln!(out, "    {mark} version set {}", visible(&set));
        set_changes(out, group);
    }
}

/// Writes the changes in one version set.
fn set_changes(out: &mut String, all: &[Change]) {
    let below =
        |change: &'_ Change| set_of(&change.path).map_or(0, |(_, rest)| change.path.len() - rest.len());
    let noted = all.iter().map(|change| (&change.path[below(change)..], change, causes::note(change.cause)));
    changes(out, FIELDS + 2, noted);
}

/// Describes the steps of a replacement in one line.
fn replacement_steps(plan: &Plan, shown: &ServicePlan, api: Api) -> String {
    let (mut created, mut sets, mut behaviors, mut smokes) = (false, 0, 0, 0);
    let mut words = Vec::new();
    let mut after = Vec::new();
    for step in steps(plan, shown) {
        match &step.action {
            Action::Create(new) => {
                created = true;
                // The Classic API creates `release` with the service even if none is sent.
                sets += new.version_sets.len().max(usize::from(api.makes_version_sets()));
            }
            Action::Update { .. } => words.push("complete the new service".to_owned()),
            Action::RenameTemporarily { .. } => words.push("rename old temporarily".to_owned()),
            Action::WriteVersionSet { .. } => sets += 1,
            Action::ApplyBehaviorSet { .. } => behaviors += 1,
            Action::Smoke { .. } => smokes += 1,
            Action::HandOver { rename, activation, .. } => {
                if rename.is_some() {
                    after.push("rename old".to_owned());
                }
                let activates = activation.active.is_some();
                after.push(if activates { "activate new" } else { "rename new" }.to_owned());
            }
            Action::Retire { how: Retire::Deactivate, .. } => after.push("deactivate old".to_owned()),
            Action::Retire { how: Retire::Keep, .. } => {
                after.push("stop managing old (stays active)".to_owned())
            }
            Action::Retire { how: Retire::Delete, .. } => after.push("delete old".to_owned()),
            Action::Abandon { .. } => after.push("mark a leftover abandoned".to_owned()),
            Action::DeleteVersionSet { .. } => after.push("delete a version set".to_owned()),
        }
    }
    if created {
        words.insert(0, "create inactive".to_owned());
    }
    for (number, noun) in [(sets, "version set"), (behaviors, "behavior set"), (smokes, "smoke test")] {
        if number > 0 {
            words.push(count(number, noun));
        }
    }
    words.extend(after);
    words.join(" · ")
}

/// Writes a step that the changes of its service's fields don't show.
fn step_lines(out: &mut String, step: &Step) {
    match &step.action {
        Action::WriteVersionSet { name, creates, content, target } => {
            let is_new_service = matches!(target, crate::plan::Target::Created(_));
            if is_new_service {
                return;
            }
            let mark = if *creates { styled(GOOD, "+") } else { styled(CHANGED, "~") };
            let line = format!("    {mark} version set {}", visible(name.as_str()));
            if *creates {
                let cause = cause_note(worst(step.changes.iter().map(|change| change.cause)));
                let _ = writeln!(out, "{} {}{cause}", padded(&line, VALUE_COLUMN + 6), pins(content));
                return;
            }
            let _ = writeln!(out, "{line}");
            set_changes(out, &step.changes);
        }
        Action::DeleteVersionSet { name, .. } => {
            let cause = cause_note(worst(step.changes.iter().map(|change| change.cause)));
            let _ = writeln!(out, "    {} version set {}{cause}", styled(BAD, "-"), visible(name.as_str()));
        }
        Action::RenameTemporarily { update, .. } => {
            let name = update.name.as_ref().map_or("", ServiceName::as_str);
            field(
                out,
                "temporary name",
                &format!("{} ({})", visible(name), visible(step.reason.as_deref().unwrap_or(""))),
            );
        }
        Action::Retire { how, .. } => {
            let reason = step.reason.as_deref().unwrap_or_default();
            field(out, "retired", &format!("{} ({})", how.as_str(), visible(reason)));
        }
        Action::Abandon { id, .. } => {
            field(
                out,
                "leftover",
                &format!(
                    "{} is renamed to mark it as abandoned: {}",
                    short_id(id.as_str()),
                    step.reason.as_deref().unwrap_or_default()
                ),
            );
        }
        // Version sets can be written together with a changed agent.
        Action::Update { .. } => version_set_changes(out, &step.changes),
        Action::Create(_)
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. }
        | Action::HandOver { .. } => {}
    }
}

fn findings(out: &mut String, plan: &Plan) {
    let mut any = false;
    let mut line = |style, text: String| {
        let _ = writeln!(out, "  {} {text}", styled(style, "⚠"));
        any = true;
    };
    let text =
        |finding: &Finding| format!("{}: {}", visible(finding.service.as_str()), visible(&finding.message));
    // Findings that make `apply` refuse the plan come first, in red.
    let (refused, others): (Vec<_>, Vec<_>) =
        plan.findings.iter().partition(|finding| finding.refused().is_some());
    refused.into_iter().for_each(|finding| line(BAD, styled(BAD, &text(finding))));
    others.into_iter().for_each(|finding| line(CHANGED, text(finding)));
    if !plan.orphans.is_empty() {
        let why = if plan.prune { "not retired: --only was given" } else { "retire with --prune" };
        let orphans = count(plan.orphans.len(), "orphan");
        line(CHANGED, format!("{orphans} (owned, in no manifest): {} — {why}", names(&plan.orphans)));
    }
    if any {
        out.push('\n');
    }
    if !plan.unmanaged.is_empty() {
        let text = format!(
            "{} not managed here: {}",
            count(plan.unmanaged.len(), "live service"),
            names(&plan.unmanaged)
        );
        let _ = writeln!(out, "    {}\n", styled(DIM, &text));
    }
}

/// The maximum number of names in one line.
const MAX_NAMES: usize = 8;

fn names(services: &[(ServiceName, ServiceId)]) -> String {
    let mut text: Vec<String> =
        services.iter().take(MAX_NAMES).map(|(name, _)| visible(name.as_str())).collect();
    if services.len() > MAX_NAMES {
        text.push(format!("and {} more", services.len() - MAX_NAMES));
    }
    text.join(", ")
}

fn summary(out: &mut String, plan: &Plan, api: Api) {
    let summary = &plan.summary;
    let number = |style, number: usize, words: &str| {
        let text = format!("{number} {words}");
        if number == 0 { text } else { styled(style, &text) }
    };
    let mut parts = [
        number(GOOD, summary.create, "to create"),
        number(CHANGED, summary.update, "to change"),
        number(BAD, summary.replace, "to replace"),
        number(BAD, summary.retire, "to retire"),
    ]
    .join(", ");
    if summary.adopt > 0 {
        let _ = write!(parts, ", {} to adopt", summary.adopt);
    }
    let written = summary.version_sets_created + summary.version_sets_updated;
    let _ = writeln!(
        out,
        "{} {parts} · version sets: {written} to write, {}",
        styled(STRONG, "Plan:"),
        number(BAD, summary.version_sets_deleted, "to delete")
    );
    let _ = writeln!(out, "      {}", estimate(&plan.estimate, api));
}

/// Describes the cost of an apply in one line.
pub(super) fn estimate(estimate: &Estimate, api: Api) -> String {
    let requests = count(estimate.requests, "request");
    let time = match estimate.seconds {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    };
    match estimate.bound_by {
        Some(endpoint) => {
            format!(
                "{requests}, about {time} because of rate limits ({}: {}/min)",
                endpoint.label(),
                endpoint.per_minute(api).unwrap_or_default()
            )
        }
        None => format!("{requests}, about {time}"),
    }
}

/// Renders what has changed since a plan was made, by service: the value then and the value now.
pub fn stale_services(services: &BTreeMap<ServiceName, Vec<Change>>) -> String {
    let mut out = String::new();
    for (name, stale) in services {
        let _ = writeln!(out, "  {} {}", styled(CHANGED, "~"), styled(STRONG, &visible(name.as_str())));
        changes(&mut out, FIELDS, stale.iter().map(|change| (change.path.as_str(), change, "")));
    }
    out
}

/// Renders why no plan can be made: errors before refusals, each with its place.
pub fn plan_error(error: &PlanError) -> String {
    let mut out = String::new();
    let (refusals, errors): (Vec<_>, Vec<_>) =
        error.problems.iter().partition(|problem| problem.kind == ProblemKind::Refused);
    for problem in errors.iter().chain(&refusals) {
        let word = if problem.kind == ProblemKind::Refused { "refused" } else { "error" };
        let _ = writeln!(out, "{}: {}", styled(BAD.bold(), word), styled(STRONG, &visible(&problem.message)));
        if let Some(place) = problem.place.as_ref().filter(|place| !place.file.is_empty()) {
            let _ = writeln!(out, "  --> {}", visible(&place.to_string()));
        }
        for help in &problem.help {
            let _ = writeln!(out, "   = help: {}", visible(help));
        }
        out.push('\n');
    }
    let total = error.problems.len();
    let word = if error.is_refusal() { "refused" } else { "error" };
    let _ = writeln!(out, "{}: {}; nothing was sent", styled(BAD.bold(), word), count(total, "problem"));
    out
}
