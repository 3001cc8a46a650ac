//! Makes one change in a YAML text with the library `yaml-edit`.
//!
//! Handles three layouts that `yaml-edit` does not handle. In a flow mapping (`{a: 1}`) that spans several lines, a new
//! member gets its own line. A new mapping next to flow mappings becomes a flow mapping. The blank lines after a
//! replaced block scalar (`|` or `>`) stay.

use std::str::FromStr;

use serde_json::Value as Json;
use yaml_edit::{Document, Mapping, YamlFile, YamlNode};

use super::change::{Change, Refusal};
use super::target::{Target, entry, locate, whole_value};
use super::tree::{self, Node, Style, Value, parse_single};
use super::value::{self, Texts};
use super::{check, lines};

/// Makes one change in a text that contains one YAML document. `root` is the tree of the text. Returns the new text and
/// its tree. Returns a refusal if the change can't be made without changing anything else.
pub(super) fn apply(text: &str, root: Node, change: &Change) -> Result<(String, Node), Refusal> {
    let target = locate(&root, change)?;
    let done = match (change, target.found) {
        (Change::Remove { .. }, None) => true,
        (Change::Set { path, value }, Some(at)) if target.depth == path.len() => {
            entry(target.holder, at).is_some_and(|(_, node)| value::is_value(node, value))
        }
        _ => false,
    };
    if done {
        return Ok((text.to_owned(), root));
    }
    let at =
        target.found.and_then(|at| entry(target.holder, at)).map_or(target.holder.start, |(k, _)| k.start);
    let refusal = |reason: &str| Refusal::new(at, reason);
    let plain = lines::to_unix(text);
    let plain_root =
        parse_single(&plain).map_err(|_| refusal("the document mixes line breaks in an unexpected way"))?;
    let target = locate(&plain_root, change)?;
    let mut reason = "the edit would also change other parts of the file";
    for texts in [Texts::Natural, Texts::Quoted] {
        let Some(edited) = attempt(&plain, &target, change, texts) else {
            reason = "amigops can't edit this file in place";
            continue;
        };
        let Ok(edited_root) = parse_single(&edited) else { continue };
        if !check::is_intended(&plain_root, &edited_root, &target, change)
            || !check::keeps_bytes(&plain, &edited, &target, change)
        {
            continue;
        }
        let restored = lines::restore_line_breaks(text, &edited);
        if let Ok(root) = parse_single(&restored)
            && root == edited_root
        {
            return Ok((restored, root));
        }
    }
    Err(refusal(reason))
}

/// Makes the change, and writes new strings in the style `texts`. Returns the new text. Returns `None` if `yaml-edit`
/// can't make the change, because it parses the text differently from the manifest loader.
fn attempt(text: &str, target: &Target<'_>, change: &Change, texts: Texts) -> Option<String> {
    let key = change.path().get(target.depth.checked_sub(1)?)?;
    let value = whole_value(change, target.depth);
    if matches!(change, Change::Set { .. })
        && target.found.is_none()
        && let Some(edited) = add_on_own_line(text, target.holder, key, &value, texts)
    {
        return Some(edited);
    }
    let file = YamlFile::from_str(text).ok()?;
    let mut map = file.documents().next()?.as_mapping()?;
    for step in &target.steps {
        map = match map.entries().nth(*step)?.value_node()? {
            YamlNode::Mapping(below) => below,
            _ => return None,
        };
    }
    let known = match target.found {
        // Find keys such as `1` by their node, because as strings they would be different keys.
        Some(at) => Some(map.entries().nth(at)?.key_node()?),
        None => None,
    };
    match (change, known) {
        (Change::Remove { .. }, known) => drop(map.remove(known?)?),
        (Change::Set { .. }, Some(known)) => map.set(known, value::yaml(&value, texts)),
        (Change::Set { .. }, None) if wants_flow(target.holder) && value::is_flat(&value) => {
            map.set(key.as_str(), flow_mapping(&value, texts)?);
        }
        (Change::Set { .. }, None) => map.set(key.as_str(), value::yaml(&value, texts)),
    }
    let edited = file.to_string();
    match target.found.and_then(|at| entry(target.holder, at)) {
        Some((_, old)) => Some(restore_blank_lines(text, old, edited)),
        None => Some(edited),
    }
}

/// Returns true if the values in `holder` include mappings, and these are all non-empty and in flow style (`{a: 1}`). A
/// new mapping next to them should have the same style.
fn wants_flow(holder: &Node) -> bool {
    let Value::Map(map) = &holder.value else { return false };
    let mut siblings = map.entries.iter().filter_map(|(_, value)| match &value.value {
        Value::Map(map) => Some(map.flow && !map.entries.is_empty()),
        _ => None,
    });
    siblings.next() == Some(true) && siblings.all(|flow| flow)
}

/// Creates a mapping in flow style, such as `{a: 1, b: 2}`. Returns `None` if the value is not an object.
fn flow_mapping(value: &Json, texts: Texts) -> Option<Mapping> {
    let Json::Object(members) = value else { return None };
    let map = Document::from_str("{}").ok()?.as_mapping()?;
    for (key, member) in members {
        map.set(key.as_str(), value::yaml(member, texts));
    }
    Some(map)
}

/// Adds a member to a flow mapping (`{a: 1}`) whose closing brace is on its own line. `yaml-edit` would put the member
/// directly before the brace, without indentation. Returns the new text, or `None` if `holder` is not such a mapping.
fn add_on_own_line(text: &str, holder: &Node, key: &str, value: &Json, texts: Texts) -> Option<String> {
    let Value::Map(map) = &holder.value else { return None };
    let (last_key, last) = map.entries.last().filter(|_| map.flow)?;
    let end = last.end.max(last_key.end);
    let close = holder.end.checked_sub(1)?;
    let after = text.get(end..close)?;
    let line = tree::line_start(text, close);
    if line <= end || !text.get(line..close)?.trim().is_empty() {
        return None;
    }
    let comma = after.trim_start().starts_with(',');
    let written = flow_mapping(&serde_json::json!({ key: value }), texts)?.to_string();
    let member = written.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let first = tree::line_start(text, last_key.start);
    let blanks = text.get(first..)?.len() - text.get(first..)?.trim_start_matches(' ').len();
    // If the last member is on the line of the opening brace, indent the new line two spaces more than that line.
    let indent = if first + blanks < holder.start { blanks + 2 } else { blanks };
    let (comma_before, comma_after) = if comma { ("", ",") } else { (",", "") };
    Some(format!(
        "{}{comma_before}{}{}{member}{comma_after}\n{}",
        text.get(..end)?,
        text.get(end..line)?,
        " ".repeat(indent),
        text.get(line..)?
    ))
}

/// Returns the edited text with the blank lines that followed the replaced value `old`, if that value is a block scalar
/// (`|` or `>`). `yaml-edit` removes these lines as if they were part of the scalar.
fn restore_blank_lines(before: &str, old: &Node, edited: String) -> String {
    if !matches!(old.value, Value::Scalar { style: Style::Block, .. }) {
        return edited;
    }
    let Some(rest) = before.get(old.end..) else { return edited };
    if edited.ends_with(rest) {
        return edited;
    }
    let content = rest.trim_start_matches('\n');
    match edited.strip_suffix(content) {
        Some(head) => format!("{}{rest}", head.trim_end_matches('\n')),
        None => edited,
    }
}
