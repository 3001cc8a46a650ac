//! The endpoints that list and update behavior sets.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tags;
use super::validate;
use super::{Call, filters, no_service, wire};
use crate::api::exchange::Answer;
use crate::api::problems::{At, RequestProblems, optional};
use crate::api::query::PageBounds;
use crate::api::refusal::Refusal;
use crate::state::{BehaviorSet, Organization, Permission, World};

const PAGE: PageBounds = PageBounds { default: 50, least: 0, most: 50 };

/// Answers `GET /dynamic_behavior_set/`: lists behavior sets.
pub(super) fn list(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let ids = filters::ids(&call.query, &mut problems, "id");
    let services = filters::ids(&call.query, &mut problems, "applied_to_service");
    let active = call.query.boolean(&mut problems, "is_active");
    let tags = filters::tags(&call.query, &mut problems, "tag");
    let sorts = call.query.sort(&mut problems, &["updated_at"]);
    let page = call.query.page(&mut problems, PAGE);
    problems.done()?;
    let creators: Vec<&str> = call.query.all("creator").collect();

    let home = call.home(world)?;
    let permitted = call.key.may(Permission::GetBehaviorSet);
    let mut seen: Vec<&BehaviorSet> = home
        .behavior_sets()
        .iter()
        .filter(|set| {
            permitted
                && active.is_none_or(|active| set.is_active == active)
                && (ids.is_empty() || ids.contains(&set.id))
                && (services.is_empty() || set.applied_to_services.iter().any(|id| services.contains(id)))
                && (creators.is_empty() || creators.contains(&set.creator.as_str()))
                && tags.iter().all(|filter| filter.fits(&set.tags))
        })
        .collect();
    seen.sort_by(|a, b| {
        let by = |sort: &crate::api::query::Sort| sort.apply(a.updated_at.cmp(&b.updated_at));
        sorts.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    let filter_values = if page.is_first() { filter_values(home, &seen) } else { Value::Null };
    let slice = page.cut(seen.into_iter());
    let mut document = slice.document("dynamic_behavior_sets", |set| wire::behavior_set(home.name(), set));
    document["filter_values"] = filter_values;
    Ok(Answer::json(200, &document))
}

fn filter_values(home: &Organization, sets: &[&BehaviorSet]) -> Value {
    let services: BTreeSet<&String> = sets.iter().flat_map(|set| &set.applied_to_services).collect();
    let creators: BTreeSet<&String> = sets.iter().map(|set| &set.creator).collect();
    let creators: Vec<Value> = creators.iter().map(|creator| wire::user(home.name(), creator)).collect();
    let tags: BTreeSet<&String> = sets.iter().flat_map(|set| set.tags.keys()).collect();
    json!({"applied_to_services_ids": services, "creators": creators, "tags": tags})
}

/// Answers `POST /dynamic_behavior_set/{id}/`: updates a behavior set.
pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let id = validate::path_id("dynamic_behavior_set_id", call.parameter(0))?;
    let fields = call.fields()?;
    let mut problems = RequestProblems::default();
    let (p, at) = (&mut problems, At::body());
    let name = optional(p, &at, &fields, "name", validate::text);
    let is_active = optional(p, &at, &fields, "is_active", validate::boolean);
    let services = optional(p, &at, &fields, "applied_to_services", validate::ids);
    let tags = optional(p, &at, &fields, "tags", tags::tags);
    problems.done()?;
    call.require(Permission::UpdateBehaviorSet)?;

    let home = call.home(world)?;
    let missing = || Refusal::NotFound(format!("dynamic behavior set {id} does not exist"));
    let old = home.behavior_sets().get(&id).ok_or_else(missing)?;
    let new = BehaviorSet {
        name: name.unwrap_or_else(|| old.name.clone()),
        is_active: is_active.unwrap_or(old.is_active),
        applied_to_services: services.unwrap_or_else(|| old.applied_to_services.clone()),
        tags: tags.unwrap_or_else(|| old.tags.clone()),
        updated_by: call.key.user.clone(),
        updated_at: call.millis(),
        ..old.clone()
    };
    if let Some(unknown) = new.applied_to_services.iter().find(|id| home.services().get(id).is_none()) {
        return Err(no_service(unknown));
    }
    let taken = |other: &BehaviorSet| other.is_active && other.name == new.name && other.id != new.id;
    let claims = new.is_active && (!old.is_active || new.name != old.name);
    if claims && home.behavior_sets().iter().any(taken) {
        let reason = format!("an active dynamic behavior set named {:?} already exists", new.name);
        return Err(Refusal::Conflict(reason));
    }
    if let Some(set) = call.home_mut(world)?.behavior_sets.get_mut(&id) {
        *set = new;
    }
    Ok(Answer::empty(204))
}
