//! What a reader must not miss, before all else: conflicts, removals, replacements. May import `plan`.

use super::super::text::count;
use super::card::{anchor, kind};
use super::markup::{Markup, clipped};
use super::{steps, values};
use crate::plan::{Action, Cause, Change, Plan, Risk, ServiceKind, ServicePlan, Step};

/// The most entries of one kind; the cards tell of all.
const MOST: usize = 40;

/// Writes the part, if there is anything to say in it.
pub(super) fn hazards(page: &mut Markup, heading: &'static str, section: usize, plan: &Plan) {
    let conflicts: Vec<_> = entries(plan, conflicts);
    let removals: Vec<_> = entries(plan, removals);
    let replaced: Vec<_> = entries(plan, |_, service| match service.kind {
        ServiceKind::Replace => vec![Hazard::Replaced],
        _ => Vec::new(),
    });
    if conflicts.is_empty() && removals.is_empty() && replaced.is_empty() {
        return;
    }
    page.element("section", &[("class", "hazards")], |page| {
        page.leaf(heading, &[], "Look at these first");
        list(page, section, plan, "conflict", &conflicts);
        list(page, section, plan, "removal", &removals);
        list(page, section, plan, "replacement", &replaced);
    });
}

/// One thing to look at.
enum Hazard<'a> {
    Conflict(Option<&'a Change>, Cause),
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
    let conflict = |cause: Option<Cause>| cause.filter(|cause| matches!(cause, Cause::Both | Cause::Behind));
    let mut changes: Vec<&Change> = service.changes.iter().collect();
    for change in steps::of(plan, service).flat_map(|step| &step.changes) {
        if !changes.iter().any(|known| known.path == change.path) {
            changes.push(change);
        }
    }
    let whole = conflict(service.cause).map(|cause| Hazard::Conflict(None, cause));
    let parts = changes
        .into_iter()
        .filter_map(|change| Some(Hazard::Conflict(Some(change), conflict(change.cause)?)));
    whole.into_iter().chain(parts).collect()
}

/// Steps after which something is out of use, but for the old services of replacements.
fn removals<'a>(plan: &'a Plan, service: &'a ServicePlan) -> Vec<Hazard<'a>> {
    let steps = steps::of(plan, service).filter(|step| {
        let is_part = service.kind == ServiceKind::Replace && matches!(step.action, Action::Retire { .. });
        !is_part && (step.risk == Risk::Destructive || matches!(step.action, Action::Retire { .. }))
    });
    steps.map(Hazard::Removed).collect()
}

fn list(page: &mut Markup, section: usize, plan: &Plan, noun: &'static str, entries: &[Entry<'_>]) {
    if entries.is_empty() {
        return;
    }
    page.leaf("p", &[("class", "set")], &count(entries.len(), noun));
    page.element("ul", &[], |page| {
        for (number, service, hazard) in entries.iter().take(MOST) {
            page.element("li", &[], |page| {
                let link = format!("#{}", anchor(section, *number));
                page.leaf("a", &[("href", &link)], &clipped(service.name.as_str(), 120));
                page.raw(" ");
                said(page, plan, service, hazard);
            });
        }
        if entries.len() > MOST {
            page.leaf("li", &[], &format!("and {} more, marked below", entries.len() - MOST));
        }
    });
}

fn said(page: &mut Markup, plan: &Plan, service: &ServicePlan, hazard: &Hazard<'_>) {
    match hazard {
        Hazard::Conflict(change, cause) => {
            values::cause(page, *cause);
            page.raw(" ");
            match change {
                Some(change) => {
                    page.leaf("code", &[], &change.path);
                    page.raw(" ");
                    values::short(page, &change.before, &change.after);
                }
                None => page.text(&format!("to {}", kind(service.kind).0)),
            }
            page.raw(" ");
            page.leaf("span", &[("class", "note")], conflict_means(*cause));
        }
        Hazard::Removed(step) => page.text(&removed(step)),
        Hazard::Replaced => {
            if let Some(id) = &service.id {
                page.leaf("code", &[], id.as_str());
            }
            page.raw(" → <b>new id</b>: whoever holds the old id must learn the new one. The old service ");
            let fate = steps::of(plan, service).find_map(|step| match &step.action {
                Action::Retire { how, .. } => Some(steps::retired(*how)),
                _ => None,
            });
            page.text(fate.unwrap_or("is left under another name"));
            page.raw(".");
        }
    }
}

fn conflict_means(cause: Cause) -> &'static str {
    match cause {
        Cause::Behind => "This branch is behind: bring it up to date, or it undoes what is live.",
        _ => "Both sides have changed it since the base. Applying undoes the live change.",
    }
}

fn removed(step: &Step) -> String {
    match &step.action {
        Action::Retire { how, .. } => steps::retired(*how).to_owned(),
        Action::DeleteVersionSet { name, .. } => {
            format!("loses version set {name}: it is deleted")
        }
        Action::Update { update, .. } if update.active == Some(false) => "is deactivated".to_owned(),
        Action::HandOver { .. } => "goes out of use: the new service is not active".to_owned(),
        _ => super::super::progress::words(step),
    }
}
