//! Checks that an edit made the intended change and no other change. Compares the parsed trees and the bytes of the
//! text before and after the edit.

use super::change::Change;
use super::target::{Target, entry, whole_value};
use super::tree::{Map, Node, Value, line_after, line_start};
use super::value;

/// Returns true if the tree after the edit differs from the tree before it only in the intended change.
pub(super) fn is_intended(before: &Node, after: &Node, target: &Target<'_>, change: &Change) -> bool {
    let (mut before, mut after) = (before, after);
    for step in &target.steps {
        let (Value::Map(old), Value::Map(new)) = (&before.value, &after.value) else { return false };
        if !same_except(before, after, old, new, *step) {
            return false;
        }
        let (Some((_, old)), Some((_, new))) = (old.entries.get(*step), new.entries.get(*step)) else {
            return false;
        };
        (before, after) = (old, new);
    }
    let (Value::Map(old), Value::Map(new)) = (&before.value, &after.value) else { return false };
    match (change, target.found) {
        (Change::Set { .. }, Some(at)) => {
            let wanted = whole_value(change, target.depth);
            same_except(before, after, old, new, at)
                && new.entries.get(at).is_some_and(|(_, node)| value::is_value(node, &wanted))
        }
        (Change::Set { path, .. }, None) => {
            let wanted = whole_value(change, target.depth);
            let key = target.depth.checked_sub(1).and_then(|at| path.get(at));
            new.entries.len() == old.entries.len() + 1
                && same_properties(before, after)
                && old.entries.iter().eq(new.entries.iter().take(old.entries.len()))
                && new.entries.last().is_some_and(|(name, node)| {
                    name.text() == key.map(String::as_str) && value::is_value(node, &wanted)
                })
        }
        (Change::Remove { .. }, Some(at)) => {
            let kept = old.entries.iter().enumerate().filter(|(index, _)| *index != at);
            same_properties(before, after) && kept.map(|(_, entry)| entry).eq(new.entries.iter())
        }
        (Change::Remove { .. }, None) => before == after,
    }
}

fn same_properties(before: &Node, after: &Node) -> bool {
    before.anchor == after.anchor && before.tag == after.tag
}

/// Returns true if two mappings are equal, apart from the value of the entry at index `at`, which may differ.
fn same_except(before: &Node, after: &Node, old: &Map, new: &Map, at: usize) -> bool {
    same_properties(before, after)
        && old.entries.len() == new.entries.len()
        && old
            .entries
            .iter()
            .zip(&new.entries)
            .enumerate()
            .all(|(index, (old, new))| old.0 == new.0 && (index == at || old.1 == new.1))
}

/// Returns true if every byte of the text outside the changed value is unchanged.
pub(super) fn keeps_bytes(before: &str, after: &str, target: &Target<'_>, change: &Change) -> bool {
    let found = target.found.and_then(|at| entry(target.holder, at));
    match (change, found) {
        (Change::Set { .. }, Some((key, old))) => is_replaced(before, after, key, old),
        (Change::Set { .. }, None) => is_added(before, after),
        (Change::Remove { .. }, Some((key, old))) => is_removed(before, after, target.holder, key, old),
        (Change::Remove { .. }, None) => before == after,
    }
}

fn is_replaced(before: &str, after: &str, key: &Node, old: &Node) -> bool {
    let (start, end) = (old.start, old.end);
    let (Some(head), Some(tail)) = (before.get(..start), before.get(end..)) else { return false };
    if start < end && after.starts_with(head) && after.ends_with(tail) {
        return true;
    }
    // The new value begins elsewhere if a mapping replaces a scalar, if a scalar replaces a list below its key, or if
    // the old value is empty. Everything else on the lines of the key and the old value, such as comments, must still
    // be there.
    let next = line_after(before, end);
    let (Some(head), Some(between)) = (before.get(..key.end), before.get(key.end..start)) else {
        return false;
    };
    let rest = before.get(end..next).unwrap_or_default();
    let (between, rest) =
        if start == end { ("", rest.trim_start_matches([':', ' '])) } else { (between, rest) };
    let between = between.strip_prefix(':').unwrap_or(between);
    // If the old value begins on a line below its key, a comment at the end of its last line belongs to the value. It
    // is removed with the value, so it need not be there.
    let rest = if between.contains('\n') { "" } else { rest };
    middle(after, head, before.get(next..).unwrap_or_default())
        .is_some_and(|middle| between.lines().chain([rest]).all(|line| middle.contains(line.trim())))
}

/// Returns the text between `head` and `tail`, or `None` if the text does not begin and end with them.
fn middle<'a>(text: &'a str, head: &str, tail: &str) -> Option<&'a str> {
    text.strip_prefix(head)?.strip_suffix(tail)
}

/// Returns true if the new text is the old text with one insertion. A comma may also be inserted at an earlier
/// position, because a flow mapping needs a comma after the member before the new one.
fn is_added(before: &str, after: &str) -> bool {
    let (old, new) = (before.as_bytes(), after.as_bytes());
    let common = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let head = common(old, new);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    if head + tail >= old.len() {
        return true;
    }
    let rest = old.get(head..old.len() - tail).unwrap_or_default();
    let gap = new.get(head..new.len() - tail).unwrap_or_default();
    gap.first() == Some(&b',') && gap.get(1..).is_some_and(|gap| gap.starts_with(rest))
}

fn is_removed(before: &str, after: &str, holder: &Node, key: &Node, old: &Node) -> bool {
    let Value::Map(map) = &holder.value else { return false };
    let end = old.end.max(key.end);
    let (head, tail) = if map.flow {
        let blank = |c: char| c == ',' || c == ' ';
        let head = before.get(..key.start).map(|head| head.trim_end_matches(blank));
        (head, before.get(end..).map(|tail| tail.trim_start_matches(blank)))
    } else {
        let start = line_start(before, key.start);
        // Blank lines below a block scalar (`|` or `>`) may be removed with the scalar.
        let tail = before.get(line_after(before, end)..).map(|tail| tail.trim_start_matches('\n'));
        (before.get(..start).map(str::trim_end), tail)
    };
    let (Some(head), Some(tail)) = (head, tail) else { return false };
    // If the removed line is the last one and has no line break, the line before it loses its line break.
    middle(after, head, tail).is_some_and(|middle| !middle.contains('#'))
}
