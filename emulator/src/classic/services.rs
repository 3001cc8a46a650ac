//! The endpoints that list, create and update services.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tags;
use super::validate;
use super::version_sets::{self, VersionSetDraft};
use super::{Call, filters, no_service, wire};
use crate::api::exchange::Answer;
use crate::api::problems::{At, RequestProblems, optional, required};
use crate::api::query::{PageBounds, Sort};
use crate::api::refusal::Refusal;
use crate::state::{CatalogItem, Organization, Permission, Service, VersionSet, World};

const PAGE: PageBounds = PageBounds { default: 10, least: 1, most: 20 };

/// Answers `GET /service/`: lists services.
pub(super) fn list(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let ids = filters::ids(&call.query, &mut problems, "id");
    let active = call.query.boolean(&mut problems, "is_active");
    let tags = filters::tags(&call.query, &mut problems, "tags");
    let sorts = call.query.sort(&mut problems, &["name", "is_active"]);
    let page = call.query.page(&mut problems, PAGE);
    problems.done()?;

    let home = call.home(world)?;
    let wanted = |service: &&Service| {
        active.is_none_or(|active| service.is_active == active)
            && (ids.is_empty() || ids.contains(&service.id))
            && tags.iter().all(|filter| filter.fits(&service.tags))
    };
    let permitted = call.key.may(Permission::GetService);
    let seen = home.services().iter().filter(|service| {
        permitted && wanted(service) && (call.key.hidden_services.is_empty() || call.key.sees(service))
    });
    let slice = if sorts.is_empty() {
        page.cut(seen)
    } else {
        let mut sorted: Vec<&Service> = seen.collect();
        sorted.sort_by(|a, b| compare(&sorts, a, b));
        page.cut(sorted.into_iter())
    };
    let mut document = slice.document("services", |service| wire::service(home.name(), service));
    document["filter_values"] = if page.is_first() {
        // Here, the vendor includes the tags of all services, even of services that the user can't see.
        let keys: BTreeSet<&String> =
            home.services().iter().filter(wanted).flat_map(|service| service.tags.keys()).collect();
        json!({ "tags": keys })
    } else {
        Value::Null
    };
    Ok(Answer::json(200, &document))
}

fn compare(sorts: &[Sort], a: &Service, b: &Service) -> Ordering {
    let by = |sort: &Sort| match sort.field {
        "name" => sort.apply(a.name.cmp(&b.name)),
        _ => sort.apply(a.is_active.cmp(&b.is_active)),
    };
    sorts.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Answers `POST /service/`: creates a service.
pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let fields = call.fields()?;
    let mut problems = RequestProblems::default();
    let (p, at) = (&mut problems, At::body());
    let agent = required(p, &at, &fields, "agent_id", validate::id);
    let graph = required(p, &at, &fields, "service_hierarchical_state_machine_id", validate::id);
    let name = required(p, &at, &fields, "name", validate::text);
    let description = required(p, &at, &fields, "description", validate::text);
    let is_active = required(p, &at, &fields, "is_active", validate::boolean);
    let keyterms = required(p, &at, &fields, "keyterms", validate::keyterms);
    let tags = required(p, &at, &fields, "tags", tags::tags);
    let release = optional(p, &at, &fields, "release_version_set", version_sets::wrapped);
    problems.done()?;
    let (Some(agent_id), Some(context_graph_id), Some(name), Some(description)) =
        (agent, graph, name, description)
    else {
        return Err(problems.refusal());
    };
    let (Some(is_active), Some(keyterms), Some(tags)) = (is_active, keyterms, tags) else {
        return Err(problems.refusal());
    };
    call.require(Permission::CreateService)?;
    call.require(Permission::CreateVersionSet)?;

    let home = call.home(world)?;
    let agent = find(home, Kind::Agent, &agent_id).map_err(Refusal::NotFound)?;
    let graph = find(home, Kind::ContextGraph, &context_graph_id).map_err(Refusal::NotFound)?;
    check_has_versions(agent, graph)?;
    let release = release.map(|draft: VersionSetDraft| draft.resolve(home, agent, graph)).transpose()?;
    if is_active {
        check_name_is_free(home, &name, None)?;
    }
    let (sequence, id) = world.next_id();
    let edge = VersionSet::default();
    let release = release.unwrap_or_else(|| edge.clone());
    let service = Service {
        id: id.clone(),
        sequence,
        name,
        description,
        is_active,
        agent_id,
        context_graph_id,
        tags,
        keyterms,
        version_sets: [("edge".to_owned(), edge), ("release".to_owned(), release)].into(),
        creator: call.key.user.clone(),
        updated_by: call.key.user.clone(),
    };
    call.home_mut(world)?.services.push(service);
    Ok(Answer::json(201, &json!({ "id": id })))
}

