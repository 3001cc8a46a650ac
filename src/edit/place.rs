//! Where a change belongs, and the change itself by `yaml-edit`.
//!
//! What is done around the editor: a new member of a flow mapping of several lines gets a line of its own,
//! a new mapping among flow mappings is one, and blank lines after a replaced block text stay.

use std::str::FromStr;

use serde_json::Value as Json;
use yaml_edit::{Document, Mapping, YamlFile, YamlNode};

use super::tree::{self, Node, Style, Value};
use super::value::{self, Texts};
use super::{Change, Refusal, check, lines, one};

/// Where a change belongs.
pub(super) struct Target<'a> {
    /// Which entries lead from the root to the mapping that holds the key.
    pub(super) steps: Vec<usize>,
    /// That mapping.
    pub(super) holder: &'a Node,
    /// The key's entry in it.
    pub(super) found: Option<usize>,
    /// How many keys of the path lead up to this one, itself included.
    pub(super) depth: usize,
}

/// Makes one change of a text that holds one document, and gives the text and its tree.
pub(super) fn make(text: &str, root: Node, change: &Change) -> Result<(String, Node), Refusal> {
    let target = locate(&root, change)?;
    let done = match (change, target.found) {
        (Change::Remove { .. }, None) => true,
        (Change::Set { path, value }, Some(at)) if target.depth == path.len() => {
            entry(target.holder, at).is_some_and(|(_, node)| value::is(node, value))
        }
        _ => false,
    };
    if done {
        return Ok((text.to_owned(), root));
    }
    let at =
        target.found.and_then(|at| entry(target.holder, at)).map_or(target.holder.start, |(k, _)| k.start);
    let refusal = |reason: &str| Refusal::new(at, reason);
    let plain = lines::unix(text);
    let plain_root = one(&plain).map_err(|_| refusal("its line breaks can't be told"))?;
    let target = locate(&plain_root, change)?;
    let mut reason = "no way was found that keeps the rest of the file as it is";
    for texts in [Texts::Natural, Texts::Quoted] {
        let Some(edited) = attempt(&plain, &target, change, texts) else {
            reason = "the editor doesn't find its way in this file";
            continue;
        };
        let Ok(edited_root) = one(&edited) else { continue };
        if !check::is_meant(&plain_root, &edited_root, &target, change)
            || !check::keeps_bytes(&plain, &edited, &target, change)
        {
            continue;
        }
        let restored = lines::restored(text, &edited);
        if let Ok(root) = one(&restored)
            && root == edited_root
        {
            return Ok((restored, root));
        }
    }
    Err(refusal(reason))
}

/// A mapping's entry.
pub(super) fn entry(node: &Node, at: usize) -> Option<&(Node, Node)> {
    match &node.value {
        Value::Map(map) => map.entries.get(at),
        _ => None,
    }
}

/// What is to be written at the target: the value, below those keys of the path that are missing.
pub(super) fn whole_value(change: &Change, depth: usize) -> Json {
    match change {
        Change::Remove { .. } => Json::Null,
        Change::Set { path, value } => {
            path.iter().skip(depth).rev().fold(value.clone(), |value, key| serde_json::json!({ key: value }))
        }
    }
}

/// Finds the place, and refuses what others share.
fn locate<'a>(root: &'a Node, change: &Change) -> Result<Target<'a>, Refusal> {
    let path = change.path();
    let mut target = Target { steps: Vec::new(), holder: root, found: None, depth: 0 };
    let mut node = root;
    for (index, key) in path.iter().enumerate() {
        not_shared(root, node)?;
        let map = match &node.value {
            Value::Map(map) => map,
            Value::Alias(name) => {
                let reason = format!("it is within `*{name}`, and what stands there has other users");
                return Err(Refusal::new(node.start, reason));
            }
            // A key without a value: the entry that was found takes the rest of the path as its value.
            _ if node.is_null() && target.found.is_some() => return Ok(target),
            _ => {
                let name = index.checked_sub(1).and_then(|at| path.get(at));
                let what = name.map_or("the document".to_owned(), |name| format!("`{name}`"));
                return Err(Refusal::new(node.start, format!("{what} is not a mapping")));
            }
        };
        if let Some(at) = target.found {
            target.steps.push(at);
        }
        target.holder = node;
        target.depth = index + 1;
        target.found = map.find(key);
        match target.found.and_then(|at| map.entries.get(at)) {
            Some((_, value)) => node = value,
            None if map.find("<<").is_some() => {
                let reason = "a merge key (`<<`) may bring it in, with other users";
                return Err(Refusal::new(node.start, reason));
            }
            None => {
                // A key that is an alias is a text to the loader, and it may be this one.
                return match map.entries.iter().find(|(key, _)| key.text().is_none()) {
                    Some((key, _)) => Err(Refusal::new(key.start, "a key beside it is not written out")),
                    None => Ok(target),
                };
            }
        }
    }
    if path.is_empty() {
        return Err(Refusal::new(root.start, "a whole document is not replaced"));
    }
    not_used_elsewhere(root, node)?;
    Ok(target)
}

