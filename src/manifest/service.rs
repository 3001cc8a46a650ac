//! A service document, merged with defaults and an overlay → [`DesiredService`]. Imports `model`.

use std::collections::BTreeSet;

use super::decode::{self, Fields, Shape};
use super::diagnostic::Code;
use super::sink::{Problem, Sink, Span};
use super::tree::{Key, Node, Value, shortened};
use super::{lifecycle, tags, version_set};
use crate::model::{Api, DesiredService, Place, Policy, Reference, ServiceName};

/// What a service is read against.
pub(super) struct Rules<'a> {
    pub(super) policy: &'a Policy,
    /// The environment is on the Platform API: nothing there is managed by this version, so the rules of
    /// Classic don't apply, and fields of Platform are no problem.
    pub(super) platform: bool,
}

impl Rules<'_> {
    /// The most tags of a service.
    pub(super) fn max_tags(&self) -> usize {
        Api::Classic.max_tags()
    }
}

/// A service, and where it says what other services are compared with.
#[derive(Clone)]
pub(super) struct Decoded {
    pub(super) service: DesiredService,
    pub(super) name: Span,
    pub(super) depends_on: Vec<(ServiceName, Span)>,
    pub(super) renamed_from: Option<Span>,
}

const SHAPE: Shape = Shape {
    what: "a service",
    keys: &[
        "service",
        "description",
        "agent",
        "context_graph",
        "active",
        "keyterms",
        "tags",
        "version_sets",
        "depends_on",
        "lifecycle",
        "smoke",
        "environments",
    ],
    help: "",
};
/// What a service has on the Platform API only.
const PLATFORM_KEYS: &[&str] = &[
    "channel_type",
    "environment",
    "tool_capacity",
    "safety_filters_enabled",
    "voice_config",
    "escalation_policy",
    "experience_controls",
];
const REFERENCE: Shape =
    Shape { what: "a reference", keys: &["id"], help: "write the name as a text, or `{id: …}`" };

/// A field that only Platform has.
pub(super) fn platform_only(span: Span, name: &str) -> Problem {
    Problem::error(Code::PlatformOnly, span, format!("`{name}` belongs to the Platform API"))
        .label("the environment's API is Classic, which lacks it")
        .help("this version manages the Classic API only; say it in the overlay of a Platform environment")
}

/// Something that waits for a later version.
pub(super) fn not_yet(span: Span, what: &str) -> Problem {
    Problem::error(Code::NotYet, span, format!("{what} waits for a later version of amigops"))
        .label("remove it: nothing would act on it yet")
}

/// Reads one service, reporting every problem. None when not even its name is known.
pub(super) fn decode(sink: &mut Sink, node: &Node, rules: &Rules<'_>) -> Option<Decoded> {
    let fields = Fields::open_with(sink, node, &SHAPE, |sink, key, _| {
        if PLATFORM_KEYS.contains(&key.name.as_str()) {
            if !rules.platform {
                sink.push(platform_only(key.span, &key.name));
            }
            return true;
        }
        misnamed(key).map(|problem| sink.push(problem)).is_some()
    })?;
    // The loader points a document's span to its own first key: members may come from the defaults.
    let first = node.span;
    let name = fields.require(sink, "service", first, "a service").and_then(|node| {
        Some((ServiceName::new(decode::name(sink, node, "the service's name")?), node.span))
    });
    let at = name.as_ref().map_or(first, |(_, span)| *span);
    let (agent, agent_place) = reference(sink, fields, "agent", at, rules);
    let (context_graph, context_graph_place) = reference(sink, fields, "context_graph", at, rules);
    let lifecycle = fields.get(sink, "lifecycle").map(|node| lifecycle::decode(sink, node, rules));
    let (lifecycle, renamed_from) = lifecycle.unwrap_or_default();
    let depends_on = fields.get(sink, "depends_on").map(|node| decode::texts(sink, node, "services"));
    let depends_on: Vec<_> =
        depends_on.into_iter().flatten().map(|(name, span)| (ServiceName::new(name), span)).collect();
    let prevent = lifecycle.prevent_removal;
    let description = fields.get(sink, "description");
    let service = DesiredService {
        agent,
        agent_place,
        context_graph,
        context_graph_place,
        description: description
            .and_then(|node| decode::prose(sink, node, "`description`").map(str::to_owned)),
        active: fields.get(sink, "active").and_then(|node| decode::boolean(sink, node)),
        keyterms: fields.get(sink, "keyterms").and_then(|node| tags::keyterms(sink, node, rules)),
        tags: fields.get(sink, "tags").and_then(|node| tags::decode(sink, node, rules, prevent)),
        version_sets: fields
            .get(sink, "version_sets")
            .and_then(|node| version_set::decode_all(sink, node, rules)),
        settings: serde_json::Map::new(),
        setting_places: std::collections::BTreeMap::new(),
        depends_on: depends_on.iter().map(|(name, _)| name.clone()).collect(),
        lifecycle,
        smoke: smoke(sink, fields, rules),
        place: sink.place(at),
        name: name.as_ref().map_or_else(|| ServiceName::new(""), |(name, _)| name.clone()),
    };
    Some(Decoded { service, name: name?.1, depends_on, renamed_from })
}

