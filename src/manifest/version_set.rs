//! A service's version sets: pins and model preferences. Imports `model`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::decode::{self, Fields, Shape};
use super::diagnostic::Code;
use super::service::{Rules, not_yet, platform_only};
use super::settings;
use super::sink::{Problem, Sink, Span};
use super::tree::{Key, Node, Value, shortened};
use crate::model::{Api, DesiredPreference, DesiredVersionSet, Pin, VersionSetName};

pub(super) const SHAPE: Shape = Shape {
    what: "a version set",
    keys: &["agent_version", "context_graph_version", "llm_model_preferences"],
    help: "",
};
const PREFERENCE: Shape = Shape {
    what: "a model preference",
    keys: &["llm_name", "params"],
    help: "parameters stand under `params`",
};
pub(super) const PLATFORM_PREFERENCE: Shape = Shape {
    keys: &["llm_name", "params", "experience_controls"],
    help: "parameters stand under `params` or `experience_controls`",
    ..PREFERENCE
};
/// Who serves the models that are known, as the first part of a model's name says.
const MODEL_FAMILIES: &[&str] = &["openai_", "azure_", "google_", "aws_", "anthropic_"];

/// On Classic `^[A-Za-z0-9_-]{1,40}$`; on Platform any 1 to 40 characters that can be seen.
pub(super) fn check_name(sink: &mut Sink, name: &str, span: Span, api: Api) -> bool {
    let length = (1..=40).contains(&name.chars().count());
    let (valid, expected) = match api {
        Api::Classic => {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            (length && name.chars().all(fits), "1 to 40 letters (a–z, A–Z), digits, `-` and `_`")
        }
        Api::Platform => {
            let fits = !name.chars().any(char::is_control) && name.trim() == name;
            (length && fits, "1 to 40 characters, none of them a control character, no space around them")
        }
    };
    if !valid {
        let message = format!("`{}` can't be a version set's name", shortened(name));
        sink.push(Problem::error(Code::BadVersionSetName, span, message).label(expected));
    }
    valid
}

/// The declared version sets by name.
pub(super) fn decode_all(
    sink: &mut Sink,
    node: &Node,
    rules: &Rules<'_>,
) -> Option<BTreeMap<VersionSetName, DesiredVersionSet>> {
    let map = decode::mapping(sink, node, "version sets by name")?;
    let mut sets = BTreeMap::new();
    for (key, value) in &map.entries {
        let allowed = declarable(sink, key, rules);
        if value.value == Value::Null {
            sink.push(
                Problem::error(Code::NoValue, key.span, format!("version set `{}` has no value", key.name))
                    .label("write `{}` for a set that is only to be there"),
            );
        } else if let Some(set) = decode(sink, key, value, rules)
            && allowed
        {
            sets.insert(VersionSetName::new(&key.name), set);
        }
    }
    Some(sets)
}

fn declarable(sink: &mut Sink, key: &Key, rules: &Rules<'_>) -> bool {
    if !check_name(sink, &key.name, key.span, rules.api) {
        return false;
    }
    let name = VersionSetName::new(&key.name);
    if name.is_edge() {
        sink.push(
            Problem::error(Code::EdgeDeclared, key.span, "`edge` belongs to the server")
                .label("it can't be written or deleted, so it can't be declared")
                .help("`edge` is always the latest agent and context graph; declare a set of another name"),
        );
        return false;
    }
    if rules.policy.unmanaged_version_sets.matches(&name) {
        sink.push(
            Problem::error(
                Code::UnmanagedDeclared,
                key.span,
                format!("version set `{name}` is declared and unmanaged"),
            )
            .label("a pattern of `unmanaged_version_sets` matches it")
            .help("remove it here, or change the pattern in amigops.yaml"),
        );
        return false;
    }
    true
}

