//! Renders the content of a new service for a terminal, in a few lines.

use std::collections::BTreeMap;

use serde_json::Value;

use super::short_value::short_value;
use super::text::{CHANGED, clipped, padded, styled, visible};
use super::values::{field, new_settings, tag_text};
use super::version_sets::short_pins;
use crate::model::Ownership;
use crate::plan::{Field, ServiceChanges};

/// The maximum length of a description or a list item, in columns. Longer descriptions and items are clipped.
const LONGEST: usize = 80;

/// Writes the content of a new service to `out`.
pub(super) fn render(out: &mut String, content: &ServiceChanges) {
    let value = |field: &Field| content.field(field).map(|change| &change.after);
    let text = |field: &Field| value(field).and_then(Value::as_str);
    if let (Some(agent), Some(graph)) = (text(&Field::Agent), text(&Field::ContextGraph)) {
        let agent = padded(&visible(agent), 20);
        field(out, "agent", &format!("{agent} context_graph  {}", visible(graph)));
    }
    if let Some(active) = value(&Field::Active) {
        field(out, "active", &styled(CHANGED, &active.to_string()));
    }
    let mut lines =
        text(&Field::Description).into_iter().flat_map(str::lines).filter(|line| !line.trim().is_empty());
    if let Some(first) = lines.next() {
        let first = clipped(first.trim(), LONGEST);
        let more = if lines.next().is_some() && !first.ends_with('…') { " …" } else { "" };
        field(out, "description", &format!("{}{more}", visible(&first)));
    }
    list(out, "tags", tags(content));
    let keyterms = value(&Field::Keyterms).and_then(Value::as_array).into_iter().flatten();
    list(out, "keyterms", keyterms.filter_map(Value::as_str).map(str::to_owned));
    let sets: Vec<String> = content
        .version_sets
        .iter()
        .map(|set| format!("{} {}", visible(set.name.as_str()), short_pins(set)))
        .collect();
    if !sets.is_empty() {
        field(out, "version sets", &sets.join(" · "));
    }
    new_settings(out, &settings(content));
}

/// Returns each tag as a string. Omits the ownership tag, because every new service gets it.
fn tags(content: &ServiceChanges) -> impl Iterator<Item = String> {
    let usual = Ownership::default();
    content.fields.iter().filter_map(move |change| match &change.field {
        Field::Tag(key) if !usual.is_own_tag(key) => Some(tag_text(key, &change.after)),
        _ => None,
    })
}

/// Returns the values of the new service's settings, by the name of the setting.
fn settings(content: &ServiceChanges) -> BTreeMap<&str, &Value> {
    content
        .fields
        .iter()
        .filter_map(|change| match &change.field {
            Field::Setting(names) => Some((names.first()?.as_str(), &change.after)),
            _ => None,
        })
        .collect()
}

fn list(out: &mut String, name: &str, items: impl Iterator<Item = String>) {
    let items: Vec<Value> = items.map(|item| Value::from(clipped(&item, LONGEST))).collect();
    if !items.is_empty() {
        field(out, name, &short_value(&Value::from(items)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::width;
    use super::*;
    use crate::model::{Api, DesiredService};
    use crate::plan::created_content;
    use crate::plan::tests::build::*;

    fn shown(change: impl FnOnce(&mut DesiredService)) -> String {
        let mut new = wanted("New", "A3");
        new.version_sets = sets(&[("release", 2, 5)]);
        change(&mut new);
        let plan = plan_and_verify(&desired([new]), &snapshot([]), &options());
        let mut out = String::new();
        render(&mut out, &created_content(&plan, &plan.services[0], Api::Classic));
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