/// Keys that people bring from the API, or put one level too high.
fn misnamed(key: &Key) -> Option<Problem> {
    let problem =
        Problem::error(Code::UnknownKey, key.span, format!("unknown key `{}`", shortened(&key.name)));
    let meant = match key.name.as_str() {
        "name" => "service",
        "is_active" => "active",
        "agent_id" => "agent: {id: …}",
        "context_graph_id" | "service_hierarchical_state_machine_id" => "context_graph: {id: …}",
        "version_set" => "version_sets",
        "agent_version" | "context_graph_version" | "llm_model_preferences" => {
            return Some(
                problem
                    .label("it belongs to a version set")
                    .help("write it under `version_sets:` and the set's name, such as `release`"),
            );
        }
        _ => return None,
    };
    let problem = problem.label(format!("did you mean `{meant}`?"));
    Some(match meant {
        "version_sets" => {
            problem.help("a service holds its version sets under `version_sets:` as name → pins")
        }
        _ => problem,
    })
}

fn smoke(sink: &mut Sink, fields: Fields<'_>, rules: &Rules<'_>) -> Vec<crate::model::SmokeTest> {
    let declared: Option<BTreeSet<&str>> = match fields.raw("version_sets").map(|node| &node.value) {
        Some(Value::Map(map)) => Some(map.entries.iter().map(|(key, _)| key.name.as_str()).collect()),
        _ => None,
    };
    match fields.get(sink, "smoke") {
        Some(node) => lifecycle::smoke(sink, node, rules, declared.as_ref()),
        None => Vec::new(),
    }
}

/// An agent or context graph: a name, or `{id: …}`. What can't be read becomes an empty name, which
/// never leaves the loader because a problem was reported.
fn reference(
    sink: &mut Sink,
    fields: Fields<'_>,
    name: &str,
    at: Span,
    rules: &Rules<'_>,
) -> (Reference, Place) {
    let Some(node) = fields.require(sink, name, at, "a service") else {
        return (Reference::Name(String::new()), sink.place(at));
    };
    let place = sink.place(node.span);
    let reference = match &node.value {
        Value::Map(_) => by_id(sink, node, rules),
        Value::List(_) => {
            sink.push(decode::wrong_type(node, "a name, or `{id: …}`"));
            None
        }
        _ => decode::name(sink, node, &format!("`{name}`")).map(|text| Reference::Name(text.to_owned())),
    };
    (reference.unwrap_or_else(|| Reference::Name(String::new())), place)
}

fn by_id(sink: &mut Sink, node: &Node, rules: &Rules<'_>) -> Option<Reference> {
    let fields = Fields::open(sink, node, &REFERENCE)?;
    let at = fields.map.entries.first().map_or(node.span, |(key, _)| key.span);
    let node = fields.require(sink, "id", at, "a reference")?;
    let text = decode::name(sink, node, "an id")?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let valid = rules.platform || (text.len() == 24 && text.bytes().all(hex));
    if !valid {
        let message = format!("`{}` is no id of the Classic API", shortened(text));
        sink.push(
            Problem::error(Code::BadId, node.span, message).label("24 digits are expected, each 0–9 or a–f"),
        );
    }
    Some(Reference::Id(text.to_owned()))
}