/// Answers `POST /service/{id}/`: updates a service.
pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let id = validate::path_id("service_id", call.parameter(0))?;
    let fields = call.fields()?;
    let mut problems = RequestProblems::default();
    let (p, at) = (&mut problems, At::body());
    let name = optional(p, &at, &fields, "name", validate::text);
    let description = optional(p, &at, &fields, "description", validate::text);
    let is_active = optional(p, &at, &fields, "is_active", validate::boolean);
    let keyterms = optional(p, &at, &fields, "keyterms", validate::keyterms);
    let tags = optional(p, &at, &fields, "tags", tags::tags);
    let agent = optional(p, &at, &fields, "agent_id", validate::id);
    let graph = optional(p, &at, &fields, "service_hierarchical_state_machine_id", validate::id);
    problems.done()?;
    call.require(Permission::UpdateService)?;

    let home = call.home(world)?;
    let old = home.services().get(&id).ok_or_else(|| no_service(&id))?;
    let new = Service {
        name: name.unwrap_or_else(|| old.name.clone()),
        description: description.unwrap_or_else(|| old.description.clone()),
        is_active: is_active.unwrap_or(old.is_active),
        keyterms: keyterms.unwrap_or_else(|| old.keyterms.clone()),
        tags: tags.unwrap_or_else(|| old.tags.clone()),
        agent_id: agent.unwrap_or_else(|| old.agent_id.clone()),
        context_graph_id: graph.unwrap_or_else(|| old.context_graph_id.clone()),
        ..old.clone()
    };
    check_update(home, old, &new)?;
    if new != *old {
        let updated_by = call.key.user.clone();
        if let Some(service) = call.home_mut(world)?.services.get_mut(&id) {
            *service = Service { updated_by, ..new };
        }
    }
    Ok(Answer::json(200, &Value::Null))
}

fn check_update(home: &Organization, old: &Service, new: &Service) -> Result<(), Refusal> {
    let activates = new.is_active && !old.is_active;
    let moved = new.agent_id != old.agent_id || new.context_graph_id != old.context_graph_id;
    if activates || moved {
        let agent = find(home, Kind::Agent, &new.agent_id).map_err(Refusal::BadRequest)?;
        let graph = find(home, Kind::ContextGraph, &new.context_graph_id).map_err(Refusal::BadRequest)?;
        if moved {
            check_has_versions(agent, graph)?;
            for (name, set) in &new.version_sets {
                version_sets::check_pins_exist(set, agent, graph)
                    .map_err(|reason| Refusal::BadRequest(format!("version set {name:?}: {reason}")))?;
            }
        }
        if activates {
            if let Some(item) = [agent, graph].into_iter().find(|item| item.deprecated) {
                return Err(Refusal::BadRequest(format!("{:?} is deprecated", item.name)));
            }
            for set in new.version_sets.values() {
                version_sets::check_llms_accepted(home, &set.llm_model_preferences)?;
            }
        }
    }
    let tested = || home.unit_tests().iter().any(|test| test.service_id == old.id);
    if old.is_active && !new.is_active && tested() {
        let reason = "the service is used in a simulation unit test and can't be deactivated";
        return Err(Refusal::BadRequest(reason.to_owned()));
    }
    if new.is_active && (activates || new.name != old.name) {
        check_name_is_free(home, &new.name, Some(&old.id))?;
    }
    Ok(())
}

/// The kinds of objects that a service refers to by id.
#[derive(Clone, Copy)]
enum Kind {
    Agent,
    ContextGraph,
}

fn find<'w>(home: &'w Organization, kind: Kind, id: &str) -> Result<&'w CatalogItem, String> {
    let (table, what) = match kind {
        Kind::Agent => (home.agents(), "agent"),
        Kind::ContextGraph => (home.context_graphs(), "service hierarchical state machine"),
    };
    table.get(id).ok_or_else(|| format!("{what} {id} does not exist"))
}

fn check_has_versions(agent: &CatalogItem, graph: &CatalogItem) -> Result<(), Refusal> {
    match [agent, graph].into_iter().find(|item| item.versions == 0) {
        Some(item) => Err(Refusal::BadRequest(format!("{:?} has no versions", item.name))),
        None => Ok(()),
    }
}

fn check_name_is_free(home: &Organization, name: &str, but: Option<&str>) -> Result<(), Refusal> {
    let taken = |other: &Service| other.is_active && other.name == name && Some(other.id.as_str()) != but;
    if home.services().iter().any(taken) {
        return Err(Refusal::Conflict(format!("an active service named {name:?} already exists")));
    }
    Ok(())
}
