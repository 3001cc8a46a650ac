//! The endpoints that list, return, create, update and delete services.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::listing::{self, ListQuery};
use super::pins::{ResolvedRefs, VersionSetBody};
use super::{Call, models, wire};
use crate::api::exchange::Answer;
use crate::api::problems::{At, RequestProblems};
use crate::api::refusal::Refusal;
use crate::state::World;
use crate::state::{PlatformService, ServiceTag, Workspace};

/// The fields of a service in a request, after they have been checked and normalized by a data model.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServiceBody {
    name: Option<String>,
    description: Option<String>,
    agent_id: Option<String>,
    context_graph_id: Option<String>,
    keyterms: Option<Vec<String>>,
    is_active: Option<bool>,
    version_sets: Option<BTreeMap<String, VersionSetBody>>,
    tags: Option<Vec<ServiceTag>>,
    tool_capacity: Option<u8>,
    safety_filters_enabled: Option<bool>,
    channel_type: Option<String>,
    environment: Option<String>,
    voice_config: Option<Map<String, Value>>,
    escalation_policy: Option<Map<String, Value>>,
}

impl ServiceBody {
    /// Returns a copy of the service `old`, updated with the values in the request. The version sets are not changed.
    fn merged_with(&self, old: &PlatformService) -> PlatformService {
        fn take<T: Clone>(sent: &Option<T>, old: &T) -> T {
            sent.as_ref().unwrap_or(old).clone()
        }
        PlatformService {
            name: take(&self.name, &old.name),
            description: take(&self.description, &old.description),
            is_active: take(&self.is_active, &old.is_active),
            agent_id: take(&self.agent_id, &old.agent_id),
            context_graph_id: take(&self.context_graph_id, &old.context_graph_id),
            tags: take(&self.tags, &old.tags),
            keyterms: take(&self.keyterms, &old.keyterms),
            tool_capacity: take(&self.tool_capacity, &old.tool_capacity),
            safety_filters_enabled: take(&self.safety_filters_enabled, &old.safety_filters_enabled),
            channel_type: take(&self.channel_type, &old.channel_type),
            environment: take(&self.environment, &old.environment),
            voice_config: self.voice_config.clone().or_else(|| old.voice_config.clone()),
            escalation_policy: self.escalation_policy.clone().or_else(|| old.escalation_policy.clone()),
            ..old.clone()
        }
    }

    /// Checks that the agent and the context graph exist if the request contains their ids.
    fn check_refs(&self, home: &Workspace) -> Result<(), Refusal> {
        if let Some(id) = self.agent_id.as_ref().filter(|id| home.agents().get(id).is_none()) {
            return Err(Refusal::NotFound(format!("agent {id} does not exist")));
        }
        if let Some(id) = self.context_graph_id.as_ref().filter(|id| home.context_graphs().get(id).is_none())
        {
            return Err(Refusal::NotFound(format!("context graph {id} does not exist")));
        }
        Ok(())
    }
}

/// Converts fields to a Rust type, after a data model has accepted them. The conversion can't fail, because the rules
/// of the data model are stricter than those of the Rust type.
fn typed<T: serde::de::DeserializeOwned>(
    problems: &mut RequestProblems,
    fields: Option<Map<String, Value>>,
) -> Result<T, Refusal> {
    let fields = fields.ok_or_else(|| problems.refusal())?;
    serde_json::from_value(Value::Object(fields)).map_err(|error| Refusal::BadRequest(error.to_string()))
}

/// Answers `GET /services`: lists services.
pub(super) fn list(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let active = listing::truth(call, &mut problems, "is_active");
    let fields = ["name", "created_at", "updated_at"];
    let wanted = ListQuery::read(call, &mut problems, call.options.services_page_max, &fields);
    problems.done()?;
    let home = call.home(world)?;
    let rows = home.services().iter().filter(|service| {
        wanted.matches(&service.name) && active.is_none_or(|active| service.is_active == active)
    });
    let compare = |field, a: &&PlatformService, b: &&PlatformService| match field {
        "name" => a.name.cmp(&b.name),
        "created_at" => a.created_at.cmp(&b.created_at),
        _ => a.updated_at.cmp(&b.updated_at),
    };
    let document = wanted.document(rows.collect(), compare, |service| wire::service(home, service));
    Ok(Answer::json(200, &document))
}

fn find<'w>(home: &'w Workspace, id: &str) -> Result<&'w PlatformService, Refusal> {
    home.services().get(id).ok_or_else(|| Refusal::NotFound(format!("service {id} does not exist")))
}

/// Returns the service with this id. Refuses the request if the service does not exist, or is a system service, which
/// clients can't change.
fn find_changeable<'w>(home: &'w Workspace, id: &str) -> Result<&'w PlatformService, Refusal> {
    let service = find(home, id)?;
    if service.is_system {
        let reason = format!("{:?} is a system service and can't be changed", service.name);
        return Err(Refusal::Forbidden(reason));
    }
    Ok(service)
}

/// Returns the service to which a user's message was sent. Refuses the request if the service does not exist.
pub(super) fn find_for_turn<'w>(home: &'w Workspace, id: &str) -> Result<&'w PlatformService, Refusal> {
    find(home, id)
}

