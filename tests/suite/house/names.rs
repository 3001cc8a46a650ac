//! Finds names that public types of different rooms share.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use super::source::{Token, tokens, without_tests};

/// Returns the names that public types of several rooms share, each with the rooms. A room is a folder or file directly
/// below `src`; the emulator is one room.
pub(super) fn find_shared_names(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let production = without_tests(&tokens(&source.text));
        for name in public_types(&production.tokens) {
            rooms.entry(name).or_default().insert(room_of(&source.name));
        }
    }
    rooms.retain(|_, rooms| rooms.len() > 1);
    rooms
}

/// Returns the room of a file: `src/plan/diff.rs` is in `plan`.
fn room_of(name: &str) -> String {
    let mut parts = name.trim_end_matches(".rs").split('/');
    match (parts.next(), parts.next()) {
        (Some("src"), Some(room)) => room.to_owned(),
        (Some(other), _) => other.to_owned(),
        _ => name.to_owned(),
    }
}

/// Returns the types that are visible outside of their file's folder: `pub` and `pub(crate)`.
fn public_types(tokens: &[Token]) -> Vec<String> {
    let text = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    let mut found = Vec::new();
    for i in (0..tokens.len()).filter(|i| text(*i) == "pub") {
        let at = match (text(i + 1), text(i + 2)) {
            ("(", "crate") => i + 4,
            ("(", _) => continue,
            _ => i + 1,
        };
        if matches!(text(at), "struct" | "enum" | "trait" | "type" | "union") {
            found.push(text(at + 1).to_owned());
        }
    }
    found
}

#[test]
fn planted_names_are_found() {
    let file = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    let found = find_shared_names(&[
        file("src/a.rs", "pub struct One; pub(crate) enum Two {} struct Three; pub(super) struct Four;"),
        file("src/b/c.rs", "pub trait One {} #[cfg(test)] pub struct Two; pub struct Three;"),
        file("emulator/src/d.rs", "pub(crate) type Two = u8; pub struct Four;"),
    ]);
    let names: Vec<_> = found.into_iter().map(|(name, rooms)| format!("{name}: {rooms:?}")).collect();
    assert_eq!(names, ["One: {\"a\", \"b\"}", "Two: {\"a\", \"emulator\"}"]);
}
