//! A service document, merged with defaults and an overlay → [`DesiredService`]. Imports `model`.

use std::collections::BTreeSet;

use super::decode::{self, Fields, Shape};
use super::diagnostic::Code;
use super::sink::{Problem, Sink, Span};
use super::tree::{Key, Node, Value, shortened};
use super::{id, lifecycle, settings, tags, version_set};
use crate::model::settings::SERVICE;
use crate::model::{Api, DesiredService, Place, Policy, Reference, ServiceName};

/// What a service is read against.
pub(super) struct Rules<'a> {
    pub(super) policy: &'a Policy,
    /// The API that the service is meant for: every bound comes from it.
    pub(super) api: Api,
}

/// A service, and where it says what other services are compared with.
#[derive(Clone)]
pub(super) struct Decoded {
    pub(super) service: DesiredService,
    pub(super) name: Span,
    pub(super) depends_on: Vec<(ServiceName, Span)>,
    pub(super) renamed_from: Option<Span>,
}

pub(super) const SHAPE: Shape = Shape {
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
/// The most characters of a description on the Platform API.
const MAX_DESCRIPTION: usize = 2_000;
pub(super) const REFERENCE: Shape =
    Shape { what: "a reference", keys: &["id"], help: "write the name as a text, or `{id: …}`" };

/// A field that only Platform has.
pub(super) fn platform_only(span: Span, name: &str) -> Problem {
    Problem::error(Code::PlatformOnly, span, format!("`{name}` belongs to the Platform API"))
        .label("the environment's API is Classic, which lacks it")
        .help("say it in the overlay of an environment that is on the Platform API")
}

/// Something that waits for a later version.
pub(super) fn not_yet(span: Span, what: &str) -> Problem {
    Problem::error(Code::NotYet, span, format!("{what} waits for a later version of amigops"))
        .label("remove it: nothing would act on it yet")
}

/// Reads one service, reporting every problem. None when not even its name is known.
pub(super) fn decode(sink: &mut Sink, node: &Node, rules: &Rules<'_>) -> Option<Decoded> {
    let fields = open(sink, node, rules)?;
    // The loader points a document's span to its own first key: members may come from the defaults.
    let first = node.span;
    let name = fields.require(sink, "service", first, "a service").and_then(|node| name(sink, node, rules));
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
    let (settings, setting_places) = match rules.api {
        Api::Classic => Default::default(),
        Api::Platform => settings::decode(sink, fields),
    };
    let service = DesiredService {
        agent,
        agent_place,
        context_graph,
        context_graph_place,
        description: description.and_then(|node| self::description(sink, node, rules)),
        active: fields.get(sink, "active").and_then(|node| decode::boolean(sink, node)),
        keyterms: fields.get(sink, "keyterms").and_then(|node| tags::keyterms(sink, node, rules)),
        tags: fields.get(sink, "tags").and_then(|node| tags::decode(sink, node, rules, prevent)),
        version_sets: fields
            .get(sink, "version_sets")
            .and_then(|node| version_set::decode_all(sink, node, rules)),
        settings,
        setting_places,
        depends_on: depends_on.iter().map(|(name, _)| name.clone()).collect(),
        lifecycle,
        smoke: smoke(sink, fields, rules),
        place: sink.place(at),
        name: name.as_ref().map_or_else(|| ServiceName::new(""), |(name, _)| name.clone()),
    };
    Some(Decoded { service, name: name?.1, depends_on, renamed_from })
}

/// The members of a service, with the keys that the API has.
fn open<'a>(sink: &mut Sink, node: &'a Node, rules: &Rules<'_>) -> Option<Fields<'a>> {
    let mut keys = SHAPE.keys.to_vec();
    if rules.api == Api::Platform {
        keys.extend(SERVICE.iter().map(|field| field.name));
    }
    Fields::open_with(sink, node, &Shape { keys: &keys, ..SHAPE }, |sink, key, _| {
        // Only Classic gets here with such a key.
        if settings::is_setting(&key.name) {
            sink.push(platform_only(key.span, &key.name));
            return true;
        }
        misnamed(key).map(|problem| sink.push(problem)).is_some()
    })
}

fn name(sink: &mut Sink, node: &Node, rules: &Rules<'_>) -> Option<(ServiceName, Span)> {
    let text = decode::name(sink, node, "the service's name")?;
    if let Some(most) = rules.api.max_name() {
        decode::check_length(sink, node.span, "the service's name", text, (1, most));
    }
    Some((ServiceName::new(text), node.span))
}

fn description(sink: &mut Sink, node: &Node, rules: &Rules<'_>) -> Option<String> {
    let text = if rules.api.wants_description() {
        decode::prose(sink, node, "`description`")?
    } else {
        let text = decode::text(sink, node)?.trim();
        decode::check_length(sink, node.span, "`description`", text, (0, MAX_DESCRIPTION));
        text
    };
    Some(text.to_owned())
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
        "experience_controls" => {
            return Some(
                problem
                    .label("it belongs to a model preference")
                    .help("write it beside `llm_name`, under `llm_model_preferences:` of a version set"),
            );
        }
        name if settings::is_of_voice(name) => {
            return Some(problem.label("it belongs to `voice_config`"));
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
    id::check(sink, node.span, text, rules.api).map(Reference::Id)
}
