//! Writes changed values. Short values are written in one line, and long values side by side.

use serde_json::Value;

use super::super::Mode;
use super::super::causes;
use super::super::lookalikes::distinct;
use super::super::shown::ShownChange;
use super::super::text::count;
use super::diff::{self, Piece, Row};
use super::markup::{Markup, clip};
use crate::plan::{Cause, FieldChange, VersionSetField};

/// The maximum length of a changed value that is shown in one line, in characters. Longer values are shown side by
/// side.
const LONG: usize = 72;
/// The maximum number of lines of a value. A value with more lines is hidden until the reader unfolds it.
const MOST_LINES: usize = 24;
/// The maximum length of an added or removed value that is shown in one line. It is greater than `LONG`, because there
/// is only one value to show.
const LONG_ALONE: usize = 300;

/// A changed value with its path, and the cause of the change.
pub(super) struct Leaf<'a> {
    pub(super) shown: ShownChange<'a>,
    pub(super) cause: Option<Cause>,
}

impl<'a> Leaf<'a> {
    /// Returns the differing parts of a service's changed field.
    pub(super) fn of_field(change: &'a FieldChange) -> impl Iterator<Item = Self> {
        Self::of(ShownChange::of_field(change, ""), change.cause)
    }

    /// Returns the differing parts of a version set's changed field.
    pub(super) fn of_set_field(change: &'a FieldChange<VersionSetField>) -> impl Iterator<Item = Self> {
        Self::of(ShownChange::of_set_field(change, ""), change.cause)
    }

    /// Returns the parts of a value of a service that a plan creates. In a drift report, the service is missing, so the
    /// value is shown as removed.
    pub(super) fn of_whole_value(mode: Mode, path: String, value: &'a Value) -> impl Iterator<Item = Self> {
        static NOTHING: Value = Value::Null;
        let (before, after) = if mode.is_drift() { (value, &NOTHING) } else { (&NOTHING, value) };
        Self::of(ShownChange::of_value(path, before, after), None)
    }

    fn of(change: ShownChange<'a>, cause: Option<Cause>) -> impl Iterator<Item = Self> {
        change.leaves().into_iter().map(move |shown| Self { shown, cause })
    }
}

/// Estimates the number of lines that a changed value takes up in a card. A value that is hidden until it is unfolded
/// takes up one line.
pub(super) fn weight(leaf: &Leaf<'_>) -> usize {
    let whole = size(leaf.shown.before(), leaf.shown.after());
    if whole > MOST_LINES { 1 } else { whole }
}

fn size(before: &Value, after: &Value) -> usize {
    let lines = |value: &Value| match value {
        Value::String(text) => text.lines().count() + text.len() / 100,
        Value::Array(items) => items.len() / 4,
        _ => 0,
    };
    1 + lines(before).max(lines(after))
}

