//! A service's tags and key terms. Imports `model`.

use std::collections::{BTreeMap, HashMap};

use super::decode;
use super::diagnostic::Code;
use super::service::Rules;
use super::sink::{Problem, Sink, Span};
use super::tree::{Key, Node, Value, shortened};
use crate::model::{Api, TAG_PROTECTED, TAG_REPLACES};

/// The most characters of a key term on the Platform API.
const MAX_KEYTERM: usize = 128;

/// The most key terms that the API takes.
fn max_keyterms(api: Api) -> usize {
    match api {
        Api::Classic => 20,
        Api::Platform => 500,
    }
}

/// Whether the API takes this as a tag's key or value: `^[\w\s]+$`, and something but white space.
pub(super) fn is_valid(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c.is_whitespace())
}

/// A tag's key or value that the API refuses.
pub(super) fn bad_tag(span: Span, text: &str, what: &str) -> Problem {
    let message = format!("{what} `{}` has characters that the API refuses", shortened(text));
    Problem::error(Code::BadTag, span, message)
        .label("only letters, digits, underscores and spaces are allowed")
}

/// The declared tags, trimmed.
pub(super) fn decode(
    sink: &mut Sink,
    node: &Node,
    rules: &Rules<'_>,
    prevent_removal: bool,
) -> Option<BTreeMap<String, Option<String>>> {
    let map = decode::mapping(sink, node, "tags: key → value")?;
    let mut tags = BTreeMap::new();
    let mut places = HashMap::new();
    for (key, value) in &map.entries {
        let name = key.name.trim();
        check_key(sink, key, rules);
        if let Some(first) = places.insert(name, key.span) {
            sink.push(
                Problem::error(
                    Code::DuplicateKey,
                    key.span,
                    format!("the tag `{}` is given twice", shortened(name)),
                )
                .label("the API trims keys, so these are the same")
                .related(first, "first given here"),
            );
        }
        let value = match &value.value {
            Value::Null => None,
            _ => value_of(sink, value, rules),
        };
        tags.insert(name.to_owned(), value);
    }
    let own = if prevent_removal { 3 } else { 2 };
    let all = rules.api.max_tags();
    let most = all.saturating_sub(own);
    if tags.len() > most {
        let message = format!("{} tags are declared, {most} are the most", tags.len());
        let problem = Problem::error(Code::TooMany, node.span, message);
        sink.push(problem.help(format!("the API takes {all} tags, and the tool needs {own} for itself")));
    }
    Some(tags)
}

fn check_key(sink: &mut Sink, key: &Key, rules: &Rules<'_>) {
    let name = key.name.trim();
    if rules.policy.ownership.is_own_tag(name) {
        let purpose = match name {
            TAG_REPLACES => "it marks a replacement that is under way",
            TAG_PROTECTED => "it comes from `lifecycle.prevent_removal`",
            _ => "it says which project owns the service",
        };
        sink.push(
            Problem::error(Code::OwnTag, key.span, format!("the tool writes the tag `{name}` itself"))
                .label(purpose)
                .help("remove it here: the tool's own tags are kept whatever a manifest declares"),
        );
    } else if name.is_empty() {
        sink.push(Problem::error(Code::BadText, key.span, "a tag's key is empty"));
    } else if !is_valid(name) && rules.api == Api::Classic {
        sink.push(bad_tag(key.span, &key.name, "the tag"));
    }
}

fn value_of(sink: &mut Sink, node: &Node, rules: &Rules<'_>) -> Option<String> {
    let text = decode::text(sink, node)?;
    if rules.api == Api::Platform {
        return Some(text.trim().to_owned());
    }
    if text.trim().is_empty() {
        sink.push(
            Problem::error(Code::BadText, node.span, "a tag's value is empty")
                .label("write `~` for a tag without a value"),
        );
    } else if !is_valid(text) {
        sink.push(bad_tag(node.span, text, "the tag's value"));
    }
    Some(text.trim().to_owned())
}

/// The declared key terms, trimmed, each once.
pub(super) fn keyterms(sink: &mut Sink, node: &Node, rules: &Rules<'_>) -> Option<Vec<String>> {
    let items = decode::list(sink, node, "key terms")?;
    let mut terms: Vec<String> = Vec::new();
    let mut places: HashMap<&str, Span> = HashMap::new();
    for item in items {
        let Some(term) = decode::text(sink, item).map(str::trim) else { continue };
        let bad = match rules.api {
            Api::Classic => (!is_keyterm(term)).then(|| bad_keyterm(item.span, term)),
            Api::Platform => bad_length(item.span, term),
        };
        if let Some(problem) = bad {
            sink.push(problem);
        } else if let Some(first) = places.get(term) {
            sink.push(
                Problem::warning(
                    Code::DuplicateKeyterm,
                    item.span,
                    format!("`{}` is given twice", shortened(term)),
                )
                .label("it counts once")
                .related(*first, "first given here"),
            );
        } else {
            places.insert(term, item.span);
            terms.push(term.to_owned());
        }
    }
    let most = max_keyterms(rules.api);
    if terms.len() > most {
        let message = format!("{} key terms are declared, {most} are the most", terms.len());
        sink.push(Problem::error(Code::TooMany, node.span, message));
    }
    Some(terms)
}

/// `^[a-z-]+( [a-z-]+){0,2}$`
fn is_keyterm(term: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    term.split(' ').count() <= 3 && term.split(' ').all(word)
}

fn bad_keyterm(span: Span, term: &str) -> Problem {
    let message = format!("the API refuses the key term `{}`", shortened(term));
    let problem = Problem::error(Code::BadKeyterm, span, message);
    let fixed: Vec<String> = term.split_whitespace().map(str::to_lowercase).collect();
    let fixed = fixed.join(" ");
    if is_keyterm(&fixed) {
        problem.label(format!("did you mean `{fixed}`?"))
    } else {
        problem.label("one to three words of lower-case letters (a–z) and `-`")
    }
}

/// Platform takes any key term that is neither empty nor long.
fn bad_length(span: Span, term: &str) -> Option<Problem> {
    let length = term.chars().count();
    let message = format!("the API refuses the key term `{}`", shortened(term));
    (!(1..=MAX_KEYTERM).contains(&length)).then(|| {
        Problem::error(Code::BadKeyterm, span, message)
            .label(format!("{length} characters, 1 to {MAX_KEYTERM} are taken"))
    })
}

#[cfg(test)]
mod tests {
    use super::{is_keyterm, is_valid};

    #[test]
    fn the_patterns_of_the_api() {
        for term in ["metformin", "blood sugar", "a-b c-d e", "-"] {
            assert!(is_keyterm(term), "{term:?}");
        }
        for term in ["", "A", "a  b", "a b c d", "b12", "é", "a\tb", " a"] {
            assert!(!is_keyterm(term), "{term:?}");
        }
        for tag in ["gold", "Größe 2", "a_b", "a b"] {
            assert!(is_valid(tag), "{tag:?}");
        }
        for tag in ["", " ", "a-b", "a:b", "a.b", "🙂"] {
            assert!(!is_valid(tag), "{tag:?}");
        }
    }
}
