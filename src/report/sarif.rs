//! Renders the result of a validation as SARIF 2.1.0, for code scanning and editors.
//!
//! A problem in a file becomes a SARIF result. A problem without a file, such as a directory without a project, becomes
//! a notification, because viewers reject results without a location.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::github::{in_repository, is_of_project, problem_text};
use super::{explain, text};
use crate::manifest::{Code, Diagnostic, Location, Severity, Sources, Validation};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The name that SARIF uses for the directory that file paths are relative to.
const BASE: &str = "%SRCROOT%";
/// The name of the algorithm that computes fingerprints of problems. If the algorithm changes, this name must change,
/// too.
const FINGERPRINT: &str = "amigops/v1";

/// Renders the result of a validation as a SARIF document, with a final line break. `directory` is the project's path
/// in the repository. It is empty if the project is at the root of the repository.
pub fn render(validation: &Validation, directory: &str) -> String {
    let problems = &validation.problems;
    let codes: BTreeSet<Code> = problems.diagnostics.iter().map(|one| one.code).collect();
    let (placed, unplaced): (Vec<_>, Vec<_>) =
        problems.diagnostics.iter().partition(|one| is_of_project(one.code));
    let mut seen = BTreeMap::new();
    let results: Vec<Value> = placed
        .into_iter()
        .map(|one| {
            let index = codes.iter().position(|code| *code == one.code);
            let fingerprint = fingerprint(one, &problems.sources, directory, &mut seen);
            result(one, index.unwrap_or_default(), directory, &fingerprint)
        })
        .collect();
    let mut notifications: Vec<Value> = unplaced.into_iter().map(notification).collect();
    if problems.omitted > 0 {
        let message = format!("{} more errors are not shown", problems.omitted);
        notifications.push(json!({"level": "error", "message": {"text": message}}));
    }
    let mut invocation = json!({"executionSuccessful": notifications.is_empty()});
    if !notifications.is_empty() {
        invocation["toolConfigurationNotifications"] = notifications.into();
    }
    text::json(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "amigops",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
            }},
            "invocations": [invocation],
            "originalUriBaseIds": {BASE: {"description": {"text": "The root of the repository."}}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn rule(code: Code) -> Value {
    let mut rule = json!({
        "id": code.as_str(),
        "name": format!("{code:?}"),
        "shortDescription": {"text": code.summary()},
        "help": {
            "text": format!("{} See {}.", code.summary(), explain::link(code)),
            "markdown": explain::section(code),
        },
    });
    // The URI must be absolute. So it is only given if the address of the repository is known.
    if let Some(repository) = option_env!("CARGO_PKG_REPOSITORY").filter(|address| !address.is_empty()) {
        let version = env!("CARGO_PKG_VERSION");
        rule["helpUri"] = format!("{repository}/blob/v{version}/{}", explain::link(code)).into();
    }
    rule
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(problem: &Diagnostic, rule: usize, directory: &str, fingerprint: &str) -> Value {
    let mut result = json!({
        "ruleId": problem.code.as_str(),
        "ruleIndex": rule,
        "level": level(problem.severity),
        "message": {"text": problem_text(problem)},
        "locations": [location(&problem.location, directory)],
        "partialFingerprints": {FINGERPRINT: fingerprint},
    });
    let related = problem.related.iter().map(|other| {
        let mut place = location(&other.location, directory);
        place["message"] = json!({"text": text::visible(&other.label)});
        place
    });
    let related: Vec<Value> = related.collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    result
}

fn notification(problem: &Diagnostic) -> Value {
    json!({
        "level": level(problem.severity),
        "message": {"text": problem_text(problem)},
        "associatedRule": {"id": problem.code.as_str()},
    })
}

fn location(location: &Location, directory: &str) -> Value {
    let file = in_repository(directory, &location.file);
    let mut place = Map::new();
    place.insert("artifactLocation".into(), json!({"uri": uri(&file), "uriBaseId": BASE}));
    if let Some(spot) = location.spot {
        let region = json!({
            "startLine": spot.line,
            "startColumn": spot.column,
            "endLine": spot.end_line,
            "endColumn": spot.end_column,
        });
        place.insert("region".into(), region);
    }
    json!({"physicalLocation": place})
}

/// Returns a path as a relative URI. Escapes all characters except ASCII letters, digits, `/`, `-`, `.`, `_` and `~`.
fn uri(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Returns a fingerprint that identifies a problem even if its lines move. It depends on the code, the file, the text
/// that the problem is about, and the number of equal problems before this one. `seen` counts the problems with each
/// hash.
fn fingerprint(
    problem: &Diagnostic,
    sources: &Sources,
    directory: &str,
    seen: &mut BTreeMap<u64, u32>,
) -> String {
    let Location { file, spot } = &problem.location;
    let text = sources.get(file).unwrap_or_default();
    let marked = spot.and_then(|spot| text.get(spot.start..spot.end)).unwrap_or_default();
    let parts = [problem.code.as_str(), &in_repository(directory, file), marked];
    let hash = fnv1a(parts.join("\0").as_bytes());
    let count = seen.entry(hash).or_default();
    *count += 1;
    format!("{hash:016x}:{count}")
}

/// Returns the 64-bit FNV-1a hash of the bytes. Unlike the hashes of the standard library, the result is the same in
/// every version.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{fnv1a, uri};

    #[test]
    fn names_become_references() {
        assert_eq!(uri("services/a b/ä:%.yaml"), "services/a%20b/%C3%A4%3A%25.yaml");
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x85944171f73967e8);
    }
}
