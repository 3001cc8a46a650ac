//! Renders values and changed values as lines for a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};

use super::causes;
use super::short_value::{join_items, short_value};
use super::shown::ShownChange;
use super::text::{BAD, DIM, GOOD, padded, styled, visible, width};
use crate::model::settings::SERVICE;

/// The column in which values start, counted from the column in which the names of fields start.
pub(super) const VALUE_COLUMN: usize = 24;
/// The column of a line in which the names of a service's fields start.
pub(super) const FIELDS: usize = 6;
/// The maximum length of text or a list that is shown in one line, in columns. Longer text and longer lists are shown
/// as a diff.
const LONG_TEXT: usize = 48;
/// The number of equal lines shown around a changed line.
const CONTEXT: usize = 2;
/// The maximum number of line comparisons. If two texts need more, all their lines count as changed.
const MOST_COMPARED: usize = 1_000_000;
/// The maximum length of a line that shows several values, in columns.
const LINE: usize = 100;
/// The maximum number of lines for one block of settings, such as `voice_config`, of a new service.
const MAX_LINES: usize = 3;

/// Writes a line with the name and the value of a field.
pub(super) fn field(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "{}{} {value}", " ".repeat(FIELDS), padded(name, VALUE_COLUMN));
}

/// Writes changed values with their paths and notes. Consecutive values of the same block, such as `voice_config`, are
/// grouped under its name.
pub(super) fn changes<'a>(out: &mut String, indent: usize, changes: impl Iterator<Item = ShownChange<'a>>) {
    let leaves: Vec<ShownChange<'_>> = changes.flat_map(ShownChange::leaves).collect();
    for group in leaves.chunk_by(|one, next| one.block() == next.block()) {
        let (indent, cut) = match group.first().and_then(ShownChange::block) {
            Some(name) => {
                let _ = writeln!(out, "{}{}", " ".repeat(indent), visible(name));
                (indent + 2, name.len() + 1)
            }
            None => (indent, 0),
        };
        let paths: Vec<String> =
            group.iter().map(|leaf| visible(leaf.path.get(cut..).unwrap_or(&leaf.path))).collect();
        let longest = paths.iter().map(|path| width(path)).max().unwrap_or_default();
        let usual = (FIELDS + VALUE_COLUMN).saturating_sub(indent);
        let columns = if longest > usual { longest + 1 } else { usual };
        for (path, leaf) in paths.iter().zip(group) {
            line(out, indent, &padded(path, columns), leaf);
        }
    }
}

fn line(out: &mut String, indent: usize, path: &str, leaf: &ShownChange<'_>) {
    let blank = " ".repeat(indent);
    let (before, after, note) = (leaf.before(), leaf.after(), leaf.note);
    let note = if note.is_empty() { String::new() } else { format!("   {}", causes::colored(note)) };
    if let (Value::String(before), Value::String(after)) = (before, after)
        && (is_long(before) || is_long(after))
    {
        let _ = writeln!(out, "{blank}{}{note}", path.trim_end());
        text_diff(out, &format!("{blank}  "), before, after);
        return;
    }
    let value = match (before, after) {
        (Value::Array(before), Value::Array(after)) => list_diff(before, after),
        _ => None,
    };
    let value = value.unwrap_or_else(|| {
        format!("{} → {}", styled(BAD, &short_value(before)), styled(GOOD, &short_value(after)))
    });
    let _ = writeln!(out, "{blank}{path} {value}{note}");
}

pub(super) fn is_long(text: &str) -> bool {
    width(text) > LONG_TEXT || text.contains('\n')
}

/// Returns the removed and the added items of a long list. Returns `None` if the list is short, or if no item was
/// removed or added.
fn list_diff(before: &[Value], after: &[Value]) -> Option<String> {
    let short = |list: &[Value]| list.is_empty() || !is_long(&join_items(list, ", "));
    let without = |list: &[Value], other: &[Value]| -> Vec<Value> {
        list.iter().filter(|item| !other.contains(item)).cloned().collect()
    };
    let (gone, new) = (without(before, after), without(after, before));
    if (short(before) && short(after)) || (gone.is_empty() && new.is_empty()) {
        return None;
    }
    let shown = |style, mark: &str, list: &[Value]| {
        (!list.is_empty()).then(|| styled(style, &format!("{mark} {}", join_items(list, ", "))))
    };
    Some(
        [shown(BAD, "-", &gone), shown(GOOD, "+", &new)].into_iter().flatten().collect::<Vec<_>>().join("  "),
    )
}

