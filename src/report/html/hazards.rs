//! The part of a report that must be reviewed first: refusals, conflicts, removals and replacements.

use super::super::Mode;
use super::super::text::count;
use super::card::{anchor, kind};
use super::markup::{Markup, clip};
use super::{steps, values};
use crate::plan::{
    Action, Cause, ChangedValue, Finding, Plan, Risk, ServiceKind, ServicePlan, Step, conflicts_of,
};

/// The maximum number of entries in each list. Further entries appear only in the cards of their services.
const MOST: usize = 40;
/// The sentence that explains conflicts. It is written below the list of conflicts.
const CONFLICTS_MEAN: &str = "An apply refuses a plan with conflicts unless --overwrite-drift is given.";

/// Writes the section `Review first`, unless it would have no entries.
pub(super) fn hazards(page: &mut Markup, heading: &'static str, section: usize, plan: &Plan, mode: Mode) {
    let refused: Vec<&Finding> = plan.findings.iter().filter(|finding| finding.is_refusal()).collect();
    let conflicts: Vec<_> = entries(plan, conflicts);
    let removals: Vec<_> = entries(plan, removals);
    let replaced: Vec<_> = entries(plan, |_, service| match service.kind {
        ServiceKind::Replace => vec![Hazard::Replaced],
        _ => Vec::new(),
    });
    if refused.is_empty() && conflicts.is_empty() && removals.is_empty() && replaced.is_empty() {
        return;
    }
    let back = if mode.is_drift() { " by an apply" } else { "" };
    page.element("section", &[("class", "hazards")], |page| {
        page.leaf(heading, &[], "Review first");
        refusals(page, &refused);
        list(page, section, plan, &count(conflicts.len(), "conflict"), &conflicts);
        if !conflicts.is_empty() {
            page.leaf("p", &[("class", "note")], CONFLICTS_MEAN);
        }
        list(page, section, plan, &format!("{}{back}", count(removals.len(), "removal")), &removals);
        list(page, section, plan, &format!("{}{back}", count(replaced.len(), "replacement")), &replaced);
    });
}

/// Writes the list of refusals. It is never shortened, because no card shows refusals.
fn refusals(page: &mut Markup, refused: &[&Finding]) {
    if refused.is_empty() {
        return;
    }
    let title = format!("{}: an apply would be refused", count(refused.len(), "refusal"));
    page.leaf("p", &[("class", "set")], &title);
    page.element("ul", &[], |page| {
        for finding in refused {
            page.element("li", &[], |page| {
                page.leaf("b", &[], &clip(finding.service.as_str(), 120));
                page.raw(" ");
                page.text(&finding.message);
            });
        }
    });
}

/// An entry in one of the lists to review first: a conflict, a removal or a replacement.
enum Hazard<'a> {
    Conflict(Option<ChangedValue<'a>>, Cause),
    Removed(&'a Step),
    Replaced,
}

type Entry<'a> = (usize, &'a ServicePlan, Hazard<'a>);

fn entries<'a>(
    plan: &'a Plan,
    found: impl Fn(&'a Plan, &'a ServicePlan) -> Vec<Hazard<'a>>,
) -> Vec<Entry<'a>> {
    let numbered = plan.services.iter().enumerate();
    numbered
        .flat_map(|(number, service)| {
            found(plan, service).into_iter().map(move |hazard| (number, service, hazard))
        })
        .collect()
}

fn conflicts<'a>(plan: &'a Plan, service: &'a ServicePlan) -> Vec<Hazard<'a>> {
    let found = conflicts_of(plan, service).into_iter();
    found.map(|(change, cause)| Hazard::Conflict(change, cause)).collect()
}

/// Returns the steps that take a service or version set out of use. Omits the steps that retire the old services of
/// replacements.
fn removals<'a>(plan: &'a Plan, service: &'a ServicePlan) -> Vec<Hazard<'a>> {
    let steps = plan.steps_of(service).filter(|step| {
        let is_part = service.kind == ServiceKind::Replace && matches!(step.action, Action::Retire { .. });
        !is_part && (step.risk == Risk::Destructive || matches!(step.action, Action::Retire { .. }))
    });
    steps.map(Hazard::Removed).collect()
}

fn list(page: &mut Markup, section: usize, plan: &Plan, title: &str, entries: &[Entry<'_>]) {
    if entries.is_empty() {
        return;
    }
    page.leaf("p", &[("class", "set")], title);
    page.element("ul", &[], |page| {
        for (number, service, hazard) in entries.iter().take(MOST) {
            page.element("li", &[], |page| {
                let link = format!("#{}", anchor(section, *number));
                page.leaf("a", &[("href", &link)], &clip(service.name.as_str(), 120));
                page.raw(" ");
                entry(page, plan, service, hazard);
            });
        }
        if entries.len() > MOST {
            page.leaf("li", &[], &format!("and {} more, marked below", entries.len() - MOST));
        }
    });
}

/// Writes the text of an entry, without the name of its service. The caller has already written the name.
fn entry(page: &mut Markup, plan: &Plan, service: &ServicePlan, hazard: &Hazard<'_>) {
    match hazard {
        Hazard::Conflict(change, cause) => {
            values::cause(page, Mode::Plan, *cause);
            page.raw(" ");
            match change {
                Some(change) => {
                    page.leaf("code", &[], &change.path.to_string());
                    page.raw(" ");
                    values::short(page, change.before, change.after);
                }
                None => page.text(&format!("an apply would {} this service", kind(service.kind))),
            }
            page.raw(" ");
            page.leaf("span", &[("class", "note")], conflict_means(*cause));
        }
        Hazard::Removed(step) => page.text(&removed(step)),
        Hazard::Replaced => {
            if let Some(id) = &service.id {
                page.leaf("code", &[], id.as_str());
            }
            page.raw(" → <b>new id</b>: applications that use the old id need the new id. The old service ");
            let fate = plan.steps_of(service).find_map(|step| match &step.action {
                Action::Retire { how, .. } => Some(steps::retirement_text(*how)),
                _ => None,
            });
            page.text(fate.unwrap_or("stays under another name"));
            page.raw(".");
        }
    }
}

fn conflict_means(cause: Cause) -> &'static str {
    match cause {
        Cause::Behind => {
            "This branch is behind the base branch and would undo a live change; merge the base branch first."
        }
        _ => {
            "The manifest and the live value both changed since the base; an apply would undo the live change."
        }
    }
}

fn removed(step: &Step) -> String {
    match &step.action {
        Action::Retire { how, .. } => steps::retirement_text(*how).to_owned(),
        Action::DeleteVersionSet { name, .. } => {
            format!("loses version set {name}, which is deleted")
        }
        Action::Update { update, .. } if update.active == Some(false) => "is deactivated".to_owned(),
        Action::HandOver { .. } => "goes out of use, because the new service is not active".to_owned(),
        _ => super::super::progress::action_text(step),
    }
}
