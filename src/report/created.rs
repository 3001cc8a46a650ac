//! Renders a new service for a terminal, in a few lines.

use serde_json::Value;

use super::human::{pins, steps};
use super::text::{CHANGED, padded, styled, visible, width};
use super::values::{field, new_settings, short_value};
use crate::model::{Api, NewService, Ownership};
use crate::plan::{Action, Plan, ServicePlan};

/// The maximum length of a description or an item of a list, in characters.
const LONGEST: usize = 80;

/// Writes its agent and context graph.
pub(super) fn joins(out: &mut String, shown: &ServicePlan) {
    if let Some((agent, graph)) = &shown.joins {
        let agent = padded(&visible(agent), 20);
        field(out, "agent", &format!("{agent} context_graph  {}", visible(graph)));
    }
}

/// Writes its other fields.
pub(super) fn of(out: &mut String, plan: &Plan, shown: &ServicePlan, api: Api) {
    let new = steps(plan, shown).find_map(|step| match &step.action {
        Action::Create(new) => Some(new),
        _ => None,
    });
    if let Some(new) = new {
        own_fields(out, new);
    }
    version_sets(out, plan, shown, api);
    if let Some(new) = new {
        new_settings(out, &new.settings);
    }
}

fn own_fields(out: &mut String, new: &NewService) {
    if !new.active {
        field(out, "active", &styled(CHANGED, "false"));
    }
    let mut lines = new.description.lines().filter(|line| !line.trim().is_empty());
    if let Some(first) = lines.next() {
        let first = clip(first.trim());
        let more = if lines.next().is_some() && !first.ends_with('…') { " …" } else { "" };
        field(out, "description", &format!("{}{more}", visible(&first)));
    }
    // Every new service gets the ownership tag, so it is not shown.
    let usual = Ownership::default();
    let tags = new.tags.iter().filter(|(name, _)| !usual.is_own_tag(name)).map(|(name, value)| match value {
        Some(value) => format!("{name}: {value}"),
        None => name.clone(),
    });
    list(out, "tags", tags);
    list(out, "keyterms", new.keyterms.iter().cloned());
}

fn list(out: &mut String, name: &str, items: impl Iterator<Item = String>) {
    let items: Vec<Value> = items.map(|item| Value::from(clip(&item))).collect();
    if !items.is_empty() {
        field(out, name, &short_value(&Value::from(items)));
    }
}

/// Returns a text, clipped if it is long.
fn clip(text: &str) -> String {
    if width(text) <= LONGEST {
        return text.to_owned();
    }
    let head: String = text.chars().take(LONGEST - 1).collect();
    format!("{}…", head.trim_end())
}

fn version_sets(out: &mut String, plan: &Plan, shown: &ServicePlan, api: Api) {
    let mut sets: Vec<String> = Vec::new();
    for step in steps(plan, shown) {
        match &step.action {
            Action::Create(new) if new.version_sets.is_empty() && api.makes_version_sets() => {
                sets.push("release (the latest)".to_owned());
            }
            Action::Create(new) => {
                let inline = new.version_sets.iter();
                sets.extend(inline.map(|(name, set)| format!("{} {}", visible(name.as_str()), pins(set))));
            }
            Action::WriteVersionSet { name, content, .. } => {
                sets.push(format!("{} {}", visible(name.as_str()), pins(content)));
            }
            _ => {}
        }
    }
    if !sets.is_empty() {
        field(out, "version sets", &sets.join(" · "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DesiredService;
    use crate::plan::tests::build::*;

    fn shown(change: impl FnOnce(&mut DesiredService)) -> String {
        let mut new = wanted("New", "A3");
        new.version_sets = sets(&[("release", 2, 5)]);
        change(&mut new);
        let plan = plan_and_verify(&desired([new]), &snapshot([]), &options());
        let mut out = String::new();
        joins(&mut out, &plan.services[0]);
        of(&mut out, &plan, &plan.services[0], Api::Classic);
        anstream::adapter::strip_str(&out).to_string()
    }

    #[test]
    fn each_field_of_a_new_service_has_one_line() {
        let text = shown(|new| {
            new.active = Some(false);
            new.description = Some(format!("\n{}\nMore.", "Answers the main number. ".repeat(9)));
            new.tags = Some([("tier".to_owned(), Some("gold".to_owned())), ("vip".to_owned(), None)].into());
            new.keyterms = Some((0..20).map(|number| format!("term {number:02}")).collect());
        });
        insta::assert_snapshot!(text, @r"
              agent                    A3                   context_graph  G1
              active                   false
              description              Answers the main number. Answers the main number. Answers the main number. Answ…
              tags                     tier: gold, vip
              keyterms                 term 00, term 01, term 02, term 03, term 04, term 05, term 06, term 07, and 12 more
              version sets             release (agent 2, graph 5)
        ");
    }

    #[test]
    fn fields_without_a_value_are_not_shown() {
        let text = shown(|new| new.description = Some("One line.\n\nAnd another.".to_owned()));
        insta::assert_snapshot!(text, @r"
              agent                    A3                   context_graph  G1
              description              One line. …
              version sets             release (agent 2, graph 5)
        ");
    }

    #[test]
    fn long_texts_are_clipped() {
        let text = shown(|new| new.keyterms = Some(["x".repeat(5_000)].into_iter().collect()));
        assert!(text.lines().all(|line| width(line) < 120), "{text}");
    }
}
