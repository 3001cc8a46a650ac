//! Lists of steps, in which each step is described by a few words or by a sentence.

use super::super::progress::action_text;
use super::super::text::count;
use super::markup::Markup;
use crate::model::{Retire, ServiceName};
use crate::plan::{Action, Risk, Step, StepId};

/// The maximum number of preceding steps that the description of a step names. The graph shows all of them.
const MAX_NUMBERS: usize = 12;

/// Writes a list of numbered steps. Each entry names the steps that must end before this step starts.
pub(super) fn list<'a>(
    page: &mut Markup,
    steps: impl Iterator<Item = &'a Step>,
    text_of: impl Fn(&Step) -> String,
) {
    page.element("ol", &[("class", "steps")], |page| {
        for step in steps {
            page.element("li", &[("value", &step.id.to_string())], |page| {
                page.text(&text_of(step));
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

/// Returns the numbers of the steps that must end before `step` starts, such as `1, 2`.
pub(super) fn numbers(step: &Step) -> String {
    let mut words: Vec<String> = step.depends_on.iter().take(MAX_NUMBERS).map(StepId::to_string).collect();
    if step.depends_on.len() > MAX_NUMBERS {
        words.push(format!("and {} more", step.depends_on.len() - MAX_NUMBERS));
    }
    words.join(", ")
}

/// Returns the name of a risk, such as `destructive`.
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

/// Returns the name of a step's service and the step's action.
pub(super) fn named(step: &Step) -> String {
    format!("{}: {}", super::markup::clip(step.service.as_str(), 120), action_text(step))
}

/// Returns a sentence that explains a step of a replacement to a reader of the page.
pub(super) fn explained(step: &Step) -> String {
    match &step.action {
        Action::Create(new) => {
            let sets = match new.version_sets.len() {
                0 => String::new(),
                sets => format!(", with {}", count(sets, "version set")),
            };
            let name = if new.name == step.service { "the same name" } else { "a temporary name" };
            format!("The new service is created under {name}, inactive{sets}. Users can't reach it yet.")
        }
        Action::WriteVersionSet { name, .. } => format!("Version set {name} is written."),
        Action::ApplyBehaviorSet { behavior_set_name, .. } => {
            format!("Behavior set {behavior_set_name} is applied to the new service, too.")
        }
        Action::Smoke { test, .. } => {
            format!(
                "A test conversation with version set {} must succeed; otherwise the old service stays.",
                test.version_set
            )
        }
        Action::HandOver { rename, activation, .. } => {
            let rename = match rename.as_ref().and_then(|update| update.name.as_ref()) {
                Some(name) => format!("The old service is renamed to “{name}”"),
                None => "The old service has already been renamed".to_owned(),
            };
            let activation = if activation.active.is_some() {
                "the new one is activated"
            } else {
                "the new one takes the name"
            };
            format!("{rename}, and {activation} immediately after. If that fails, the rename is undone.")
        }
        Action::Retire { how, .. } => format!("The old service {}.", retirement_text(*how)),
        Action::RenameTemporarily { update, .. } => {
            let name = update.name.as_ref().map_or("", ServiceName::as_str);
            format!("The old service gets the temporary name “{name}”.")
        }
        Action::Update { .. } => "The unfinished new service is completed.".to_owned(),
        Action::Abandon { .. } => {
            "The unfinished new service of an earlier run is renamed to mark it as abandoned.".to_owned()
        }
        Action::DeleteVersionSet { name, .. } => format!("Version set {name} is deleted."),
    }
}

/// Returns a phrase that describes how a service is retired.
pub(super) fn retirement_text(how: Retire) -> &'static str {
    match how {
        Retire::Deactivate => "is deactivated and can be activated again",
        Retire::Keep => "stays active and is no longer managed here",
        Retire::Delete => "is deleted; this can't be undone",
    }
}