/// Returns the changed lines of a text in groups. Each group has a few equal lines before and after the changed ones.
pub(super) fn line_changes(before: &str, after: &str) -> Vec<Vec<(ChangeTag, String)>> {
    // Finding the smallest diff of texts with thousands of lines would take too long.
    if before.lines().count().saturating_mul(after.lines().count()) > MOST_COMPARED {
        let whole = |text: &str, tag| text.lines().map(|line| (tag, line.to_owned())).collect::<Vec<_>>();
        return vec![[whole(before, ChangeTag::Delete), whole(after, ChangeTag::Insert)].concat()];
    }
    let diff = TextDiff::from_lines(before, after);
    let line = |change: similar::Change<&str>| {
        (change.tag(), change.value().trim_end_matches(['\n', '\r']).to_owned())
    };
    let lines =
        |group: &Vec<similar::DiffOp>| group.iter().flat_map(|op| diff.iter_changes(op)).map(line).collect();
    diff.grouped_ops(CONTEXT).iter().map(lines).collect()
}

/// Writes the changed lines of a long text, with a few equal lines before and after them.
fn text_diff(out: &mut String, blank: &str, before: &str, after: &str) {
    for (number, group) in line_changes(before, after).into_iter().enumerate() {
        if number > 0 {
            let _ = writeln!(out, "{blank}{}", styled(DIM, "⋯"));
        }
        for (tag, line) in group {
            let line = visible(&line);
            let line = match tag {
                ChangeTag::Delete => styled(BAD, format!("- {line}").trim_end()),
                ChangeTag::Insert => styled(GOOD, format!("+ {line}").trim_end()),
                ChangeTag::Equal => format!("{} {line}", styled(DIM, "│")),
            };
            let _ = writeln!(out, "{blank}{}", line.trim_end());
        }
    }
}

/// Returns a tag as text: the key, and the value if there is one.
pub(super) fn tag_text(key: &str, value: &Value) -> String {
    match value.as_str() {
        None | Some("") => key.to_owned(),
        Some(value) => format!("{key}: {value}"),
    }
}

/// Writes the settings of a new service, in the order in which the manual lists them. A setting that consists of
/// several values is written in a few lines.
pub(super) fn new_settings(out: &mut String, values: &BTreeMap<&str, &Value>) {
    for known in SERVICE {
        match values.get(known.name) {
            None => {}
            Some(Value::Object(members)) => {
                let mut parts = Vec::new();
                describe(&mut parts, "", members);
                // Call forwarding comes first, because values at the end may be hidden, but call forwarding must always
                // be visible.
                parts.sort_by_key(|part| !part.starts_with("forward"));
                block_lines(out, known.name, &parts);
            }
            Some(value) => field(out, known.name, &short_value(value)),
        }
    }
}

/// For each value in `members`, adds a string with the value's path and the value to `parts`. `before` is the path of
/// `members`, with a final dot. For a value named `type`, the string has the path of the object that contains it.
pub(super) fn describe(parts: &mut Vec<String>, before: &str, members: &Map<String, Value>) {
    for (name, value) in members {
        match value {
            Value::Object(inner) if !inner.is_empty() => describe(parts, &format!("{before}{name}."), inner),
            _ => {
                let path = match name.as_str() {
                    "type" if !before.is_empty() => before.trim_end_matches('.').to_owned(),
                    _ => format!("{before}{name}"),
                };
                parts.push(format!("{} {}", visible(&path), short_value(value)));
            }
        }
    }
}

