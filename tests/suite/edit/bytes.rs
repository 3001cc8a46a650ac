//! Tests of edits of YAML files. The results are compared byte for byte.

use amigops::edit::{Change, edit};
use serde_json::{Value, json};

pub(super) fn keys(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

pub(super) fn set(path: &str, value: impl Into<Value>) -> Change {
    Change::Set { path: keys(path), value: value.into() }
}

pub(super) fn remove(path: &str) -> Change {
    Change::Remove { path: keys(path) }
}

#[track_caller]
fn expect(before: &str, document: usize, changes: &[Change], after: &str) {
    match edit(before, document, changes) {
        Ok(edited) => assert_eq!(edited, after, "{changes:?}\n{before}"),
        Err(error) => panic!("{error}\n{changes:?}\n{before}"),
    }
}

#[test]
fn replacing_a_value_changes_nothing_else() {
    let table = [
        ("# top\na: 1   # c\n\nb: 'x'\n", set("a", 9), "# top\na: 9   # c\n\nb: 'x'\n"),
        ("v: {r: {a: 3,  b: 5}} # c\n", set("v/r/a", 10), "v: {r: {a: 10,  b: 5}} # c\n"),
        ("a: \"1\" # x\n", set("a", 3), "a: 3 # x\n"),
        ("a: 3\n", set("a", "latest"), "a: latest\n"),
        ("a: 3\n", set("a", "3"), "a: \"3\"\n"),
        ("a: q\n", set("a", "yes"), "a: \"yes\"\n"),
        ("a: {b: q}\n", set("a/b", "x, y] }"), "a: {b: \"x, y] }\"}\n"),
        ("a: 1\nb: 2", set("b", 3), "a: 1\nb: 3"),
        ("a: ~ # none\n", set("a", 4), "a: 4 # none\n"),
        ("a: # none\nb: 1\n", set("a", 4), "a: 4 # none\nb: 1\n"),
        ("a:\nb: 1\n", set("a/x", 4), "a:\n  x: 4\nb: 1\n"),
        (
            "{\n  \"a\": 1,\n  \"b\": {\"c\": 2}\n}\n",
            set("b/c", 4),
            "{\n  \"a\": 1,\n  \"b\": {\"c\": 4}\n}\n",
        ),
        ("l:\n- a\n# c\n- b\nx: 1\n", set("x", 2), "l:\n- a\n# c\n- b\nx: 2\n"),
        ("x: {1: 2, true: 3}\n", set("x/1", 5), "x: {1: 5, true: 3}\n"),
        ("a: 0x10 # hex\nb: 0123\nc: 1.0\n", set("c", 0.5), "a: 0x10 # hex\nb: 0123\nc: 0.5\n"),
        ("a: one\nb: !!str 3 # t\nc: 1\n", set("c", 2), "a: one\nb: !!str 3 # t\nc: 2\n"),
    ];
    for (before, change, after) in table {
        expect(before, 0, &[change], after);
    }
}

#[test]
fn new_key_follows_the_surrounding_layout() {
    let table = [
        (
            "v:\n  r:\n    a: 1 # c\n  # after\nz: 1\n",
            set("v/r/b", 2),
            "v:\n  r:\n    a: 1 # c\n    b: 2\n  # after\nz: 1\n",
        ),
        ("v:\n    r:\n        a: 1\n", set("v/r/b", 2), "v:\n    r:\n        a: 1\n        b: 2\n"),
        ("a:\n  b: 1", set("a/c", 2), "a:\n  b: 1\n  c: 2"),
        ("a: {b: 1} # c\n", set("a/d", 2), "a: {b: 1, d: 2} # c\n"),
        ("a: { b: 1 }\n", set("a/d", 2), "a: { b: 1, d: 2 }\n"),
        ("a: {} # c\n", set("a/d", 2), "a: {d: 2} # c\n"),
        (
            "v: {\n  r: {a: 1}, # c\n  x: {b: 1}, # d\n}\n",
            set("v/g", 9),
            "v: {\n  r: {a: 1}, # c\n  x: {b: 1}, # d\n  g: 9,\n}\n",
        ),
        (
            "v: {\n  r: {a: 1}, # c\n  x: {b: 1} # d\n}\n",
            set("v/g", 9),
            "v: {\n  r: {a: 1}, # c\n  x: {b: 1}, # d\n  g: 9\n}\n",
        ),
        // If the neighbouring mappings are on one line each, a new mapping is also written on one line.
        (
            "v:\n  r: {a: 3, b: 5} # c\nz: 1\n",
            set("v/s", json!({"a": 4, "b": "latest"})),
            "v:\n  r: {a: 3, b: 5} # c\n  s: {a: 4, b: latest}\nz: 1\n",
        ),
        (
            "v:\n  r:\n    a: 3\nz: 1\n",
            set("v/s", json!({"a": 4, "p": {"E": {"n": "x"}}})),
            "v:\n  r:\n    a: 3\n  s:\n    a: 4\n    p:\n      E:\n        n: x\nz: 1\n",
        ),
        (
            "a: 1\n",
            set("environments/p/v/r/a", 2),
            "a: 1\nenvironments:\n  p:\n    v:\n      r:\n        a: 2\n",
        ),
    ];
    for (before, change, after) in table {
        expect(before, 0, &[change], after);
    }
}

#[test]
fn texts_of_several_lines_become_block_scalars() {
    let table = [
        ("a: q\nb: 2\n", set("a", "one\n\ntwo\n"), "a: |\n  one\n\n  two\nb: 2\n"),
        ("a: q # c\nb: 2\n", set("n", "one\ntwo"), "a: q # c\nb: 2\nn: |-\n  one\n  two\n"),
        (
            "x:\n  a: |\n    old\n\n  # c\n  b: 1\n",
            set("x/a", "new\nlines\n"),
            "x:\n  a: |\n    new\n    lines\n\n  # c\n  b: 1\n",
        ),
        ("x:\n  a: |-\n    old\n\n\n  b: 1\n", set("x/a", "short"), "x:\n  a: short\n\n\n  b: 1\n"),
        ("x: {a: 1}\n", set("x/b", "one\ntwo"), "x: {a: 1, b: \"one\\ntwo\"}\n"),
    ];
    for (before, change, after) in table {
        expect(before, 0, &[change], after);
    }
}

#[test]
fn removing_a_key_changes_nothing_else() {
    let table = [
        ("a: 1 # c\n# about b\nb: 2 # d\nc: 3\n", remove("b"), "a: 1 # c\n# about b\nc: 3\n"),
        ("x: {a: 1, b: 2, c: 3} # q\n", remove("x/b"), "x: {a: 1, c: 3} # q\n"),
        ("x: {a: 1, b: 2, c: 3} # q\n", remove("x/c"), "x: {a: 1, b: 2} # q\n"),
        ("x: {a: 1} # q\n", remove("x/a"), "x: {} # q\n"),
        ("x:\n  a: 1\nc: 3\n", remove("x/a"), "x: {}\nc: 3\n"),
        ("x:\n  a:\n    b: 1\n  d: 1 # e\n", remove("x/a"), "x:\n  d: 1 # e\n"),
        ("a: 1\n", remove("b"), "a: 1\n"),
        ("a: 1\n", remove("b/c"), "a: 1\n"),
    ];
    for (before, change, after) in table {
        expect(before, 0, &[change], after);
    }
}

#[test]
fn replacing_a_mapping_changes_only_members_that_differ() {
    let before = "r:\n  # the pins\n  a: 3 # three\n  p: {E: {n: x, t: 0.40}} # models\n  old: 1\n";
    let value = json!({"a": 4, "p": {"E": {"n": "w", "t": 0.5}}, "new": true});
    let after = "r:\n  # the pins\n  a: 4 # three\n  p: {E: {n: w, t: 0.5}} # models\n  new: true\n";
    expect(before, 0, &[set("r", value)], after);
}

#[test]
fn line_breaks_byte_order_marks_and_documents_are_preserved() {
    let table = [
        ("x: 1 # c\r\ny:\r\n  z: 2\r\n", 0, set("y/w", 3), "x: 1 # c\r\ny:\r\n  z: 2\r\n  w: 3\r\n"),
        ("x: 1 # c\r\ny: 2\nz: 3\r\n", 0, set("y", 4), "x: 1 # c\r\ny: 4\r\nz: 3\r\n"),
        ("x: 1\r\ny: 2\nz: 3\r\n", 0, set("z", 4), "x: 1\r\ny: 2\nz: 4\n"),
        ("a: |\r\n  one\r\n\r\nb: 1", 0, set("b", 2), "a: |\r\n  one\r\n\r\nb: 2"),
        ("\u{feff}x: 1\r\n", 0, set("x", 4), "\u{feff}x: 4\r\n"),
        (
            "--- # first\na: 1\n---\n\n# c\nc: 1\n...\n---\nd: 1",
            1,
            set("c", 2),
            "--- # first\na: 1\n---\n\n# c\nc: 2\n...\n---\nd: 1",
        ),
        (
            "--- # first\na: 1\n---\n\n# c\nc: 1\n...\n---\nd: 1",
            2,
            set("e", 2),
            "--- # first\na: 1\n---\n\n# c\nc: 1\n...\n---\nd: 1\ne: 2",
        ),
        ("a: 1\n---\n# nothing\n---\nb: 1\n", 2, set("b", 2), "a: 1\n---\n# nothing\n---\nb: 2\n"),
        ("a: 1\n...\n# between\n---\nb: 1\n", 1, set("b", 2), "a: 1\n...\n# between\n---\nb: 2\n"),
        ("a: 1\n---\nb: 1\n", 0, set("c", 2), "a: 1\nc: 2\n---\nb: 1\n"),
        ("%YAML 1.2\n---\nx: 1\n...\n", 0, set("x", 4), "%YAML 1.2\n---\nx: 4\n...\n"),
        (
            "# yaml-language-server: $schema=x\nservice: A\n",
            0,
            set("service", "B"),
            "# yaml-language-server: $schema=x\nservice: B\n",
        ),
    ];
    for (before, document, change, after) in table {
        expect(before, document, &[change], after);
    }
}

#[test]
fn unrelated_anchors_are_preserved() {
    let table = [
        ("x: &a 3 # k\ny: *a # l\n", set("y", 4), "x: &a 3 # k\ny: 4 # l\n"),
        ("x: &a {p: 1}\ny: *a\nz: 1\n", set("z", 2), "x: &a {p: 1}\ny: *a\nz: 2\n"),
        ("x: &unused {p: 1}\n", set("x/p", 2), "x: &unused {p: 2}\n"),
        ("x: &unused 1\n", set("x", 2), "x: &unused 2\n"),
        ("x: &a 3\ny: *a\nz: 1\n", remove("y"), "x: &a 3\nz: 1\n"),
    ];
    for (before, change, after) in table {
        expect(before, 0, &[change], after);
    }
}
