//! Decodes the version sets of a service, which contain versions and model preferences.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::collector::{DiagnosticCollector, Problem, Span};
use super::decode::{self, Fields, Shape};
use super::diagnostic::Code;
use super::rules::{Rules, not_yet, platform_only};
use super::scalar;
use super::settings;
use super::tree::{Key, Node, Value, shortened};
use crate::model::{Api, DesiredPreference, DesiredVersionSet, Pin, VersionSetName, forbidden_in_name};

pub(super) const SHAPE: Shape = Shape {
    what: "a version set",
    keys: &["agent_version", "context_graph_version", "llm_model_preferences"],
    help: "",
};
const PREFERENCE: Shape = Shape {
    what: "a model preference",
    keys: &["llm_name", "params"],
    help: "put parameters under `params`",
};
pub(super) const PLATFORM_PREFERENCE: Shape = Shape {
    keys: &["llm_name", "params", "experience_controls"],
    help: "put parameters under `params` or `experience_controls`",
    ..PREFERENCE
};
/// The prefixes of the names of known models. Each prefix stands for a provider.
const MODEL_FAMILIES: &[&str] = &["openai_", "azure_", "google_", "aws_", "anthropic_"];

/// Returns true if a version set's name is valid: `^[A-Za-z0-9_-]{1,40}$` on Classic, any 1 to 40 visible characters on
/// Platform. Reports any other name.
pub(super) fn check_name(problems: &mut DiagnosticCollector, name: &str, span: Span, api: Api) -> bool {
    let length = (1..=40).contains(&name.chars().count());
    let (valid, expected) = match api {
        Api::Classic => {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            (length && name.chars().all(fits), "use 1 to 40 letters (a–z, A–Z), digits, `-` and `_`")
        }
        Api::Platform => {
            let fits = forbidden_in_name(name).is_none() && name.trim() == name;
            (length && fits, "use 1 to 40 visible characters without surrounding spaces")
        }
    };
    if !valid {
        let message = format!("`{}` can't be a version set's name", shortened(name));
        problems.push(Problem::error(Code::BadVersionSetName, span, message).label(expected));
    }
    valid
}

/// Decodes all version sets of a service. Returns them by name, or `None` if the node is not a mapping.
pub(super) fn decode_all(
    problems: &mut DiagnosticCollector,
    node: &Node,
    rules: &Rules<'_>,
) -> Option<BTreeMap<VersionSetName, DesiredVersionSet>> {
    let map = decode::mapping(problems, node, "version sets by name")?;
    let mut sets = BTreeMap::new();
    for (key, value) in &map.entries {
        let allowed = check_declarable(problems, key, rules);
        if value.value == Value::Null {
            problems.push(
                Problem::error(Code::NoValue, key.span, format!("version set `{}` has no value", key.name))
                    .label("write `{}` for a version set without settings"),
            );
        } else if let Some(set) = decode(problems, key, value, rules)
            && allowed
        {
            sets.insert(VersionSetName::new(&key.name), set);
        }
    }
    Some(sets)
}

/// Returns true if a manifest may declare a version set with this name. Otherwise, reports the reason.
fn check_declarable(problems: &mut DiagnosticCollector, key: &Key, rules: &Rules<'_>) -> bool {
    if !check_name(problems, &key.name, key.span, rules.api) {
        return false;
    }
    let name = VersionSetName::new(&key.name);
    if name.is_edge() {
        problems.push(
            Problem::error(Code::EdgeDeclared, key.span, "`edge` can't be declared")
                .label("the server manages this version set")
                .help("`edge` always uses the latest agent and context graph; use another name"),
        );
        return false;
    }
    if rules.policy.unmanaged_version_sets.matches(&name) {
        problems.push(
            Problem::error(
                Code::UnmanagedDeclared,
                key.span,
                format!("version set `{name}` is declared, but the project does not manage this version set"),
            )
            .label("a pattern in `unmanaged_version_sets` matches this name")
            .help("remove the version set here, or change the pattern in amigops.yaml"),
        );
        return false;
    }
    true
}

/// Reports an unknown key of a version set and returns true if there is a specific message for that key. Otherwise,
/// returns false.
fn report_mistaken_key(problems: &mut DiagnosticCollector, key: &Key) -> bool {
    let meant = match key.name.as_str() {
        "gate" => {
            problems.push(not_yet(key.span, "`gate` on a version set"));
            return true;
        }
        "experience_controls" => {
            let problem = Problem::error(Code::UnknownKey, key.span, "unknown key `experience_controls`");
            problems.push(
                problem
                    .label("this key belongs to a model preference")
                    .help("move this key next to `llm_name`, under `llm_model_preferences:`"),
            );
            return true;
        }
        // The following keys have the API's names instead of the manifest's names.
        "agent_version_number" => "agent_version",
        "context_graph_version_number" | "service_hierarchical_state_machine_version_number" => {
            "context_graph_version"
        }
        _ => return false,
    };
    let problem = Problem::error(Code::UnknownKey, key.span, format!("unknown key `{}`", key.name));
    problems.push(problem.label(format!("did you mean `{meant}`?")));
    true
}