/// Writes a list of changed values, each with its path.
pub(super) fn list(page: &mut Markup, mode: Mode, leaves: &[Leaf<'_>]) {
    if leaves.is_empty() {
        return;
    }
    page.element("dl", &[("class", "values")], |page| {
        for Leaf { shown, cause } in leaves {
            page.element("div", &[], |page| {
                page.leaf("dt", &[], &shown.path);
                page.element("dd", &[], |page| {
                    value(page, mode, shown.before(), shown.after());
                    if let Some(cause) = cause {
                        page.raw(" ");
                        self::cause(page, mode, *cause);
                    }
                });
            });
        }
    });
}

/// Writes a badge that names the cause of a change. In a drift report, a change that only the manifests make is pending.
pub(super) fn cause(page: &mut Markup, mode: Mode, cause: Cause) {
    let (class, title) = match cause {
        Cause::Manifest if mode.is_drift() => {
            ("badge pending", "the manifest changed since the base, and is not applied yet")
        }
        Cause::Manifest => ("badge manifest", "the manifest changed since the base"),
        Cause::Drift => ("badge drift", "the live value changed since the base, outside the manifests"),
        Cause::Both => {
            ("badge conflict", "conflict: the manifest and the live value both changed since the base")
        }
        Cause::Behind => ("badge conflict", causes::BEHIND.trim_start_matches("behind: ")),
    };
    let word = match (mode.is_drift(), cause) {
        (true, Cause::Manifest) => "pending",
        (true, Cause::Both) => "conflict",
        _ => cause.as_str(),
    };
    page.leaf("span", &[("class", class), ("title", title)], word);
}

/// Writes a value before and after its change.
fn value(page: &mut Markup, mode: Mode, before: &Value, after: &Value) {
    let (old, new) = (text(before), text(after));
    let most = if before.is_null() || after.is_null() { LONG_ALONE } else { LONG };
    let is_long = |text: &str| text.contains('\n') || text.chars().nth(most).is_some();
    if mode.is_drift() && after.is_null() && !is_long(&old) {
        page.leaf("del", &[], &clip(&old, most));
    } else if !is_long(&old) && !is_long(&new) {
        one_line(page, before, after, most);
    } else {
        let whole = |value: &Value| (!value.is_null()).then(|| whole(value));
        let (old, new) = (whole(before), whole(after));
        if size(before, after) <= MOST_LINES {
            return long(page, mode, old.as_deref(), new.as_deref());
        }
        page.element("details", &[], |page| {
            page.leaf("summary", &[], &lines(old.as_deref(), new.as_deref()));
            long(page, mode, old.as_deref(), new.as_deref());
        });
    }
}

fn long(page: &mut Markup, mode: Mode, old: Option<&str>, new: Option<&str>) {
    match (old, new) {
        (Some(old), Some(new)) => side_by_side(page, mode, old, new),
        (None, Some(new)) => page.element("ins", &[("class", "block")], |page| page.lines(new)),
        (Some(old), None) => page.element("del", &[("class", "block")], |page| page.lines(old)),
        (None, None) => {}
    }
}

/// Returns the summary line of a folded value, such as `30 lines → 32 lines`.
fn lines(old: Option<&str>, new: Option<&str>) -> String {
    let lines = |text: &str| count(text.lines().count(), "line");
    old.into_iter().chain(new).map(lines).collect::<Vec<_>>().join(" → ")
}

/// Writes a value before and after its change in one line. Values that are too long are clipped.
pub(super) fn short(page: &mut Markup, before: &Value, after: &Value) {
    let escaped = distinct(before, after);
    let (before, after) = escaped.as_ref().map_or((before, after), |(before, after)| (before, after));
    one_line(page, before, after, LONG);
}

fn one_line(page: &mut Markup, before: &Value, after: &Value, most: usize) {
    if !before.is_null() {
        page.leaf("del", &[], &clip(&text(before), most));
        page.raw(" → ");
    }
    page.leaf("ins", &[], &clip(&text(after), most));
}

/// Returns a JSON value as text in one line. Strings are not quoted.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "(no value)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Returns a long JSON value as text of several lines. A list has one line for each item.
fn whole(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => text(other),
    }
}

/// Writes two long values side by side, and marks the lines and words that differ.
fn side_by_side(page: &mut Markup, mode: Mode, before: &str, after: &str) {
    page.element("table", &[("class", "beside")], |page| {
        let heads = if mode.is_drift() { ["As declared", "Live now"] } else { ["Live now", "As declared"] };
        page.element("thead", &[], |page| {
            page.element("tr", &[], |page| {
                heads.iter().for_each(|head| page.leaf("th", &[("scope", "col")], head));
            });
        });
        page.element("tbody", &[], |page| {
            for row in diff::rows(before, after) {
                page.element("tr", &[], |page| self::row(page, &row));
            }
        });
    });
}

fn row(page: &mut Markup, row: &Row<'_>) {
    match row {
        Row::Same(line) => {
            page.leaf("td", &[], line);
            page.leaf("td", &[], line);
        }
        Row::Gap(lines) => {
            let words = format!("⋯ {} hidden", count(*lines, "equal line"));
            page.leaf("td", &[("class", "gap"), ("colspan", "2")], &words);
        }
        Row::Changed(Some(old), Some(new)) => {
            let (old, new) = diff::within(old, new);
            cell(page, "del", &old);
            cell(page, "ins", &new);
        }
        Row::Changed(old, new) => {
            for (name, line) in [("del", old), ("ins", new)] {
                match line {
                    Some(line) => cell(page, name, &[(line, false)]),
                    None => page.element("td", &[("class", "none")], |_| {}),
                }
            }
        }
    }
}

fn cell(page: &mut Markup, name: &'static str, pieces: &[Piece<'_>]) {
    page.element("td", &[("class", name)], |page| {
        page.element(name, &[], |page| {
            for (piece, differs) in pieces {
                if *differs { page.leaf("b", &[], piece) } else { page.text(piece) }
            }
        });
    });
}