fn decode(sink: &mut Sink, key: &Key, node: &Node, rules: &Rules<'_>) -> Option<DesiredVersionSet> {
    let fields = Fields::open_with(sink, node, &SHAPE, |sink, key, _| {
        let meant = match key.name.as_str() {
            "gate" => {
                sink.push(not_yet(key.span, "`gate` on a version set"));
                return true;
            }
            "experience_controls" => {
                let problem = Problem::error(Code::UnknownKey, key.span, "unknown key `experience_controls`");
                sink.push(
                    problem
                        .label("it belongs to a model preference")
                        .help("write it beside `llm_name`, under `llm_model_preferences:`"),
                );
                return true;
            }
            // As the API spells them.
            "agent_version_number" => "agent_version",
            "context_graph_version_number" | "service_hierarchical_state_machine_version_number" => {
                "context_graph_version"
            }
            _ => return false,
        };
        let problem = Problem::error(Code::UnknownKey, key.span, format!("unknown key `{}`", key.name));
        sink.push(problem.label(format!("did you mean `{meant}`?")));
        true
    })?;
    let mut pin = |name: &str| {
        let pin = fields.get(sink, name).and_then(|node| pin(sink, node, name));
        let required = rules.policy.guardrails.require_pins.contains(key.name.as_str());
        let at = fields.raw(name).map_or(key.span, |node| node.span);
        // What isn't a pin at all was reported already.
        if required && (pin == Some(Pin::Latest) || fields.raw(name).is_none()) {
            let problem = Problem::error(
                Code::PinRequired,
                at,
                format!("`{name}` of version set `{}` must be a number", key.name),
            );
            let label = if pin.is_some() { "`latest` is not a pin" } else { "it is not pinned here" };
            sink.push(
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
        fields.get(sink, "llm_model_preferences").and_then(|node| preferences(sink, node, rules));
    Some(DesiredVersionSet {
        agent_version,
        context_graph_version,
        llm_model_preferences: preferences,
        place: sink.place(key.span),
    })
}

fn pin(sink: &mut Sink, node: &Node, name: &str) -> Option<Pin> {
    let (found, label) = match &node.value {
        Value::Text(text) if text == "latest" => (Some(Pin::Latest), String::new()),
        Value::Text(text) if text.trim().parse::<u32>().is_ok_and(|number| number > 0) => {
            (None, format!("write it without quotes: {}", text.trim()))
        }
        Value::Number(number) if decode::is_ambiguous(&number.raw) => {
            (None, "write it without the zero: it may be read as octal".to_owned())
        }
        Value::Number(number) => {
            let pin = number.raw.parse::<u32>().ok().filter(|number| *number > 0).map(Pin::Number);
            (pin, "versions are whole numbers from 1".to_owned())
        }
        _ => (None, "expected a whole number from 1, or `latest`".to_owned()),
    };
    if found.is_none() {
        let message = format!("`{name}` is a version's number or `latest`, not {}", node.describe());
        sink.push(Problem::error(Code::BadPin, node.span, message).label(label));
    }
    found
}

fn preferences(
    sink: &mut Sink,
    node: &Node,
    rules: &Rules<'_>,
) -> Option<BTreeMap<String, DesiredPreference>> {
    let map = decode::mapping(sink, node, "interaction → model preference")?;
    let mut found = BTreeMap::new();
    for (key, value) in &map.entries {
        if key.name.trim().is_empty() {
            sink.push(Problem::error(Code::BadText, key.span, "an interaction's name is empty"));
        }
        if let Some(preference) = preference(sink, key, value, rules) {
            found.insert(key.name.clone(), preference);
        }
    }
    Some(found)
}

fn preference(sink: &mut Sink, key: &Key, node: &Node, rules: &Rules<'_>) -> Option<DesiredPreference> {
    let shape = match rules.api {
        Api::Classic => PREFERENCE,
        Api::Platform => PLATFORM_PREFERENCE,
    };
    let fields = Fields::open_with(sink, node, &shape, |sink, key, _| {
        // Only Classic gets here with this key.
        let lacking = key.name == "experience_controls";
        if lacking {
            sink.push(platform_only(key.span, &key.name));
        }
        lacking
    })?;
    let llm_name = fields
        .require(sink, "llm_name", key.span, "a model preference")
        .and_then(|node| Some((decode::name(sink, node, "a model's name")?, node.span)));
    if let Some((name, span)) = llm_name
        && !MODEL_FAMILIES.iter().any(|family| name.starts_with(family))
    {
        let message = format!("`{}` is of no family of models that is known here", shortened(name));
        sink.push(
            Problem::warning(Code::UnknownModel, span, message)
                .label("passed on as it is; the server decides"),
        );
    }
    let params = fields.get(sink, "params").and_then(|node| {
        decode::mapping(sink, node, "a model's parameters")?;
        match decode::json(sink, node) {
            Json::Object(params) => Some(params),
            _ => None,
        }
    });
    let controls = fields.raw("experience_controls").filter(|_| rules.api == Api::Platform);
    let experience_controls = match controls.map(|node| (&node.value, node)) {
        None => None,
        Some((Value::Null, _)) => Some(None),
        Some((_, node)) => settings::experience_controls(sink, node).map(Some),
    };
    Some(DesiredPreference { llm_name: llm_name?.0.to_owned(), params, experience_controls })
}