/// Answers `GET /services/{id}`: returns one service.
pub(super) fn get(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let id = call.only_id("service_id")?;
    let home = call.home(world)?;
    Ok(Answer::json(200, &wire::service(home, find(home, &id)?)))
}

/// Answers `POST /services`: creates a service.
pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let fields = call.body(&mut problems, &models::CREATE)?;
    problems.done()?;
    let sent: ServiceBody = typed(&mut problems, fields)?;
    let home = call.home(world)?;
    sent.check_refs(home)?;
    let now = call.millis();
    let basics = PlatformService { created_at: now, updated_at: now, ..PlatformService::new("", "", "") };
    let mut service = sent.merged_with(&basics);
    let refs = ResolvedRefs::of(home, &service.agent_id, &service.context_graph_id);
    service.version_sets = refs.resolve_all(&mut problems, &sent.version_sets.unwrap_or_default());
    problems.done()?;
    check_name_is_free(call, home, None, &service)?;
    let (sequence, id) = world.next_uuid();
    let service = PlatformService { id, sequence, ..service };
    let home = call.home_mut(world)?;
    let document = wire::service(home, &service);
    home.services.push(service);
    Ok(Answer::json(201, &document))
}

/// Answers `PUT /services/{id}`: updates a service.
pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let id = call.id(&mut problems, "service_id");
    let fields = call.body(&mut problems, &models::UPDATE)?;
    problems.done()?;
    let sent: ServiceBody = typed(&mut problems, fields)?;
    let id = id.ok_or_else(|| problems.refusal())?;
    let home = call.home(world)?;
    let old = find_changeable(home, &id)?;
    sent.check_refs(home)?;
    let mut new = PlatformService { updated_at: call.millis(), ..sent.merged_with(old) };
    let refs = ResolvedRefs::of(home, &new.agent_id, &new.context_graph_id);
    if let Some(sets) = &sent.version_sets {
        let sets = refs.resolve_all(&mut problems, sets);
        if !call.options.keeps_version_sets {
            new.version_sets.clear();
        }
        new.version_sets.extend(sets);
    }
    let touched = |name: &String| sent.version_sets.as_ref().is_some_and(|sets| sets.contains_key(name));
    let kept = new.version_sets.iter().filter(|(name, _)| !touched(name));
    refs.check_unchanged(&mut problems, old, &new, kept);
    problems.done()?;
    check_name_is_free(call, home, Some(old), &new)?;
    let document = wire::service(home, &new);
    if let Some(service) = call.home_mut(world)?.services.get_mut(&id) {
        *service = new;
    }
    Ok(Answer::json(200, &document))
}

/// Answers `DELETE /services/{id}`: deletes a service.
pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let id = call.only_id("service_id")?;
    find_changeable(call.home(world)?, &id)?;
    call.home_mut(world)?.services.remove(&id);
    Ok(Answer::empty(204))
}

/// Answers `PUT /services/{id}/version-sets/{name}`: creates a version set, or replaces an existing one completely.
pub(super) fn put_version_set(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    struct Upsert {
        version_set: VersionSetBody,
    }
    let mut problems = RequestProblems::default();
    let id = call.id(&mut problems, "service_id");
    let name = call.parameter(1).to_owned();
    models::SET_NAME.read(&mut problems, &At::path("name"), &json!(name));
    let fields = call.body(&mut problems, &models::UPSERT)?;
    problems.done()?;
    let sent: Upsert = typed(&mut problems, fields)?;
    let id = id.ok_or_else(|| problems.refusal())?;
    let home = call.home(world)?;
    let service = find_changeable(home, &id)?;
    let refs = ResolvedRefs::of(home, &service.agent_id, &service.context_graph_id);
    let set = refs.resolve(&mut problems, &At::body().then("version_set"), &sent.version_set);
    problems.done()?;
    let now = call.millis();
    if let Some(service) = call.home_mut(world)?.services.get_mut(&id) {
        service.version_sets.insert(name, set);
        service.updated_at = now;
    }
    Ok(Answer::empty(204))
}

/// Refuses the request if another service already has the name of the new or updated service. Inactive services are
/// ignored, unless [`inactive_names_taken`](super::PlatformOptions::inactive_names_taken) is true. `old` is the service
/// before the update. If `old` has the same name and is not ignored, the name is not checked again.
fn check_name_is_free(
    call: &Call<'_>,
    home: &Workspace,
    old: Option<&PlatformService>,
    new: &PlatformService,
) -> Result<(), Refusal> {
    let counts = |service: &PlatformService| call.options.inactive_names_taken || service.is_active;
    let settled = old.is_some_and(|old| old.name == new.name && counts(old));
    if settled || !counts(new) {
        return Ok(());
    }
    let own = old.map(|old| old.id.as_str());
    let taken =
        |other: &PlatformService| counts(other) && other.name == new.name && Some(other.id.as_str()) != own;
    if home.services().iter().any(taken) {
        return Err(Refusal::Conflict(format!("the name {:?} is already taken", new.name)));
    }
    Ok(())
}
