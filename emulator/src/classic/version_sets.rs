//! The endpoints that return, replace and delete version sets.

use serde_json::{Map, Value, json};

use super::validate;
use super::{Call, no_service, wire};
use crate::api::exchange::Answer;
use crate::api::problems::{At, Read, RequestProblems, optional, required};
use crate::api::refusal::Refusal;
use crate::state::{CatalogItem, Organization, Permission, Service, VersionSet, World};

const AGENT: &str = "agent_version_number";
const GRAPH: &str = "service_hierarchical_state_machine_version_number";
const LLMS: &str = "llm_model_preferences";
/// The names of the fields that are never stored in [`VersionSet::extra`]. They are all spellings of the known fields
/// of version sets, and the fields for the ids of the agent and the context graph.
const NOT_EXTRA: &[&str] = &[
    AGENT,
    GRAPH,
    LLMS,
    "agent_version",
    "service_hierarchical_state_machine_version",
    "context_graph_version",
    "agent_id",
    "service_hierarchical_state_machine_id",
];

/// A version set from a request. Its fields have the right types, but its version numbers and LLMs have not been
/// checked yet.
pub(super) struct VersionSetDraft {
    agent_version: Option<Pin>,
    context_graph_version: Option<Pin>,
    llm_model_preferences: Map<String, Value>,
    extra: Map<String, Value>,
}

/// A version number as the client sent it. It can be any whole number, because its existence has not been checked yet.
type Pin = Value;

impl VersionSetDraft {
    /// Checks that the pinned versions exist and that the organization accepts the LLMs. Returns the version set to
    /// store.
    pub(super) fn resolve(
        self,
        home: &Organization,
        agent: &CatalogItem,
        graph: &CatalogItem,
    ) -> Result<VersionSet, Refusal> {
        check_llms_accepted(home, &self.llm_model_preferences)?;
        Ok(VersionSet {
            agent_version: resolve_pin(self.agent_version.as_ref(), agent)?,
            context_graph_version: resolve_pin(self.context_graph_version.as_ref(), graph)?,
            llm_model_preferences: self.llm_model_preferences,
            extra: self.extra,
        })
    }
}

fn resolve_pin(pin: Option<&Pin>, item: &CatalogItem) -> Result<Option<u32>, Refusal> {
    let Some(pin) = pin else { return Ok(None) };
    let number = pin.as_u64().and_then(|number| u32::try_from(number).ok());
    match number.filter(|number| exists(*number, item)) {
        Some(number) => Ok(Some(number)),
        None => Err(Refusal::BadRequest(format!("{:?} has no version {pin}", item.name))),
    }
}

fn exists(number: u32, item: &CatalogItem) -> bool {
    (1..=item.versions).contains(&number)
}

/// Checks that the agent and the context graph still have the versions that a stored version set pins.
pub(super) fn check_pins_exist(
    set: &VersionSet,
    agent: &CatalogItem,
    graph: &CatalogItem,
) -> Result<(), String> {
    for (pin, item) in [(set.agent_version, agent), (set.context_graph_version, graph)] {
        if let Some(number) = pin.filter(|number| !exists(*number, item)) {
            return Err(format!("{:?} has no version {number}", item.name));
        }
    }
    Ok(())
}

/// Checks that the organization accepts the LLM of each model preference.
pub(super) fn check_llms_accepted(
    home: &Organization,
    preferences: &Map<String, Value>,
) -> Result<(), Refusal> {
    for (interaction, preference) in preferences {
        let name = preference.get("llm_name").and_then(Value::as_str).unwrap_or_default();
        let known = home.settings().llms.as_ref().is_none_or(|known| known.contains(name));
        if name.is_empty() || !known {
            return Err(Refusal::BadRequest(format!("{interaction}: LLM {name:?} is not available")));
        }
    }
    Ok(())
}

