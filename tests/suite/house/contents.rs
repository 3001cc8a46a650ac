//! Finds content that no file may have: unfinished work, ignored tests, too many lines, and code that starts processes.

use super::source::{Token, tokens};
use super::{LONG_FILES, MAX_FILE_LINES, PROCESS_FILES, PROCESS_NAMES};

/// Returns a message for each part of a file that is not allowed in any file.
pub(super) fn content_violations(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{name}: a file begins with a `//!` comment about its purpose"));
    }
    let lines = text.lines().count();
    let excused = LONG_FILES.iter().any(|(known, _)| *known == name);
    if (lines > MAX_FILE_LINES) != excused {
        found.push(format!(
            "{name}: {lines} lines; {MAX_FILE_LINES} are the limit, unless a reason is listed"
        ));
    }
    let tokens = tokens(text);
    let word = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    for (i, Token { text, line }) in tokens.iter().enumerate() {
        if matches!(text.as_str(), "todo" | "unimplemented") && word(i + 1) == "!" {
            found.push(format!("{name}:{line}: `{text}!` is unfinished work"));
        }
        if text == "ignore"
            && i > 1
            && matches!((word(i - 2), word(i - 1)), ("#", "[") | (_, ","))
            && in_attribute(&tokens, i)
        {
            found.push(format!("{name}:{line}: ignored tests are not allowed"));
        }
    }
    found
}

/// Returns the uses of a module `process`, of `std` or another crate, that could start a process.
pub(super) fn process_violations(name: &str, text: &str) -> Vec<String> {
    if PROCESS_FILES.contains(&name) {
        return Vec::new();
    }
    let tokens = tokens(text);
    let word = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    let starts = |i: usize| match (word(i), word(i + 1)) {
        ("process", "::") if word(i + 2) == "{" => {
            let group = tokens[i + 3..].iter().take_while(|token| token.text != "}");
            group.filter(|token| token.text != ",").any(|token| !PROCESS_NAMES.contains(&token.text.as_str()))
        }
        ("process", "::") => !PROCESS_NAMES.contains(&word(i + 2)),
        // The path ends with the module `process` itself, as in `use std::process;`.
        ("process", ";" | "," | "}" | "as") => i > 0 && matches!(word(i - 1), "::" | "{" | ","),
        ("std", "::") => word(i + 2) == "*",
        _ => false,
    };
    let found = tokens.iter().enumerate().filter(|(i, _)| starts(*i));
    found.map(|(_, token)| format!("{name}:{}: only one file starts processes", token.line)).collect()
}

/// Returns true if a word is in an attribute: `#[ignore]`, or `#[cfg_attr(…, ignore)]`.
fn in_attribute(tokens: &[Token], i: usize) -> bool {
    let opened =
        tokens[..i].iter().rposition(|token| matches!(token.text.as_str(), "[" | "]" | "{" | "}" | ";"));
    opened.is_some_and(|at| at > 0 && tokens[at].text == "[" && tokens[at - 1].text == "#")
}

#[test]
fn planted_content_is_found() {
    for text in [
        "use std::process::Command;",
        "use std::process;",
        "use std::*;",
        "use std::{fs, process::{Output, Command as Program}};",
        "use std::{fs, process};",
        "use std::process as system;",
        "fn f() { ::std::process::Command::new(\"x\"); }",
        "use std::os::unix::process::CommandExt;",
        "async fn f() { tokio::process::Command::new(\"x\"); }",
    ] {
        let found = process_violations("src/cli/a.rs", text);
        assert_eq!(found, ["src/cli/a.rs:1: only one file starts processes"], "{text}");
    }
    let unfinished: &[(&str, &str)] = &[
        ("use a;", "begins with"),
        ("//! A\nfn f() { todo!() }", ":2: `todo!`"),
        ("//! A\nfn f() { core::unimplemented!(\"x\") }", ":2: `unimplemented!`"),
        ("//! A\n\n#[test]\n#[ignore = \"slow\"]\nfn f() {}", ":4: ignored tests"),
        ("//! A\n#[cfg_attr(unix, ignore)]\nfn f() {}", ":2: ignored tests"),
    ];
    for (text, expected) in unfinished {
        let found = content_violations("src/model/a.rs", text);
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
    }
    let long = format!("//! A\n{}", "\n".repeat(MAX_FILE_LINES));
    assert_eq!(content_violations("src/model/a.rs", &long).len(), 1);
}

#[test]
fn allowed_content_is_not_reported() {
    let harmless =
        "use std::process::{ExitCode, Stdio}; fn f() { std::process::id(); process(); Env::process(); }";
    assert_eq!(process_violations("src/cli/a.rs", harmless), Vec::<String>::new());
    let fine = "//! A\n#[allow(dead_code)]\nfn f(ignore: bool) { let _ = [true, ignore]; g(1, ignore); \"todo!()\"; }";
    assert_eq!(content_violations("src/model/a.rs", fine), Vec::<String>::new());
}