/// Writes the values in `parts` beside a name. Each line has as many values as fit. If there are too many lines, a
/// final line counts the values that are not shown.
fn block_lines(out: &mut String, name: &str, parts: &[String]) {
    let room = LINE - FIELDS - VALUE_COLUMN;
    let mut lines: Vec<(String, usize)> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some((line, count)) if width(line) + 3 + width(part) <= room => {
                let _ = write!(line, " · {part}");
                *count += 1;
            }
            _ => lines.push((part.clone(), 1)),
        }
    }
    let hidden: usize = lines.iter().skip(MAX_LINES).map(|(_, count)| count).sum();
    for (number, (line, _)) in lines.iter().take(MAX_LINES).enumerate() {
        field(out, if number == 0 { name } else { "" }, line);
    }
    if hidden > 0 {
        field(out, "", &styled(DIM, &format!("and {hidden} more")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::{Field, FieldChange, VersionSetField};

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn shown(list: Vec<(Field, Value, Value)>) -> String {
        let list: Vec<FieldChange> =
            list.into_iter().map(|(field, before, after)| FieldChange::new(field, before, after)).collect();
        let mut out = String::new();
        changes(&mut out, 6, list.iter().map(|change| ShownChange::of_field(change, "")));
        plain(&out)
    }

    fn setting(names: &[&str]) -> Field {
        Field::Setting(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn changes_in_a_block_are_grouped_under_its_name() {
        let voice = setting(&["voice_config", "language_providers", "ht", "config", "voice"]);
        let text = shown(vec![
            (setting(&["tool_capacity"]), json!(3), json!(5)),
            (setting(&["voice_config", "eot_timeout_ms"]), json!(1800), json!(2000)),
            (voice, Value::Null, json!("marie")),
            (setting(&["escalation_policy", "risk_scorer", "type"]), json!("operator"), json!("hangup")),
        ]);
        assert_eq!(
            text,
            "      tool_capacity            3 → 5\n\
             \x20     voice_config\n\
             \x20       eot_timeout_ms                      1800 → 2000\n\
             \x20       language_providers.ht.config.voice  none → marie\n\
             \x20     escalation_policy\n\
             \x20       risk_scorer.type       operator → hangup\n"
        );
    }

    #[test]
    fn objects_show_only_differing_members() {
        let preference = |temperature: f64| json!({"llm_name": "m", "params": {"max_tokens": 9}, "experience_controls": {"temperature": temperature}});
        let shown = |before: Value| {
            let field = VersionSetField::Preference(vec!["Engage".to_owned()]);
            let change = FieldChange::new(field, before, preference(0.2));
            let mut out = String::new();
            changes(&mut out, 8, std::iter::once(ShownChange::of_set_field(&change, "")));
            plain(&out)
        };
        assert_eq!(
            shown(preference(0.3)),
            "        llm_model_preferences.Engage\n          experience_controls.temperature  0.3 → 0.2\n"
        );
        let text = shown(Value::Null);
        assert!(text.contains("llm_name") && text.contains("none → m\n"), "{text}");
    }

    #[test]
    fn long_lists_show_added_and_removed_items() {
        let words = |list: &[&str]| json!(list);
        let long = ["prior authorization", "shortness of breath", "anaphylaxis", "metformin"];
        let mut changed = long.to_vec();
        changed[3] = "insulin";
        let text = shown(vec![(Field::Keyterms, words(&long), words(&changed))]);
        assert_eq!(text, "      keyterms                 - metformin  + insulin\n");
        let text = shown(vec![(Field::Keyterms, words(&["a"]), words(&["a", "b"]))]);
        assert_eq!(text, "      keyterms                 a → a, b\n");
        let mut turned = long.to_vec();
        turned.reverse();
        let text = shown(vec![(Field::Keyterms, words(&long), words(&turned))]);
        assert!(text.contains("metformin → metformin"), "{text}");
        let many: Vec<String> = (0..500).map(|number| number.to_string()).collect();
        let text = shown(vec![(Field::Keyterms, json!([]), json!(many))]);
        assert!(text.ends_with("none → 0, 1, 2, 3, 4, 5, 6, 7, and 492 more\n"), "{text}");
    }

    #[test]
    fn new_blocks_take_a_few_lines() {
        let mut out = String::new();
        let mut many: Map<String, Value> = (0..40).map(|n| (format!("a_setting_{n:02}"), json!(n))).collect();
        many.insert("forwarding".to_owned(), json!({"forward_to": "+12025550100"}));
        let settings = json!({
            "voice_config": many, "channel_type": "voice",
            "escalation_policy": {"risk_scorer": {"type": "forward"}, "conversation_monitor": {"type": "hangup"}},
        });
        let settings = settings.as_object().unwrap();
        new_settings(&mut out, &settings.iter().map(|(name, value)| (name.as_str(), value)).collect());
        let text = plain(&out);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "      channel_type             voice");
        assert!(
            lines[1].starts_with("      voice_config             forwarding.forward_to +12025550100 · "),
            "{text}"
        );
        assert!(lines[4].trim_start().starts_with("and ") && lines[4].ends_with(" more"), "{text}");
        assert!(lines.iter().all(|line| width(line) <= LINE + 1), "{text}");
        assert!(lines[5].contains("risk_scorer forward") && lines[5].contains(" · "), "{text}");
    }

    #[test]
    fn long_texts_have_their_note_beside_their_name() {
        let long = "Helps returning members with questions on their plan.";
        let change = FieldChange::new(Field::Description, json!(long), json!("Short"));
        let mut out = String::new();
        changes(&mut out, 6, std::iter::once(ShownChange::of_field(&change, "a note")));
        let text = plain(&out);
        assert!(text.starts_with("      description   a note\n        - Helps"), "{text}");
    }

    #[test]
    fn no_line_ends_in_blanks() {
        let text = shown(vec![(Field::Description, json!("One."), json!("One and more.\n\nThree."))]);
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }
}
