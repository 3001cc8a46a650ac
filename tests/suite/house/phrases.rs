//! Finds phrases that readers stumbled over. `CONTRIBUTING.md` says how to write instead.

/// Phrases that no text may contain, each with what to write instead.
const PHRASES: &[(&str, &str)] = &[
    ("all the same", "anyway, or: still"),
    ("be born", "be created"),
    ("born at", "created at"),
    ("has become of", "happened to"),
    ("is to be", "must be, or: will be"),
    ("laborator", "lab"),
    ("no longer fits", "is stale"),
    ("set aside", "abandoned"),
    ("sets aside", "abandons"),
    ("what became of", "the outcome of"),
    ("whose doing", "the cause of"),
];

/// Words for an unnamed run, user or client. They are banned in the sources and documents; examples and tests are about
/// people, too.
const PEOPLE: &[&str] = &["nobody", "somebody", "whoever"];

/// Phrases that no doc comment may begin with, each with what to write instead.
const BEGINNINGS: &[(&str, &str)] = &[
    ("Imports nothing of ours", "nothing: the table in `src/lib.rs` says it"),
    ("May import", "nothing: the table in `src/lib.rs` says it"),
    ("What ", "what the item is, or: Returns …"),
    ("Whether ", "Returns true if …, or for a field: True if …"),
    ("Who ", "say which run, user or client"),
    ("Whoever ", "say which run, user or client"),
    ("Whose ", "say which run, user or client"),
];

/// Returns the banned phrases of a text, with their lines.
pub(super) fn find_phrases(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        let phrases = PHRASES.iter().filter(|(phrase, _)| contains_phrase(&lower, phrase));
        let comment = comment_of(line);
        let beginnings =
            BEGINNINGS.iter().filter(|(words, _)| comment.is_some_and(|text| text.starts_with(words)));
        let people = PEOPLE.iter().filter(|word| is_about_code(name) && contains_phrase(&lower, word));
        let people = people.map(|word| (*word, "say which run, user or client"));
        for (phrase, instead) in phrases.chain(beginnings).copied().chain(people) {
            found.push(format!("{name}:{}: \"{}\": write \"{instead}\"", at + 1, phrase.trim_end()));
        }
    }
    found
}

/// Returns true for sources and documents, and false for examples and tests.
fn is_about_code(name: &str) -> bool {
    ["src/", "emulator/src/", "docs/"].iter().any(|folder| name.starts_with(folder)) || !name.contains('/')
}

/// Returns true if a line contains a phrase at the beginning of a word.
fn contains_phrase(line: &str, phrase: &str) -> bool {
    line.match_indices(phrase).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '/')
    })
}

/// Returns the text of a documentation comment.
fn comment_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "))
}

#[test]
fn planted_phrases_are_found() {
    for text in [
        "The step ran all the same.",
        "let message = \"it is to be deleted\";",
        "    /// What the plan says.",
        "//! May import `model`.",
        "/// Whether it is active.",
        "Nobody knows.",
    ] {
        assert_eq!(find_phrases("a.rs", text).len(), 1, "{text}");
    }
    assert_eq!(find_phrases("src/a.rs", "// Nobody's.").len(), 1);
    assert_eq!(find_phrases("examples/a.yaml", "# Nobody's."), Vec::<String>::new());
    for text in ["/// Returns what the plan says.", "// What is left is retried.", "file /nobody", "is_to_be"]
    {
        assert_eq!(find_phrases("a.rs", text), Vec::<String>::new(), "{text}");
    }
}