fn decode(
    problems: &mut DiagnosticCollector,
    key: &Key,
    node: &Node,
    rules: &Rules<'_>,
) -> Option<DesiredVersionSet> {
    let fields =
        Fields::open_with(problems, node, &SHAPE, |problems, key, _| report_mistaken_key(problems, key))?;
    let mut pin = |name: &str| {
        let pin = fields.get(problems, name).and_then(|node| pin(problems, node, name));
        let required = rules.policy.guardrails.require_pins.contains(key.name.as_str());
        let at = fields.raw(name).map_or(key.span, |node| node.span);
        // An invalid version is already reported.
        if required && (pin == Some(Pin::Latest) || fields.raw(name).is_none()) {
            let problem = Problem::error(
                Code::PinRequired,
                at,
                format!("`{name}` of version set `{}` must be a number", key.name),
            );
            let label =
                if pin.is_some() { "`latest` is not a version number" } else { "the version is missing" };
            problems.push(
                problem
                    .label(label)
                    .help(format!("`guardrails.require_pins` in amigops.yaml lists `{}`", key.name)),
            );
        }
        pin
    };
    let agent_version = pin("agent_version");
    let context_graph_version = pin("context_graph_version");
    let preferences =
        fields.get(problems, "llm_model_preferences").and_then(|node| preferences(problems, node, rules));
    Some(DesiredVersionSet {
        agent_version,
        context_graph_version,
        llm_model_preferences: preferences,
        place: problems.place(key.span),
    })
}

fn pin(problems: &mut DiagnosticCollector, node: &Node, name: &str) -> Option<Pin> {
    let (found, label) = match &node.value {
        Value::Text(text) if text == "latest" => (Some(Pin::Latest), String::new()),
        Value::Text(text) if text.trim().parse::<u32>().is_ok_and(|number| number > 0) => {
            (None, format!("write the value without quotes: {}", text.trim()))
        }
        Value::Text(text) if scalar::yaml_1_1_type(text) == Some("a number") => {
            (None, "YAML 1.2 reads this as a string: write only decimal digits".to_owned())
        }
        Value::Number(number) if decode::is_ambiguous(&number.raw) => {
            (None, "remove the leading zero: the number could be read as octal".to_owned())
        }
        Value::Number(number) => {
            let pin = number.raw.parse::<u32>().ok().filter(|number| *number > 0).map(Pin::Number);
            (pin, "expected a whole number of at least 1".to_owned())
        }
        _ => (None, "expected a whole number of at least 1, or `latest`".to_owned()),
    };
    if found.is_none() {
        let message = format!("`{name}` must be a version number or `latest`, not {}", node.describe());
        problems.push(Problem::error(Code::BadPin, node.span, message).label(label));
    }
    found
}

fn preferences(
    problems: &mut DiagnosticCollector,
    node: &Node,
    rules: &Rules<'_>,
) -> Option<BTreeMap<String, DesiredPreference>> {
    let map = decode::mapping(problems, node, "model preferences by interaction")?;
    let mut found = BTreeMap::new();
    for (key, value) in &map.entries {
        if key.name.trim().is_empty() {
            problems.push(Problem::error(Code::BadText, key.span, "an interaction's name is empty"));
        }
        if let Some(preference) = preference(problems, key, value, rules) {
            found.insert(key.name.clone(), preference);
        }
    }
    Some(found)
}

fn preference(
    problems: &mut DiagnosticCollector,
    key: &Key,
    node: &Node,
    rules: &Rules<'_>,
) -> Option<DesiredPreference> {
    let shape = match rules.api {
        Api::Classic => PREFERENCE,
        Api::Platform => PLATFORM_PREFERENCE,
    };
    let fields = Fields::open_with(problems, node, &shape, |problems, key, _| {
        // This key is unknown only on Classic: the list of keys for Platform contains it.
        let is_platform_only = key.name == "experience_controls";
        if is_platform_only {
            problems.push(platform_only(key.span, &key.name));
        }
        is_platform_only
    })?;
    let llm_name = fields
        .require(problems, "llm_name", key.span, "a model preference")
        .and_then(|node| Some((decode::name(problems, node, "a model's name")?, node.span)));
    if let Some((name, span)) = llm_name
        && !MODEL_FAMILIES.iter().any(|family| name.starts_with(family))
    {
        let message =
            format!("the model `{}` is of a model family that amigops does not know", shortened(name));
        problems.push(
            Problem::warning(Code::UnknownModel, span, message)
                .label("amigops sends the name unchanged, and the server decides"),
        );
    }
    let params = fields.get(problems, "params").and_then(|node| {
        decode::mapping(problems, node, "a model's parameters")?;
        match decode::json(problems, node) {
            Json::Object(params) => Some(params),
            _ => None,
        }
    });
    let controls = fields.raw("experience_controls").filter(|_| rules.api == Api::Platform);
    let experience_controls = match controls.map(|node| (&node.value, node)) {
        None => None,
        Some((Value::Null, _)) => Some(None),
        Some((_, node)) => settings::experience_controls(problems, node).map(Some),
    };
    Some(DesiredPreference { llm_name: llm_name?.0.to_owned(), params, experience_controls })
}
