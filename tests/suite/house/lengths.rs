//! Finds functions that are too long, or have too many parameters.

use std::collections::BTreeSet;

use super::source::{Token, closing, tokens};

/// The maximum number of lines of code in a function, including its signature. Comments and the lines of multi-line
/// strings don't count.
const MAX_LINES: usize = 60;
/// The maximum number of parameters of a function, without `self`.
const MAX_PARAMETERS: usize = 5;

/// Returns the functions of a file that break a limit.
pub(super) fn find_long_functions(name: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let word = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    let mut found = Vec::new();
    for i in (0..tokens.len()).filter(|i| word(*i) == "fn" && word(i + 1) != "(") {
        let Some(open) = parameters_at(&tokens, i + 2) else { continue };
        let end = closing(&tokens, open);
        let (function, line) = (word(i + 1), tokens[i].line);
        let count = count_parameters(&tokens[open + 1..end]);
        if count > MAX_PARAMETERS {
            found.push(format!(
                "{name}:{line}: `{function}` has {count} parameters; {MAX_PARAMETERS} are the limit"
            ));
        }
        let body = (end..tokens.len()).find(|at| matches!(word(*at), "{" | ";"));
        let Some(body) = body.filter(|at| word(*at) == "{") else { continue };
        let last = closing(&tokens, body).min(tokens.len() - 1);
        let lines = tokens[i..=last].iter().map(|token| token.line).collect::<BTreeSet<_>>().len();
        if lines > MAX_LINES {
            found.push(format!("{name}:{line}: `{function}` has {lines} lines; {MAX_LINES} are the limit"));
        }
    }
    found
}

/// Returns the position of the `(` that opens a function's parameters, after its generic parameters.
fn parameters_at(tokens: &[Token], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "<" => depth += 1,
            // The `>` of `->` does not close a list of generic parameters.
            ">" if tokens[i - 1].text != "-" => depth = depth.saturating_sub(1),
            "(" if depth == 0 => return Some(i),
            "{" | ";" => return None,
            _ => {}
        }
    }
    None
}

fn count_parameters(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    let (mut count, mut is_empty, mut has_self) = (0, true, false);
    for (i, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" | "<" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            ">" if i > 0 && tokens[i - 1].text != "-" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                count += usize::from(!is_empty);
                is_empty = true;
                continue;
            }
            "self" if depth == 0 && count == 0 => has_self = true,
            _ => {}
        }
        is_empty = false;
    }
    count + usize::from(!is_empty) - usize::from(has_self)
}

#[test]
fn planted_functions_are_found() {
    let long = format!("fn f() {{\n{}}}", "a();\n".repeat(MAX_LINES - 1));
    assert_eq!(find_long_functions("a.rs", &long), ["a.rs:1: `f` has 61 lines; 60 are the limit"]);
    let wide =
        "impl A { fn f<T: Fn(u8, u8) -> u8>(&self, a: (u8, u8), b: B<C, D>, c: u8, d: u8, e: T, f: u8,) {} }";
    assert_eq!(find_long_functions("a.rs", wide), ["a.rs:1: `f` has 6 parameters; 5 are the limit"]);
    let fits = "trait A { fn f(mut self, a: u8, b: u8, c: u8, d: u8, e: fn(u8) -> u8); fn g(); }";
    assert_eq!(find_long_functions("a.rs", fits), Vec::<String>::new());
}
