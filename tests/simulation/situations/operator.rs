//! Edits of services that an operator makes in the vendor's console.

use crate::model::Api;
use crate::schedules::world::ORGANIZATION;
use amigops_emulator::{InProcess, PlatformService, SANDBOX_WORKSPACE, ServiceTag, VersionSet, World};

/// An edit in the vendor's console. The rules of the API do not apply to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edit {
    Deactivate,
    Activate,
    Rename(&'static str),
    Describe(&'static str),
    Tag(&'static str, &'static str),
    Keyterm(&'static str),
    /// Sets the agent version in a version set. Creates the version set if it does not exist.
    Pin(&'static str, u32),
    Agent(&'static str),
    Delete,
}

/// Makes an edit to the first service for which `which` returns true. Its arguments are the service's name, and true
/// if the service is active.
pub(super) fn edit(api: Api, emulator: &InProcess, which: impl Fn(&str, bool) -> bool, edit: Edit) {
    let change = |world: &mut World| match api {
        Api::Classic => edit_classic(world, which, edit),
        Api::Platform => edit_platform(world, which, edit),
    };
    emulator.edit(change).expect("the state can be edited");
}

fn version_set(version: u32) -> VersionSet {
    VersionSet { agent_version: Some(version), context_graph_version: Some(1), ..VersionSet::default() }
}

fn edit_classic(world: &mut World, which: impl Fn(&str, bool) -> bool, edit: Edit) {
    let home = world.organization_mut(ORGANIZATION).expect("it exists");
    let agent = |name: &str| home.agent(name).expect("the agent exists").id.clone();
    let agent = if let Edit::Agent(name) = edit { agent(name) } else { String::new() };
    let found = home.services().iter().find(|service| which(&service.name, service.is_active));
    let Some(id) = found.map(|service| service.id.clone()) else { return };
    if edit == Edit::Delete {
        home.services_mut().remove(&id);
        return;
    }
    let service = home.services_mut().get_mut(&id).expect("it exists");
    match edit {
        Edit::Deactivate => service.is_active = false,
        Edit::Activate => service.is_active = true,
        Edit::Rename(name) => service.name = name.to_owned(),
        Edit::Describe(text) => service.description = text.to_owned(),
        Edit::Tag(key, value) => {
            service.tags.insert(key.to_owned(), Some(value.to_owned()));
        }
        Edit::Keyterm(term) => service.keyterms.push(term.to_owned()),
        Edit::Pin(name, version) => {
            service.version_sets.insert(name.to_owned(), version_set(version));
        }
        Edit::Agent(_) => service.agent_id = agent,
        Edit::Delete => {}
    }
}

fn edit_platform(world: &mut World, which: impl Fn(&str, bool) -> bool, edit: Edit) {
    let home = world.workspace_mut(SANDBOX_WORKSPACE).expect("it exists");
    let agent = |name: &str| home.agent(name).expect("the agent exists").id.clone();
    let agent = if let Edit::Agent(name) = edit { agent(name) } else { String::new() };
    let found = home.services().iter().find(|service| which(&service.name, service.is_active));
    let Some(id) = found.map(|service| service.id.clone()) else { return };
    if edit == Edit::Delete {
        home.services_mut().remove(&id);
        return;
    }
    let service: &mut PlatformService = home.services_mut().get_mut(&id).expect("it exists");
    match edit {
        Edit::Deactivate => service.is_active = false,
        Edit::Activate => service.is_active = true,
        Edit::Rename(name) => service.name = name.to_owned(),
        Edit::Describe(text) => service.description = text.to_owned(),
        Edit::Tag(key, value) => {
            service.tags.retain(|tag| tag.key != key);
            service.tags.push(ServiceTag { key: key.to_owned(), value: Some(value.to_owned()) });
        }
        Edit::Keyterm(term) => service.keyterms.push(term.to_owned()),
        Edit::Pin(name, version) => {
            service.version_sets.insert(name.to_owned(), version_set(version));
        }
        Edit::Agent(_) => service.agent_id = agent,
        Edit::Delete => {}
    }
}
