//! A small Rust tokenizer: source code without comments and strings, and the paths in it.

use super::EMULATOR;

/// A word or a sign of a source.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// A path from the crate's root or from `std`, as far as its first named segment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

/// A source without its comments, texts and characters.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut tokens: Vec<Token> = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            '/' if at(i + 1) == '*' => i = after_comment(&chars, i),
            '"' => i = after_text(&chars, i),
            '\'' if at(i + 1) == '\\' => {
                i += 3 + chars[i + 3..].iter().take_while(|c| **c != '\'').count() + 1
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            c if is_word(c) => {
                i += chars[i..].iter().take_while(|c| is_word(**c)).count();
                let text: String = chars[start..i].iter().collect();
                let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
                if matches!(text.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                    i = after_raw_text(&chars, i + hashes, hashes);
                } else {
                    tokens.push(Token { text, line });
                }
            }
            ':' if at(i + 1) == ':' => {
                tokens.push(Token { text: "::".to_owned(), line });
                i += 2;
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token { text: c.to_string(), line });
                }
                i += 1;
            }
        }
        line += chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn after_comment(chars: &[char], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (i, depth) = (i + 2, depth + 1),
            ('*', Some('/')) => (i, depth) = (i + 2, depth - 1),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn after_text(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn after_raw_text(chars: &[char], start: usize, hashes: usize) -> usize {
    let ends = |i: usize| {
        chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    let end = (start + 1..chars.len()).find(|i| ends(*i)).unwrap_or(chars.len());
    end + 1 + hashes
}

/// Every path that leads out of the module: by `crate::`, by this crate's name, by `super::`, into `std`,
/// and every mention of the emulator's crate.
pub(super) fn routes(module: &[String], tokens: &[Token]) -> Vec<Route> {
    let mut walker = Walker { tokens, found: Vec::new() };
    let mut scope = module.to_vec();
    let mut inline: Vec<usize> = Vec::new();
    let (mut i, mut depth) = (0, 0_usize);
    while i < tokens.len() {
        let follows = walker.text(i + 1);
        match walker.text(i) {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.last() == Some(&depth) {
                    inline.pop();
                    scope.pop();
                }
            }
            "mod" if walker.text(i + 2) == "{" => {
                scope.push(follows.to_owned());
                inline.push(depth);
                depth += 1;
                i += 3;
                continue;
            }
            "crate" if follows == "as" => walker.note(Vec::new(), i),
            "super" if follows == "as" => i = walker.walk(scope.clone(), i) - 1,
            "crate" | "amigops" if follows == "::" => i = walker.walk(Vec::new(), i + 2) - 1,
            name if name == EMULATOR => walker.note(vec![name.to_owned()], i),
            "std" if follows == "::" => i = walker.walk(vec!["std".to_owned()], i + 2) - 1,
            "super" | "self" if follows == "::" => i = walker.walk(scope.clone(), i) - 1,
            _ => {}
        }
        i += 1;
    }
    walker.found
}

struct Walker<'a> {
    tokens: &'a [Token],
    found: Vec<Route>,
}

impl<'a> Walker<'a> {
    fn text(&self, i: usize) -> &'a str {
        self.tokens.get(i).map_or("", |token| token.text.as_str())
    }

    fn note(&mut self, segments: Vec<String>, i: usize) {
        let line = self.tokens.get(i).map_or(0, |token| token.line);
        self.found.push(Route { segments, line });
    }

    /// Follows a path, or each of a group, whose part so far is `base`. Answers where it left off.
    fn walk(&mut self, mut base: Vec<String>, i: usize) -> usize {
        let goes_on = self.text(i + 1) == "::";
        match self.text(i) {
            "{" => self.group(&base, i + 1),
            "self" if goes_on => self.walk(base, i + 2),
            "super" if goes_on => {
                base.pop();
                self.walk(base, i + 2)
            }
            last => {
                match last {
                    "self" => {}
                    "super" => drop(base.pop()),
                    name => base.push(name.to_owned()),
                }
                self.note(base, i);
                i + 1
            }
        }
    }

    fn group(&mut self, base: &[String], mut i: usize) -> usize {
        while i < self.tokens.len() && self.text(i) != "}" {
            i = self.walk(base.to_vec(), i);
            let mut depth = 0;
            while i < self.tokens.len() && (depth > 0 || !matches!(self.text(i), "," | "}")) {
                match self.text(i) {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                i += 1;
            }
            i += usize::from(self.text(i) == ",");
        }
        i + 1
    }
}
