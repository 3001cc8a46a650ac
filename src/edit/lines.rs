//! Line breaks and the byte-order mark, which an edit must preserve.

/// Splits a text into its byte-order mark, if it has one, and the rest.
pub(super) fn split_mark(text: &str) -> (&str, &str) {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    }
}

/// Returns the number of the line that contains a byte offset, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Replaces `\r\n` with `\n`.
pub(super) fn to_unix(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// Returns the edited text with the line breaks (`\n` or `\r\n`) of the text before the edit. An unchanged line gets
/// its old line break, and a new line gets the same line break as the line before it.
pub(super) fn restore_line_breaks(before: &str, edited: &str) -> String {
    if !before.contains("\r\n") {
        return edited.to_owned();
    }
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = edited.split_inclusive('\n').collect();
    let same = |old: &&&str, new: &&str| to_unix(old) == **new;
    let head = old.iter().zip(&new).take_while(|(old, new)| same(old, new)).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(o, n)| same(o, n)).count();
    let carriage = |line: Option<&&str>| line.is_some_and(|line| line.ends_with("\r\n"));
    let windows = match head {
        0 => carriage(old.first()),
        _ => carriage(old.get(head - 1)),
    };
    let mut out = String::with_capacity(before.len() + edited.len());
    out.extend(old.iter().take(head).copied());
    for line in new.iter().take(new.len() - tail).skip(head) {
        match line.strip_suffix('\n') {
            Some(line) if windows => out.extend([line, "\r\n"]),
            _ => out.push_str(line),
        }
    }
    out.extend(old.iter().skip(old.len() - tail).copied());
    out
}
