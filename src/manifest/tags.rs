//! Decodes the tags of a service, and its key terms, which are terms that speech recognition should know.

use std::collections::{BTreeMap, HashMap};

use super::collector::{DiagnosticCollector, Problem, Span};
use super::decode;
use super::diagnostic::Code;
use super::rules::Rules;
use super::tree::{Key, Node, Value, shortened};
use crate::model::{Api, OriginTag, TAG_ORIGIN, TAG_PROTECTED, TAG_REPLACES};

/// The maximum length of a key term on the Platform API, in characters.
const MAX_KEYTERM: usize = 128;

/// Returns the maximum number of key terms that an API allows for a service.
fn max_keyterms(api: Api) -> usize {
    match api {
        Api::Classic => 20,
        Api::Platform => 500,
    }
}

/// Returns true if the Classic API accepts a string as a tag's key or value. The string must match `^[\w\s]+$`, and not
/// be only white space.
pub(super) fn is_valid(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c.is_whitespace())
}

/// Creates a problem that reports a tag's key or value with characters that the API rejects.
pub(super) fn bad_tag(span: Span, text: &str, what: &str) -> Problem {
    let message = format!("{what} `{}` contains characters that the API rejects", shortened(text));
    Problem::error(Code::BadTag, span, message).label("use letters, digits, underscores and spaces")
}

/// Decodes the tags of a service. Removes white space at both ends of keys and values. With `prevent_removal`, amigops
/// adds one more tag of its own, so the manifest may declare one tag fewer.
pub(super) fn decode(
    problems: &mut DiagnosticCollector,
    node: &Node,
    rules: &Rules<'_>,
    prevent_removal: bool,
) -> Option<BTreeMap<String, Option<String>>> {
    let map = decode::mapping(problems, node, "tags: key → value")?;
    let mut tags = BTreeMap::new();
    let mut places = HashMap::new();
    for (key, value) in &map.entries {
        let name = key.name.trim();
        check_key(problems, key, &value.value, rules);
        if let Some(first) = places.insert(name, key.span) {
            problems.push(
                Problem::error(Code::DuplicateKey, key.span, format!("duplicate tag `{}`", shortened(name)))
                    .label("the API removes spaces around keys, so both keys are the same")
                    .related(first, "first defined here"),
            );
        }
        let value = match &value.value {
            Value::Null => None,
            _ => value_of(problems, value, rules),
        };
        tags.insert(name.to_owned(), value);
    }
    let own = if prevent_removal { 3 } else { 2 };
    let all = rules.api.max_tags();
    let most = all.saturating_sub(own);
    if tags.len() > most {
        let message = format!("{} tags are declared, but at most {most} are allowed", tags.len());
        let problem = Problem::error(Code::TooMany, node.span, message);
        problems.push(problem.help(format!("the API allows {all} tags, and amigops needs {own} of them")));
    }
    Some(tags)
}

fn check_key(problems: &mut DiagnosticCollector, key: &Key, value: &Value, rules: &Rules<'_>) {
    let name = key.name.trim();
    // A tag `origin` with a value that amigops does not write is the user's own.
    let is_users = |value: &Value| {
        name == TAG_ORIGIN && !matches!(value, Value::Text(text) if OriginTag::parse(text).is_some())
    };
    if rules.policy.ownership.is_own_tag(name) && !is_users(value) {
        let purpose = match name {
            TAG_REPLACES => "this tag marks an unfinished replacement",
            TAG_PROTECTED => "amigops sets this tag for `lifecycle.prevent_removal`",
            TAG_ORIGIN => "this tag stores a hash of the service's name and the commit of its manifest",
            _ => "this tag names the project that owns the service",
        };
        problems.push(
            Problem::error(Code::OwnTag, key.span, format!("amigops writes the tag `{name}` itself"))
                .label(purpose)
                .help("remove this tag from the manifest; amigops manages its own tags"),
        );
    } else if name.is_empty() {
        problems.push(Problem::error(Code::BadText, key.span, "a tag's key is empty"));
    } else if !is_valid(name) && rules.api == Api::Classic {
        problems.push(bad_tag(key.span, &key.name, "the tag"));
    }
}

fn value_of(problems: &mut DiagnosticCollector, node: &Node, rules: &Rules<'_>) -> Option<String> {
    let text = decode::text(problems, node)?;
    if rules.api == Api::Platform {
        return Some(text.trim().to_owned());
    }
    if text.trim().is_empty() {
        problems.push(
            Problem::error(Code::BadText, node.span, "a tag's value is empty")
                .label("write `~` for a tag without a value"),
        );
    } else if !is_valid(text) {
        problems.push(bad_tag(node.span, text, "the tag's value"));
    }
    Some(text.trim().to_owned())
}

/// Decodes the key terms of a service. Removes duplicate terms, and white space at both ends of terms.
pub(super) fn keyterms(
    problems: &mut DiagnosticCollector,
    node: &Node,
    rules: &Rules<'_>,
) -> Option<Vec<String>> {
    let items = decode::list(problems, node, "key terms")?;
    let mut terms: Vec<String> = Vec::new();
    let mut places: HashMap<&str, Span> = HashMap::new();
    for item in items {
        let Some(term) = decode::text(problems, item).map(str::trim) else { continue };
        let bad = match rules.api {
            Api::Classic => (!is_keyterm(term)).then(|| bad_keyterm(item.span, term)),
            Api::Platform => bad_length(item.span, term),
        };
        if let Some(problem) = bad {
            problems.push(problem);
        } else if let Some(first) = places.get(term) {
            problems.push(
                Problem::warning(
                    Code::DuplicateKeyterm,
                    item.span,
                    format!("duplicate key term `{}`", shortened(term)),
                )
                .label("the duplicate is ignored")
                .related(*first, "first defined here"),
            );
        } else {
            places.insert(term, item.span);
            terms.push(term.to_owned());
        }
    }
    let most = max_keyterms(rules.api);
    if terms.len() > most {
        let message = format!("{} key terms are declared, but at most {most} are allowed", terms.len());
        problems.push(Problem::error(Code::TooMany, node.span, message));
    }
    Some(terms)
}

/// Returns true if the Classic API accepts a key term, which must match `^[a-z-]+( [a-z-]+){0,2}$`.
fn is_keyterm(term: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    term.split(' ').count() <= 3 && term.split(' ').all(word)
}

fn bad_keyterm(span: Span, term: &str) -> Problem {
    let message = format!("the API rejects the key term `{}`", shortened(term));
    let problem = Problem::error(Code::BadKeyterm, span, message);
    let fixed: Vec<String> = term.split_whitespace().map(str::to_lowercase).collect();
    let fixed = fixed.join(" ");
    if is_keyterm(&fixed) {
        problem.label(format!("did you mean `{fixed}`?"))
    } else {
        problem.label("use one to three words of lower-case letters (a–z) and `-`")
    }
}

/// Returns a problem if a key term is too short or too long for the Platform API, and otherwise `None`. The Platform
/// API limits only the length.
fn bad_length(span: Span, term: &str) -> Option<Problem> {
    let length = term.chars().count();
    let message = format!("the API rejects the key term `{}`", shortened(term));
    (!(1..=MAX_KEYTERM).contains(&length)).then(|| {
        Problem::error(Code::BadKeyterm, span, message)
            .label(format!("{length} characters; the API allows 1 to {MAX_KEYTERM}"))
    })
}

#[cfg(test)]
mod tests {
    use super::{is_keyterm, is_valid};

    #[test]
    fn keyterms_and_tags_match_the_patterns_of_the_api() {
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
