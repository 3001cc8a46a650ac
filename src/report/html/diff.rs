//! Compares two texts line by line, and two changed lines word by word.

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices};

/// The number of equal lines that are shown before and after changed lines.
const CONTEXT: usize = 3;
/// The maximum number of line comparisons. If two texts need more, all lines between their equal beginning and their
/// equal end count as changed.
const MOST_WORK: usize = 4_000_000;
/// The maximum length of a line, in bytes. Longer lines are not compared word by word.
const LONGEST_LINE: usize = 2_000;

/// A row of the comparison, which shows the two texts side by side.
#[derive(Debug, PartialEq)]
pub(super) enum Row<'a> {
    /// A line that is in both texts.
    Same(&'a str),
    /// A line before and after the change. A removed line has only the first value, and an added line only the second.
    Changed(Option<&'a str>, Option<&'a str>),
    /// Equal lines that are not shown. The value is their number.
    Gap(usize),
}

/// A piece of a line, and a flag that is true if the piece differs from the other text.
pub(super) type Piece<'a> = (&'a str, bool);

/// Compares two texts and returns the rows to show: the changed lines, with a few equal lines around them.
pub(super) fn rows<'a>(before: &'a str, after: &'a str) -> Vec<Row<'a>> {
    let old: Vec<&str> = before.split('\n').collect();
    let new: Vec<&str> = after.split('\n').collect();
    let mut rows = Vec::new();
    let operations = operations(&old, &new);
    for (number, op) in operations.iter().enumerate() {
        if let DiffOp::Equal { old_index, len, .. } = *op {
            let is_last = number + 1 == operations.len();
            same(&mut rows, &old[old_index..old_index + len], number == 0, is_last);
            continue;
        }
        let (old, new) = (&old[op.old_range()], &new[op.new_range()]);
        let pairs = 0..old.len().max(new.len());
        rows.extend(pairs.map(|i| Row::Changed(old.get(i).copied(), new.get(i).copied())));
    }
    rows
}

fn same<'a>(rows: &mut Vec<Row<'a>>, lines: &[&'a str], is_first: bool, is_last: bool) {
    let head = if is_first { 0 } else { CONTEXT };
    let tail = if is_last { 0 } else { CONTEXT };
    // A gap takes up one row itself, so it must replace at least two rows.
    if lines.len() <= head + tail + 1 {
        rows.extend(lines.iter().map(|line| Row::Same(line)));
        return;
    }
    rows.extend(lines[..head].iter().map(|line| Row::Same(line)));
    rows.push(Row::Gap(lines.len() - head - tail));
    rows.extend(lines[lines.len() - tail..].iter().map(|line| Row::Same(line)));
}

fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (rest_old, rest_new) = (&old[head..], &new[head..]);
    let tail = rest_old.iter().rev().zip(rest_new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_len, new_len) = (rest_old.len() - tail, rest_new.len() - tail);
    if old_len.saturating_mul(new_len) <= MOST_WORK {
        return capture_diff_slices(Algorithm::Myers, old, new);
    }
    vec![
        DiffOp::Equal { old_index: 0, new_index: 0, len: head },
        DiffOp::Replace { old_index: head, old_len, new_index: head, new_len },
        DiffOp::Equal { old_index: head + old_len, new_index: head + new_len, len: tail },
    ]
}

/// Splits two changed lines into equal and differing pieces. Returns each line as one piece if a line is too long, or
/// if the two lines have little in common.
pub(super) fn within<'a>(before: &'a str, after: &'a str) -> (Vec<Piece<'a>>, Vec<Piece<'a>>) {
    let whole = (vec![(before, false)], vec![(after, false)]);
    if before.len().max(after.len()) > LONGEST_LINE {
        return whole;
    }
    let (old, new) = (words(before), words(after));
    let length = |words: &[&str]| words.iter().map(|word| word.len()).sum::<usize>();
    let (mut left, mut right, mut shared) = (Vec::new(), Vec::new(), 0);
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        let differs = op.tag() != DiffTag::Equal;
        let (a, b) = (length(&old[op.old_range()]), length(&new[op.new_range()]));
        shared += if differs { 0 } else { a };
        take(&mut left, before, a, differs);
        take(&mut right, after, b, differs);
    }
    if shared * 3 < before.len().min(after.len()) { whole } else { (left, right) }
}

/// Appends the next `length` bytes of a line to the pieces of that line.
fn take<'a>(pieces: &mut Vec<Piece<'a>>, line: &'a str, length: usize, differs: bool) {
    let begin: usize = pieces.iter().map(|(piece, _)| piece.len()).sum();
    if let Some(piece) = line.get(begin..begin + length).filter(|piece| !piece.is_empty()) {
        pieces.push((piece, differs));
    }
}

/// Splits a line into words. Each character that is not part of a word becomes a piece of its own.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let of_word = |c: char| c.is_alphanumeric() || c == '_';
        let end =
            if of_word(first) { rest.find(|c| !of_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (word, others) = rest.split_at(end);
        words.push(word);
        rest = others;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_far_from_a_change_are_left_out() {
        let old: Vec<String> = (1..=20).map(|n| format!("line {n}")).collect();
        let mut new = old.clone();
        new[9] = "another".to_owned();
        new.push("one more".to_owned());
        let (old, new) = (old.join("\n"), new.join("\n"));
        let rows = rows(&old, &new);
        assert_eq!(rows[0], Row::Gap(6));
        assert_eq!(rows[1..4], [Row::Same("line 7"), Row::Same("line 8"), Row::Same("line 9")]);
        assert_eq!(rows[4], Row::Changed(Some("line 10"), Some("another")));
        assert_eq!(rows[8], Row::Gap(4));
        assert_eq!(rows.last(), Some(&Row::Changed(None, Some("one more"))));
    }

    #[test]
    fn pieces_make_the_lines_again_and_differ_where_they_do() {
        let (old, new) = within("on their plan.", "on their plan and bills.");
        assert_eq!(old, [("on their plan", false), (".", false)]);
        assert_eq!(new, [("on their plan", false), (" and bills", true), (".", false)]);
        assert_eq!(within("entirely", "other").0, [("entirely", false)], "nothing in common");
        let long = "x ".repeat(LONGEST_LINE);
        assert_eq!(within(&long, "x").0.len(), 1);
    }

    #[test]
    fn texts_with_nothing_in_common_take_no_time() {
        let text = |word: &str| (0..50_000).map(|n| format!("{word} {n}")).collect::<Vec<_>>().join("\n");
        let (old, new) = (format!("head\n{}\ntail", text("a")), format!("head\n{}\ntail", text("b")));
        let rows = rows(&old, &new);
        assert_eq!(rows.len(), 50_002);
        assert_eq!((&rows[0], &rows[50_001]), (&Row::Same("head"), &Row::Same("tail")));
    }
}