fn pin(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<Option<Pin>> {
    let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    match value {
        Value::Null => Some(None),
        Value::Number(number) if number.is_f64() && !whole => {
            let message = "Input should be a valid integer, got a number with a fractional part";
            problems.add("int_from_float", at, message, value);
            None
        }
        Value::Number(number) if number.is_f64() => {
            let number = value.as_f64().unwrap_or_default();
            Some(Some(if number.abs() < 4e9 { json!(number as i64) } else { value.clone() }))
        }
        Value::Number(_) => Some(Some(value.clone())),
        _ => {
            problems.add("int_type", at, "Input should be a valid integer", value);
            None
        }
    }
}

fn preferences(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<Map<String, Value>> {
    let entries = validate::map(problems, at, value)?;
    let mut sound = true;
    let mut result = Map::new();
    for (interaction, preference) in entries {
        let place = at.then(interaction.as_str());
        let Some(mut fields) = validate::map(problems, &place, &preference) else {
            sound = false;
            continue;
        };
        let name = required(problems, &place, &fields, "llm_name", validate::plain);
        let params_sound = match fields.get("params") {
            Some(params) => validate::map(problems, &place.then("params"), params).is_some(),
            None => true,
        };
        sound &= name.is_some() && params_sound;
        fields.entry("params").or_insert_with(|| json!({}));
        result.insert(interaction, Value::Object(fields));
    }
    sound.then_some(result)
}

fn extra_of(fields: &Map<String, Value>) -> Map<String, Value> {
    let unknown = fields.iter().filter(|(name, _)| !NOT_EXTRA.contains(&name.as_str()));
    unknown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Reads a version set in the usual form of the vendor's documentation. The model preferences and the version numbers
/// of the agent and the context graph are required. The version numbers can be null.
pub(super) fn wrapped(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<VersionSetDraft> {
    let fields = validate::map(problems, at, value)?;
    let agent = required(problems, at, &fields, AGENT, pin);
    let graph = required(problems, at, &fields, GRAPH, pin);
    let llms = required(problems, at, &fields, LLMS, preferences);
    Some(VersionSetDraft {
        agent_version: agent?,
        context_graph_version: graph?,
        llm_model_preferences: llms?,
        extra: extra_of(&fields),
    })
}

/// The ids of the agent and the context graph in a request that writes a version set. The client can repeat them from
/// the service, or omit them. An omitted id is `None`.
struct Repeated {
    agent: Option<String>,
    graph: Option<String>,
}

/// Reads a version set in the flat form, in which its fields are directly in the body and not under the key
/// `version_set`. Only one page of the vendor's documentation shows this form. Returns the version set, and the ids of
/// the agent and the context graph if the body contains them.
fn flat(problems: &mut RequestProblems, fields: &Map<String, Value>) -> (Option<VersionSetDraft>, Repeated) {
    let at = At::body();
    let repeated = Repeated {
        agent: optional(problems, &at, fields, "agent_id", validate::id),
        graph: optional(problems, &at, fields, "service_hierarchical_state_machine_id", validate::id),
    };
    let mut first = |names: &[&str]| {
        let name = names.iter().find(|name| fields.contains_key(**name))?;
        optional(problems, &at, fields, name, pin as Read<Option<Pin>>).flatten()
    };
    let agent_version = first(&["agent_version", AGENT]);
    let context_graph_version =
        first(&["service_hierarchical_state_machine_version", "context_graph_version", GRAPH]);
    let llms = optional(problems, &at, fields, LLMS, preferences).unwrap_or_default();
    let extra = extra_of(fields);
    (
        Some(VersionSetDraft { agent_version, context_graph_version, llm_model_preferences: llms, extra }),
        repeated,
    )
}

fn body(fields: &Map<String, Value>) -> Result<(VersionSetDraft, Repeated), Refusal> {
    let mut problems = RequestProblems::default();
    let is_flat = fields.keys().any(|name| NOT_EXTRA.contains(&name.as_str()));
    let (draft, repeated) = if is_flat && !fields.contains_key("version_set") {
        flat(&mut problems, fields)
    } else {
        let draft = required(&mut problems, &At::body(), fields, "version_set", wrapped);
        (draft, Repeated { agent: None, graph: None })
    };
    problems.done()?;
    Ok((draft.ok_or_else(|| problems.refusal())?, repeated))
}

fn locate<'w>(call: &Call<'_>, world: &'w World) -> Result<(&'w Organization, &'w Service, String), Refusal> {
    let id = validate::path_id("service_id", call.parameter(0))?;
    let name = validate::path_set_name(call.parameter(1))?;
    let home = call.home(world)?;
    let service = home.services().get(&id).ok_or_else(|| no_service(&id))?;
    Ok((home, service, name))
}

fn no_set(name: &str) -> Refusal {
    Refusal::NotFound(format!("version set {name:?} does not exist"))
}

/// Answers `GET /service/{id}/version_sets/{name}/`: returns a version set.
pub(super) fn get(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let (_, service, name) = locate(call, world)?;
    call.require(Permission::GetService)?;
    if !call.key.sees(service) {
        return Err(Refusal::lacks(Permission::GetService.name()));
    }
    let set = service.version_sets.get(&name).ok_or_else(|| no_set(&name))?;
    Ok(Answer::json(200, &wire::version_set_both_ways(set)))
}

/// Answers `PUT /service/{id}/version_sets/{name}/`: creates a version set, or replaces an existing one completely.
pub(super) fn put(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let fields = call.fields()?;
    let (draft, repeated) = body(&fields)?;
    let (home, service, name) = locate(call, world)?;
    if name == "edge" {
        return Err(Refusal::BadRequest("the edge version set can't be updated".to_owned()));
    }
    call.require(match service.version_sets.contains_key(&name) {
        true => Permission::UpdateVersionSet,
        false => Permission::CreateVersionSet,
    })?;
    let differs = |sent: &Option<String>, own: &str| sent.as_ref().is_some_and(|sent| sent != own);
    if differs(&repeated.agent, &service.agent_id) || differs(&repeated.graph, &service.context_graph_id) {
        let reason = "the agent or service hierarchical state machine is not the service's";
        return Err(Refusal::BadRequest(reason.to_owned()));
    }
    let agent = home.agents().get(&service.agent_id);
    let graph = home.context_graphs().get(&service.context_graph_id);
    let (Some(agent), Some(graph)) = (agent, graph) else {
        let reason = "the service's agent or service hierarchical state machine is gone";
        return Err(Refusal::BadRequest(reason.to_owned()));
    };
    let set = draft.resolve(home, agent, graph)?;
    let id = service.id.clone();
    if let Some(service) = call.home_mut(world)?.services.get_mut(&id) {
        service.version_sets.insert(name, set);
        service.updated_by = call.key.user.clone();
    }
    Ok(Answer::empty(204))
}

/// Answers `DELETE /service/{id}/version_sets/{name}/`: deletes a version set. The vendor's schema accepts any name in
/// this path, so an invalid name is answered with 404, and not with 422.
pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let id = validate::path_id("service_id", call.parameter(0))?;
    let name = call.parameter(1).to_owned();
    let home = call.home(world)?;
    let service = home.services().get(&id).ok_or_else(|| no_service(&id))?;
    call.require(Permission::DeleteVersionSet)?;
    if name == "edge" || name == "release" {
        return Err(Refusal::BadRequest(format!("the {name} version set can't be deleted")));
    }
    if !service.version_sets.contains_key(&name) {
        return Err(no_set(&name));
    }
    if home.unit_tests().iter().any(|test| test.service_id == id && test.version_set == name) {
        let reason = format!("version set {name:?} is used in a simulation unit test");
        return Err(Refusal::BadRequest(reason));
    }
    if let Some(service) = call.home_mut(world)?.services.get_mut(&id) {
        service.version_sets.remove(&name);
        service.updated_by = call.key.user.clone();
    }
    Ok(Answer::empty(204))
}
