//! Tests that an edit is refused, with the line and the reason, if it would also change other parts of the file.

use amigops::edit::{Change, edit};

use super::bytes::{remove, set};

fn refusal(text: &str, document: usize, change: &Change) -> String {
    match edit(text, document, std::slice::from_ref(change)) {
        Ok(edited) => panic!("{change:?}\n{text}\n→\n{edited}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn edits_of_shared_values_are_refused() {
    let table = [
        (
            "x: &a 3\ny: *a\n",
            set("x", 4),
            "line 1: `x` can't be changed here (the value contains the anchor `&a`",
        ),
        (
            "x: &a {p: 1}\ny: *a\n",
            set("x/p", 4),
            "line 1: `x.p` can't be changed here (the value is inside the anchor `&a`",
        ),
        ("x: &a {p: 1}\ny: *a\n", set("x/q", 4), "the value is inside the anchor `&a`"),
        (
            "x: &a {p: 1}\n\ny: *a\n",
            set("y/p", 4),
            "line 3: `y.p` can't be changed here (the value is inside the alias `*a`",
        ),
        (
            "x: &a {p: 1}\ny: {<<: *a}\n",
            set("y/p", 4),
            "line 2: `y.p` can't be changed here (the value may come from a merge key",
        ),
        (
            "x: &a k\ny: {*a : 1}\n",
            set("y/k", 4),
            "line 2: `y.k` can't be changed here (another key of this mapping",
        ),
        ("x: {d: &a 1}\ny: *a\n", remove("x"), "the value contains the anchor `&a`"),
        ("x: {d: &a 1}\ny: *a\n", set("x", 1), "the value contains the anchor `&a`"),
    ];
    for (text, change, expected) in table {
        let refusal = refusal(text, 0, &change);
        assert!(
            refusal.contains(expected) && refusal.ends_with("; edit the file by hand"),
            "{text}: {refusal}"
        );
    }
}

#[test]
fn invalid_targets_are_reported() {
    let table = [
        ("a: 1\n", 0, set("a/b", 1), "`a` is not a mapping"),
        ("- 1\n", 0, set("a", 1), "the document is not a mapping"),
        (
            "a: 1\n---\nb: 1\n",
            2,
            set("b", 1),
            "document 3 does not exist; the number of documents in the file is 2",
        ),
        ("a: [1\n", 0, set("a", 1), "invalid YAML"),
        ("a: 1\na: 2\n", 0, set("a", 1), "duplicate key `a`"),
        ("a: 1\n---\nb: 1\nb: 2\n", 0, set("a", 1), "line 4: duplicate key `b`"),
    ];
    for (text, document, change, expected) in table {
        let refusal = refusal(text, document, &change);
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

/// The changed value contains a comment, which the editor would lose. So the edit is refused.
#[test]
fn edit_that_would_lose_a_comment_is_refused() {
    let refusal = refusal("a: one\n  two # c\nb: 1\n", 0, &set("a", "n"));
    assert!(refusal.contains("the edit would also change other parts of the file"), "{refusal}");
}
