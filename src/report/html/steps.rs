//! The steps of a service: in a word each, or explained one by one. May import `plan` and `model`.

use super::super::progress::words;
use super::super::text::count;
use super::markup::Markup;
use crate::model::{Retire, ServiceName};
use crate::plan::{Action, Plan, Risk, ServicePlan, Step, StepId};

/// The most steps that are named as waited for: one that waits for a thousand has its drawing elsewhere.
const MOST_NUMBERS: usize = 12;

/// A service's steps.
pub(super) fn of<'a>(plan: &'a Plan, service: &'a ServicePlan) -> impl Iterator<Item = &'a Step> {
    service.steps.iter().filter_map(|id| plan.step(*id))
}

/// A list of steps under their numbers, each with what it waits for.
pub(super) fn list<'a>(
    page: &mut Markup,
    steps: impl Iterator<Item = &'a Step>,
    said: impl Fn(&Step) -> String,
) {
    page.element("ol", &[("class", "steps")], |page| {
        for step in steps {
            page.element("li", &[("value", &step.id.to_string())], |page| {
                page.text(&said(step));
                if step.risk > Risk::Safe {
                    page.raw(" ");
                    page.leaf("span", &[("class", risk_badge(step.risk))], risk(step.risk));
                }
                if let Some(reason) = &step.reason {
                    page.raw(" ");
                    page.leaf("span", &[("class", "note")], &format!("({reason})"));
                }
                if !step.depends_on.is_empty() {
                    page.raw(" ");
                    page.leaf("span", &[("class", "note")], &format!("after {}", numbers(step)));
                }
            });
        }
    });
}

/// The numbers of the steps that one waits for.
pub(super) fn numbers(step: &Step) -> String {
    let mut words: Vec<String> = step.depends_on.iter().take(MOST_NUMBERS).map(StepId::to_string).collect();
    if step.depends_on.len() > MOST_NUMBERS {
        words.push(format!("and {} more", step.depends_on.len() - MOST_NUMBERS));
    }
    words.join(", ")
}

/// A risk in a word.
pub(super) fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Safe => "safe",
        Risk::Disruptive => "disruptive",
        Risk::Destructive => "destructive",
    }
}

fn risk_badge(risk: Risk) -> &'static str {
    match risk {
        Risk::Safe => "badge safe",
        Risk::Disruptive => "badge disruptive",
        Risk::Destructive => "badge destructive",
    }
}

/// A step with its service.
pub(super) fn named(step: &Step) -> String {
    format!("{}: {}", super::markup::clipped(step.service.as_str(), 120), words(step))
}

/// What a step of a replacement does and what that means, in a sentence.
pub(super) fn explained(step: &Step) -> String {
    match &step.action {
        Action::Create(new) => {
            let sets = match new.version_sets.len() {
                0 => String::new(),
                sets => format!(", with {}", count(sets, "version set")),
            };
            let name = if new.name == step.service { "the same name" } else { "a passing name" };
            format!("The new service is created under {name}, inactive{sets}. Nobody reaches it yet.")
        }
        Action::WriteVersionSet { name, .. } => format!("Version set {name} is written."),
        Action::ApplyBehaviorSet { behavior_set_name, .. } => {
            format!("Behavior set {behavior_set_name} is applied to the new service, too.")
        }
        Action::Smoke { test, .. } => {
            format!("A conversation on {} must go well, or the old service stays.", test.version_set)
        }
        Action::HandOver { rename, activation, .. } => {
            let gives = match rename.as_ref().and_then(|update| update.name.as_ref()) {
                Some(name) => format!("The old service is renamed to “{name}”"),
                None => "The old service has given its name up".to_owned(),
            };
            let takes = if activation.active.is_some() {
                "the new one is activated"
            } else {
                "the new one takes the name"
            };
            format!("{gives}, and {takes} at once. If that fails, the old name is put back.")
        }
        Action::Retire { how, .. } => format!("The old service {}.", retired(*how)),
        Action::SetAside { update, .. } => {
            let name = update.name.as_ref().map_or("", ServiceName::as_str);
            format!("The old service's name is set aside: “{name}” in passing.")
        }
        Action::Update { .. } => "The half-made new service is completed.".to_owned(),
        Action::Discard { .. } => {
            "A leftover of an earlier run is renamed, so that nobody mistakes it.".to_owned()
        }
        Action::DeleteVersionSet { name, .. } => format!("Version set {name} is deleted."),
    }
}

/// What becomes of a retired service.
pub(super) fn retired(how: Retire) -> &'static str {
    match how {
        Retire::Deactivate => "is deactivated: it can be activated again",
        Retire::Keep => "stays active, and is no longer managed here",
        Retire::Delete => "is deleted: this can't be undone",
    }
}
