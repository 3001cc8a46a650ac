//! What can't be changed without changing something else is refused, with the place and the reason.

use amigops::edit::{Change, edit};

use super::bytes::{remove, set};

fn refusal(text: &str, document: usize, change: &Change) -> String {
    match edit(text, document, std::slice::from_ref(change)) {
        Ok(edited) => panic!("{change:?}\n{text}\n→\n{edited}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_others_share_is_not_changed() {
    let table = [
        ("x: &a 3\ny: *a\n", set("x", 4), "line 1: `x` can't be changed here: the anchor `&a` is there"),
        (
            "x: &a {p: 1}\ny: *a\n",
            set("x/p", 4),
            "line 1: `x.p` can't be changed here: it is within the anchor `&a`",
        ),
        ("x: &a {p: 1}\ny: *a\n", set("x/q", 4), "it is within the anchor `&a`"),
        ("x: &a {p: 1}\n\ny: *a\n", set("y/p", 4), "line 3: `y.p` can't be changed here: it is within `*a`"),
        ("x: &a {p: 1}\ny: {<<: *a}\n", set("y/p", 4), "line 2: `y.p` can't be changed here: a merge key"),
        ("x: &a k\ny: {*a : 1}\n", set("y/k", 4), "line 2: `y.k` can't be changed here: a key beside it"),
        ("x: {d: &a 1}\ny: *a\n", remove("x"), "the anchor `&a` is there"),
        ("x: {d: &a 1}\ny: *a\n", set("x", 1), "the anchor `&a` is there"),
    ];
    for (text, change, expected) in table {
        let refusal = refusal(text, 0, &change);
        assert!(refusal.contains(expected) && refusal.ends_with("; edit it by hand"), "{text}: {refusal}");
    }
}

#[test]
fn what_cannot_be_found_is_said() {
    let table = [
        ("a: 1\n", 0, set("a/b", 1), "`a` is not a mapping"),
        ("- 1\n", 0, set("a", 1), "the document is not a mapping"),
        ("a: 1\n---\nb: 1\n", 2, set("b", 1), "there is no document 3: the file has 2"),
        ("a: [1\n", 0, set("a", 1), "not YAML"),
        ("a: 1\na: 2\n", 0, set("a", 1), "the key `a` is given twice"),
        ("a: 1\n---\nb: 1\nb: 2\n", 0, set("a", 1), "line 4: the key `b` is given twice"),
    ];
    for (text, document, change, expected) in table {
        let refusal = refusal(text, document, &change);
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

/// The editor would drop this comment. Nothing is written that loses one.
#[test]
fn a_comment_that_would_be_lost_stops_the_edit() {
    let refusal = refusal("a: one\n  two # c\nb: 1\n", 0, &set("a", "n"));
    assert!(refusal.contains("no way was found that keeps the rest of the file"), "{refusal}");
}
