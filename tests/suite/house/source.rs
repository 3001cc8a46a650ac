//! A small Rust tokenizer: source code without comments and strings, and the paths in it.

use super::EMULATOR;

/// A word or a punctuation character of a source file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// A path from the crate's root or from `std`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

/// Splits a source file into tokens. Comments, strings and character literals are left out.
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

/// Returns true for a character of an identifier.
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

/// Returns every path that begins with `crate::`, this crate's name, `super::`, `self::` or `std::`, and every mention of
/// the emulator's crate.
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

    /// Returns true if a path can continue with the token at this index. A path like `a::<T>` ends before the `<`.
    fn is_segment(&self, i: usize) -> bool {
        let text = self.text(i);
        matches!(text, "{" | "*") || text.starts_with(is_word)
    }

    /// Follows a path that begins with `base`, or each path of a group in braces. Returns the position after the path
    /// or group.
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
                if goes_on && self.is_segment(i + 2) {
                    return self.walk(base, i + 2);
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

/// A source file without its test code.
pub(super) struct Production {
    pub(super) tokens: Vec<Token>,
    /// Names of the modules that are declared as tests only.
    pub(super) test_modules: Vec<String>,
}

/// Returns a source file without the items behind `#[cfg(test)]`.
pub(super) fn without_tests(tokens: &[Token]) -> Production {
    let text = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    let mut found = Production { tokens: Vec::new(), test_modules: Vec::new() };
    let mut i = 0;
    while i < tokens.len() {
        let is_test = text(i) == "#" && text(i + 1) == "[" && text(i + 2) == "cfg" && {
            let attribute = tokens[i..].iter().take_while(|token| token.text != "]");
            let words: Vec<_> = attribute.map(|token| token.text.as_str()).collect();
            words.contains(&"test") && !words.contains(&"not")
        };
        if !is_test {
            found.tokens.push(tokens[i].clone());
            i += 1;
            continue;
        }
        let end = item_end(tokens, i);
        let module = (i..end).find(|at| text(*at) == "mod" && text(*at + 2) == ";");
        found.test_modules.extend(module.map(|at| text(at + 1).to_owned()));
        i = end;
    }
    found
}

/// Returns the position after the item that begins at `start` with its attributes.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let text = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    let mut i = start;
    while text(i) == "#" && text(i + 1) == "[" {
        i = closing(tokens, i + 1) + 1;
    }
    // A field, an enum variant or a match arm ends with a comma, but an item such as a function does not.
    let is_item = matches!(
        text(i),
        "pub"
            | "fn"
            | "mod"
            | "use"
            | "impl"
            | "struct"
            | "enum"
            | "const"
            | "static"
            | "type"
            | "trait"
            | "async"
    );
    while i < tokens.len() {
        match text(i) {
            ";" => return i + 1,
            "," if !is_item => return i + 1,
            "}" => return i,
            "{" if is_item && text(i.saturating_sub(1)) != "::" => return closing(tokens, i) + 1,
            "(" | "[" | "{" => i = closing(tokens, i) + 1,
            _ => i += 1,
        }
    }
    i
}

/// Returns the position of the bracket that closes the bracket at `open`.
pub(super) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return i;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// A name that a module imports, and the path that it stands for.
#[derive(Debug, PartialEq)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Vec<String>,
}

/// Returns the imports at the top level of a module, with paths as written.
pub(super) fn imports(tokens: &[Token]) -> Vec<Import> {
    let text = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        match text(i) {
            "use" => i = collect_imports(tokens, i + 1, &[], &mut found),
            "(" | "[" | "{" => i = closing(tokens, i) + 1,
            _ => i += 1,
        }
    }
    found
}

/// Collects the imports of a path that begins with `base`, or of a group in braces. Returns the position after the path
/// or group.
fn collect_imports(tokens: &[Token], mut i: usize, base: &[String], found: &mut Vec<Import>) -> usize {
    let text = |i: usize| tokens.get(i).map_or("", |token: &Token| token.text.as_str());
    let mut path = base.to_vec();
    while i < tokens.len() {
        match text(i) {
            "{" => {
                let end = closing(tokens, i);
                i += 1;
                while i < end {
                    i = collect_imports(tokens, i, &path, found);
                    i += usize::from(text(i) == ",");
                }
                return end + 1;
            }
            "::" => i += 1,
            "as" => {
                let name = text(i + 1).to_owned();
                found.push(Import { name, path });
                return i + 2;
            }
            "," | ";" | "}" => break,
            "self" if !path.is_empty() => i += 1,
            segment => {
                path.push(segment.to_owned());
                i += 1;
            }
        }
    }
    if let Some(name) = path.last() {
        let name = name.clone();
        found.push(Import { name, path });
    }
    i
}
