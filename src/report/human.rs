//! Renders a plan for a terminal.
//!
//! The output shows which values change and why, how risky the changes are, and how long an apply takes. Unchanged
//! values are not shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::direction::directed;
use super::mode::Mark;
use super::shown::ShownChange;
use super::text::{BAD, CHANGED, DIM, GOOD, STRONG, count, padded, short_id, styled, visible};
use super::values::{FIELDS, changes, field};
use super::{
    Mode, Planned, Section, causes, created, drift, human_drift, lookalikes, replacement, totals,
    version_sets,
};
use crate::model::{Api, Retire, ServiceId, ServiceName};
use crate::plan::{
    Action, ChangeRecord, Field, Finding, LastChange, Origin, Plan, PlanError, Problem, ProblemKind,
    ServiceKind, ServicePlan, Step, Target, VersionSetChangeKind, conflicts, created_content,
};

/// The column of a line in which the id of a service starts.
const ID_COLUMN: usize = 64;

/// Renders a report, with one part for each environment. A drift report on several environments begins with a table of
/// all environments, and has no part for an environment without drift and warnings.
pub fn render(mode: Mode, sections: &[Section<'_>]) -> String {
    directed(mode, sections, |sections| {
        let with_table = mode.is_drift() && sections.len() > 1;
        let table = with_table.then(|| drift::table(sections));
        let detailed = sections.iter().filter(|section| !with_table || !drift::is_clean(section));
        let parts = detailed.map(|section| match section.outcome {
            Ok(planned) => part(mode, planned.plan, section.origin),
            Err(reason) => failed(mode, section.origin, reason),
        });
        table.into_iter().chain(parts).collect::<Vec<_>>().join("\n")
    })
}

/// Renders a plan for one environment.
pub fn plan(mode: Mode, plan: &Plan, origin: &Origin) -> String {
    render(mode, &[Section { origin, outcome: Ok(Planned { plan, fingerprint: "" }) }])
}

/// Renders the reason why an environment has no plan.
fn failed(mode: Mode, origin: &Origin, reason: &str) -> String {
    let mut out = String::new();
    let name = styled(STRONG, &visible(&origin.environment));
    let _ = writeln!(out, "amigops {} · environment {name}\n", mode.command());
    let lines = reason.lines().filter(|line| !line.trim().is_empty());
    for (number, line) in lines.enumerate() {
        let mark = if number == 0 { styled(BAD, "✗") } else { " ".to_owned() };
        let _ = writeln!(out, "  {mark} {}", visible(line));
    }
    out
}

/// Renders the part for one environment. In a drift report, the values of each change in `plan` must already be
/// swapped, so that the change leads from the declared to the live value.
fn part(mode: Mode, plan: &Plan, origin: &Origin) -> String {
    let mut out = String::new();
    let Origin { environment, api, organization, base, .. } = origin;
    let base = base.as_ref().map(|base| format!(" · {}", causes::base(base))).unwrap_or_default();
    let verdict = if mode.is_drift() { format!(" · {}", drift::verdict(plan)) } else { String::new() };
    let _ = writeln!(
        out,
        "amigops {} · environment {} ({}, {}) · {}, {} declared{base}{verdict}\n",
        mode.command(),
        styled(STRONG, &visible(environment)),
        api.as_str(),
        visible(organization),
        totals::live(plan),
        plan.declared,
    );
    for shown in &plan.services {
        render_service(&mut out, mode, plan, shown, *api);
        out.push('\n');
    }
    findings(&mut out, plan);
    match (plan.is_empty(), mode.is_drift()) {
        (true, true) => out.push_str(&format!("{}\n", drift::nothing(plan))),
        (true, false) => {
            let _ =
                writeln!(out, "Nothing to do: {} as declared.", totals::services_are(plan.summary.unchanged));
        }
        (false, true) => out.push_str(&drift::summary(plan, &totals::estimate(&plan.estimate, *api))),
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

/// Writes the heading of a service: a symbol for its kind of change, its name, and its id.
fn heading(out: &mut String, mode: Mode, shown: &ServicePlan) {
    let (mark, style) = match mode.mark(shown.kind) {
        Mark::Added => ("  +", GOOD),
        Mark::Changed => ("  ~", CHANGED),
        Mark::Replaced => ("-/+", BAD),
        Mark::Removed => ("  -", BAD),
    };
    let name = visible(shown.name.as_str());
    let mut id = shown.id.as_ref().map(|id| short_id(id.as_str())).unwrap_or_default();
    if shown.kind == ServiceKind::Replace && !mode.is_drift() {
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

fn render_service(out: &mut String, mode: Mode, plan: &Plan, shown: &ServicePlan, api: Api) {
    heading(out, mode, shown);
    if let Some(last) = &shown.last_change {
        let _ = writeln!(out, "{}{}", " ".repeat(FIELDS), styled(DIM, &last_change(last)));
    }
    if mode.is_drift() {
        return human_drift::service(out, plan, shown, api);
    }
    let replaces = shown.kind == ServiceKind::Replace;
    // If an earlier run has already made the cut-over, amigops itself gave the old service this former name. So the
    // name is not shown.
    if let Some(former) = &shown.former_name
        && !(replaces && shown.continued)
    {
        let renamed = shown.changes.field(&Field::Name);
        let cause = causes::styled_note(mode, renamed.and_then(|change| change.cause));
        let (former, _) = lookalikes::names(former, &shown.name);
        field(out, "renamed from", &format!("{former}{cause}"));
    }
    if let Some(cause) = causes::of_service(mode, shown) {
        field(out, "cause", &styled(BAD, cause));
    }
    if shown.adopted {
        field(out, "adopted", "this service has no owner yet, so the ownership tag is set");
    }
    if shown.continued {
        field(out, "continues", "the unfinished replacement of an earlier run");
    }
    if shown.kind == ServiceKind::Create {
        created::render(out, &created_content(plan, shown, api));
    }
    let own = shown.changes.fields.iter().filter(|change| change.field != Field::Name);
    let noted = own.map(|change| {
        let forces = replaces && change.field.is_reference();
        let cause = change.cause;
        ShownChange::of_field(
            change,
            if forces { causes::forcing_note(mode, cause) } else { causes::note(mode, cause) },
        )
    });
    changes(out, FIELDS, noted);
    if replaces {
        shown.changes.version_sets.iter().for_each(|set| version_sets::changed(out, mode, set));
        field(out, "steps", &replacement::steps(plan, shown, api));
    } else {
        plan.steps_of(shown).for_each(|step| step_lines(out, mode, step, shown.kind));
    }
}

/// Returns a string that says when the live service was last changed, and by which user.
fn last_change(last: &LastChange) -> String {
    let mut text = "last changed".to_owned();
    for (word, value) in [("by", &last.by), ("at", &last.at)] {
        if let Some(value) = value {
            let _ = write!(text, " {word} {}", visible(value));
        }
    }
    text
}

/// Writes the lines for a step, unless the changed fields of the step's service already show what the step does.
fn step_lines(out: &mut String, mode: Mode, step: &Step, kind: ServiceKind) {
    let sets = &step.changes.version_sets;
    match &step.action {
        // The version sets of a new service are shown with its fields.
        Action::WriteVersionSet { target: Target::Created(_), .. } => {}
        Action::WriteVersionSet { .. } => {
            for set in sets {
                match set.kind {
                    VersionSetChangeKind::Created => version_sets::whole(out, mode, set),
                    VersionSetChangeKind::Changed | VersionSetChangeKind::Deleted => {
                        version_sets::changed(out, mode, set);
                    }
                }
            }
        }
        Action::DeleteVersionSet { .. } => sets.iter().for_each(|set| version_sets::deleted(out, mode, set)),
        Action::RenameTemporarily { update, .. } => {
            let name = update.name.as_ref().map_or("", ServiceName::as_str);
            field(
                out,
                "temporary name",
                &format!("{} ({})", visible(name), visible(step.reason.as_deref().unwrap_or(""))),
            );
        }
        // The command `unmanage` plans this step. The service is not retired, but only stops being managed.
        Action::Retire { how: Retire::Keep, .. } if kind == ServiceKind::Update => {
            field(out, "unmanaged", &visible(step.reason.as_deref().unwrap_or_default()));
        }
        Action::Retire { how, .. } => {
            let reason = step.reason.as_deref().unwrap_or_default();
            field(out, "retired", &format!("{} ({})", how.as_str(), visible(reason)));
        }
        Action::Abandon { id, .. } => {
            field(
                out,
                "abandoned",
                &format!(
                    "{} is renamed to mark it as abandoned: {}",
                    short_id(id.as_str()),
                    visible(step.reason.as_deref().unwrap_or_default())
                ),
            );
        }
        // A step that changes the agent can write version sets, too.
        Action::Update { .. } => sets.iter().for_each(|set| version_sets::changed(out, mode, set)),
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
        |finding: &Finding| format!("{}: {}", visible(finding.service.as_str()), visible(&finding.text()));
    // Findings that make `apply` refuse the plan come first, in red.
    let (refused, others): (Vec<_>, Vec<_>) = plan.findings.iter().partition(|finding| finding.is_refusal());
    refused.into_iter().for_each(|finding| line(BAD, styled(BAD, &text(finding))));
    others.into_iter().for_each(|finding| line(CHANGED, text(finding)));
    if !plan.orphans.is_empty() {
        let why = match plan.prune {
            true => "not retired, because --only was given",
            false => "retire with --prune, or with `prune: true` in amigops.yaml",
        };
        let orphans = count(plan.orphans.len(), "orphan");
        line(CHANGED, format!("{orphans} (owned, but in no manifest): {} — {why}", names(&plan.orphans)));
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

/// The maximum number of service names that are listed in one line.
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
    if summary.reactivate > 0 {
        let _ = write!(parts, ", {}", number(CHANGED, summary.reactivate, "to reactivate"));
    }
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
    let _ = writeln!(out, "      {}", totals::estimate(&plan.estimate, api));
}

/// Renders the changes that were made to services after a plan was saved. Each change shows the value in the plan and
/// the value now.
pub fn stale_services(services: &BTreeMap<ServiceName, Vec<ChangeRecord>>) -> String {
    let mut out = String::new();
    for (name, stale) in services {
        let _ = writeln!(out, "  {} {}", styled(CHANGED, "~"), styled(STRONG, &visible(name.as_str())));
        changes(&mut out, FIELDS, stale.iter().map(ShownChange::of_record));
    }
    out
}

/// Renders the problems that prevent a plan. Errors come before refusals, and each problem has its location in a file,
/// if it is known.
pub fn plan_error(error: &PlanError) -> String {
    let mut out = String::new();
    let (refusals, errors): (Vec<_>, Vec<_>) =
        error.problems.iter().partition(|problem| problem.kind == ProblemKind::Refused);
    errors.iter().chain(&refusals).for_each(|found| problem(&mut out, found));
    let total = error.problems.len();
    let word = if error.is_refusal() { "refused" } else { "error" };
    let _ = writeln!(out, "{}: {}; nothing was sent", styled(BAD.bold(), word), count(total, "problem"));
    out
}

/// Renders the conflicts for which an apply would refuse a plan. The last line says why the command `plan` exits with
/// 3, and what to do.
pub fn plan_conflicts(error: &PlanError) -> String {
    let mut out = String::new();
    error.problems.iter().for_each(|conflict| problem(&mut out, conflict));
    let total = error.problems.len();
    let them = if total == 1 { "it" } else { "them" };
    let _ = writeln!(
        out,
        "{}: `amigops apply` would refuse this plan because of {}: resolve {them} and plan again, or use \
         --allow-conflicts to look at the plan",
        styled(BAD.bold(), "refused"),
        count(total, "conflict")
    );
    out
}

/// Writes the lines for one problem: its message, its location and its help.
fn problem(out: &mut String, problem: &Problem) {
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
