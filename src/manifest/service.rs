//! Decodes the document of a service, after it was merged with the defaults and an overlay, into a [`DesiredService`].

use std::collections::BTreeSet;

use super::collector::{DiagnosticCollector, Problem, Span};
use super::decode::{self, Fields, Shape};
use super::diagnostic::Code;
use super::rules::{Rules, platform_only};
use super::tree::{Key, Node, Value, shortened};
use super::{id, lifecycle, settings, tags, version_set};
use crate::model::settings::SERVICE;
use crate::model::{Api, DesiredService, Place, Reference, ServiceName};

/// A decoded service, and the spans of the members that are compared with other services.
#[derive(Clone)]
pub(super) struct DecodedService {
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
/// The maximum length of a description on the Platform API, in characters.
const MAX_DESCRIPTION: usize = 2_000;
pub(super) const REFERENCE: Shape =
    Shape { what: "a reference", keys: &["id"], help: "write the name as a string, or `{id: …}`" };

/// Decodes one service and reports every problem. Returns `None` if the service's name is missing or invalid.
pub(super) fn decode(
    problems: &mut DiagnosticCollector,
    node: &Node,
    rules: &Rules<'_>,
) -> Option<DecodedService> {
    let fields = open(problems, node, rules)?;
    // The span of a document is the span of its own first key, because its members may come from the defaults.
    let first = node.span;
    let name =
        fields.require(problems, "service", first, "a service").and_then(|node| name(problems, node, rules));
    let at = name.as_ref().map_or(first, |(_, span)| *span);
    let (agent, agent_place) = reference(problems, fields, "agent", at, rules);
    let (context_graph, context_graph_place) = reference(problems, fields, "context_graph", at, rules);
    let lifecycle = fields.get(problems, "lifecycle").map(|node| lifecycle::decode(problems, node, rules));
    let (lifecycle, renamed_from) = lifecycle.unwrap_or_default();
    let depends_on = fields.get(problems, "depends_on").map(|node| decode::texts(problems, node, "services"));
    let depends_on: Vec<_> =
        depends_on.into_iter().flatten().map(|(name, span)| (ServiceName::new(name), span)).collect();
    let prevent = lifecycle.prevent_removal;
    let description = fields.get(problems, "description");
    let (settings, setting_places) = match rules.api {
        Api::Classic => Default::default(),
        Api::Platform => settings::decode(problems, fields),
    };
    let service = DesiredService {
        agent,
        agent_place,
        context_graph,
        context_graph_place,
        description: description.and_then(|node| self::description(problems, node, rules)),
        active: fields.get(problems, "active").and_then(|node| decode::boolean(problems, node)),
        keyterms: fields.get(problems, "keyterms").and_then(|node| tags::keyterms(problems, node, rules)),
        tags: fields.get(problems, "tags").and_then(|node| tags::decode(problems, node, rules, prevent)),
        version_sets: fields
            .get(problems, "version_sets")
            .and_then(|node| version_set::decode_all(problems, node, rules)),
        settings,
        setting_places,
        depends_on: depends_on.iter().map(|(name, _)| name.clone()).collect(),
        lifecycle,
        smoke: smoke(problems, fields, rules),
        place: problems.place(at),
        name: name.as_ref().map_or_else(|| ServiceName::new(""), |(name, _)| name.clone()),
    };
    Some(DecodedService { service, name: name?.1, depends_on, renamed_from })
}

/// Returns the members of a service's document, or `None` if it is not a mapping. Reports unknown keys, and keys that
/// the API does not have.
fn open<'a>(problems: &mut DiagnosticCollector, node: &'a Node, rules: &Rules<'_>) -> Option<Fields<'a>> {
    let mut keys = SHAPE.keys.to_vec();
    if rules.api == Api::Platform {
        keys.extend(SERVICE.iter().map(|field| field.name));
    }
    Fields::open_with(problems, node, &Shape { keys: &keys, ..SHAPE }, |problems, key, _| {
        // A setting is an unknown key only on Classic, because Classic has no settings.
        if settings::is_setting(&key.name) {
            problems.push(platform_only(key.span, &key.name));
            return true;
        }
        misplaced_key(key).map(|problem| problems.push(problem)).is_some()
    })
}

fn name(problems: &mut DiagnosticCollector, node: &Node, rules: &Rules<'_>) -> Option<(ServiceName, Span)> {
    let text = decode::name(problems, node, "the service's name")?;
    if let Some(most) = rules.api.max_name() {
        decode::check_length(problems, node.span, "the service's name", text, (1, most));
    }
    Some((ServiceName::new(text), node.span))
}

fn description(problems: &mut DiagnosticCollector, node: &Node, rules: &Rules<'_>) -> Option<String> {
    let text = if rules.api.wants_description() {
        decode::prose(problems, node, "`description`")?
    } else {
        let text = decode::text(problems, node)?.trim();
        decode::check_length(problems, node.span, "`description`", text, (0, MAX_DESCRIPTION));
        text
    };
    Some(text.to_owned())
}

/// Returns a specific problem for an unknown key that has the API's spelling, or that belongs in a nested mapping.
/// Returns `None` for all other keys.
fn misplaced_key(key: &Key) -> Option<Problem> {
    let problem =
        Problem::error(Code::UnknownKey, key.span, format!("unknown key `{}`", shortened(&key.name)));
    let meant =
        match key.name.as_str() {
            "name" => "service",
            "is_active" => "active",
            "agent_id" => "agent: {id: …}",
            "context_graph_id" | "service_hierarchical_state_machine_id" => "context_graph: {id: …}",
            "version_set" => "version_sets",
            "agent_version" | "context_graph_version" | "llm_model_preferences" => {
                return Some(
                    problem
                        .label("this key belongs to a version set")
                        .help("move this key into a version set, such as `version_sets.release`"),
                );
            }
            "experience_controls" => {
                return Some(problem.label("this key belongs to a model preference").help(
                    "move this key next to `llm_name`, under `llm_model_preferences:` of a version set",
                ));
            }
            name if settings::is_voice_setting(name) => {
                return Some(problem.label("this key belongs to `voice_config`"));
            }
            _ => return None,
        };
    let problem = problem.label(format!("did you mean `{meant}`?"));
    Some(match meant {
        "version_sets" => problem.help("declare version sets by name under `version_sets:`"),
        _ => problem,
    })
}

fn smoke(
    problems: &mut DiagnosticCollector,
    fields: Fields<'_>,
    rules: &Rules<'_>,
) -> Vec<crate::model::SmokeTest> {
    let declared: Option<BTreeSet<&str>> = match fields.raw("version_sets").map(|node| &node.value) {
        Some(Value::Map(map)) => Some(map.entries.iter().map(|(key, _)| key.name.as_str()).collect()),
        _ => None,
    };
    match fields.get(problems, "smoke") {
        Some(node) => lifecycle::smoke(problems, node, rules, declared.as_ref()),
        None => Vec::new(),
    }
}

/// Decodes a reference to an agent or context graph: a name, or `{id: …}`. An invalid reference is reported and becomes
/// an empty name. The loader never returns that name, because it returns no services after an error.
fn reference(
    problems: &mut DiagnosticCollector,
    fields: Fields<'_>,
    name: &str,
    at: Span,
    rules: &Rules<'_>,
) -> (Reference, Place) {
    let Some(node) = fields.require(problems, name, at, "a service") else {
        return (Reference::Name(String::new()), problems.place(at));
    };
    let place = problems.place(node.span);
    let reference = match &node.value {
        Value::Map(_) => by_id(problems, node, rules),
        Value::List(_) => {
            problems.push(decode::wrong_type(node, "a name, or `{id: …}`"));
            None
        }
        _ => decode::name(problems, node, &format!("`{name}`")).map(|text| Reference::Name(text.to_owned())),
    };
    (reference.unwrap_or_else(|| Reference::Name(String::new())), place)
}

fn by_id(problems: &mut DiagnosticCollector, node: &Node, rules: &Rules<'_>) -> Option<Reference> {
    let fields = Fields::open(problems, node, &REFERENCE)?;
    let at = fields.map.entries.first().map_or(node.span, |(key, _)| key.span);
    let node = fields.require(problems, "id", at, "a reference")?;
    let text = decode::name(problems, node, "an id")?;
    id::check(problems, node.span, text, rules.api).map(Reference::Id)
}