/// A change within an anchored value is a change of everything that its aliases stand for.
fn not_shared(root: &Node, node: &Node) -> Result<(), Refusal> {
    let Some(anchor) = &node.anchor else { return Ok(()) };
    match aliases(root, anchor).first() {
        Some(_) => {
            let reason = format!("it is within the anchor `&{anchor}`, and `*{anchor}` would change with it");
            Err(Refusal::new(node.start, reason))
        }
        None => Ok(()),
    }
}

/// A value that goes must not take along an anchor that is used from outside of it.
fn not_used_elsewhere(root: &Node, gone: &Node) -> Result<(), Refusal> {
    let mut anchors = Vec::new();
    gone.walk(&mut |node| anchors.extend(node.anchor.as_deref().map(|anchor| (anchor, node.start))));
    for (anchor, at) in anchors {
        if aliases(root, anchor).iter().any(|alias| *alias < gone.start || *alias >= gone.end) {
            let reason = format!("the anchor `&{anchor}` is there, and `*{anchor}` would change with it");
            return Err(Refusal::new(at, reason));
        }
    }
    Ok(())
}

fn aliases(root: &Node, anchor: &str) -> Vec<usize> {
    let mut found = Vec::new();
    root.walk(&mut |node| {
        if matches!(&node.value, Value::Alias(name) if name == anchor) {
            found.push(node.start);
        }
    });
    found
}

/// One try. None where the editor reads the text in another way than the loader does.
fn attempt(text: &str, target: &Target<'_>, change: &Change, texts: Texts) -> Option<String> {
    let key = change.path().get(target.depth.checked_sub(1)?)?;
    let value = whole_value(change, target.depth);
    if matches!(change, Change::Set { .. })
        && target.found.is_none()
        && let Some(edited) = on_a_line_of_its_own(text, target.holder, key, &value, texts)
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
        // Keys such as `1` are found by the key itself: as a text they would be others.
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
        Some((_, old)) => Some(with_blank_lines(text, old, edited)),
        None => Some(edited),
    }
}

/// Whether the mappings beside a new one are all on one line.
fn wants_flow(holder: &Node) -> bool {
    let Value::Map(map) = &holder.value else { return false };
    let mut beside = map.entries.iter().filter_map(|(_, value)| match &value.value {
        Value::Map(map) => Some(map.flow && !map.entries.is_empty()),
        _ => None,
    });
    beside.next() == Some(true) && beside.all(|flow| flow)
}

/// A mapping as the editor writes it in flow style: `{a: 1, b: 2}`.
fn flow_mapping(value: &Json, texts: Texts) -> Option<Mapping> {
    let Json::Object(members) = value else { return None };
    let map = Document::from_str("{}").ok()?.as_mapping()?;
    for (key, member) in members {
        map.set(key.as_str(), value::yaml(member, texts));
    }
    Some(map)
}

/// A new member of a flow mapping whose closing brace has a line of its own. The editor would put it
/// at the margin, before the brace.
fn on_a_line_of_its_own(text: &str, holder: &Node, key: &str, value: &Json, texts: Texts) -> Option<String> {
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
    // Where the last member stands beside the opening brace, a line of its own is one step further in.
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

/// The editor takes blank lines after a block text for a part of it; a replacement must not swallow them.
fn with_blank_lines(before: &str, old: &Node, edited: String) -> String {
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
