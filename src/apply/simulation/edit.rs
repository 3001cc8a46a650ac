//! What an operator does in the vendor's console while we are at work. May import `model` and `emulator`.

use super::case::Edit;
use super::world::ORGANIZATION;
use crate::emulator::{self, PlatformService, SANDBOX_WORKSPACE, ServiceTag, VersionSet, World};
use crate::model::Api;

/// Changes the world past all rules.
pub(super) fn edit(api: Api, world: &mut World, edit: &Edit) {
    match api {
        Api::Classic => classic(world, edit),
        Api::Platform => platform(world, edit),
    }
}

/// The service that an edit is about, among these.
fn chosen(edit: &Edit, services: &[(String, String)]) -> Option<String> {
    let index = match edit {
        Edit::Description(n) | Edit::Tag(n) | Edit::Pin(n) => (n % services.len().max(1) as u64) as usize,
        Edit::Deactivate | Edit::Create => services.iter().position(|(_, name)| name == "Bystander")?,
    };
    services.get(index).map(|(id, _)| id.clone())
}

const DESCRIPTION: &str = "Edited in the console";

fn pin(set: Option<&mut VersionSet>) {
    if let Some(set) = set {
        set.agent_version = Some(1);
    }
}

fn classic(world: &mut World, edit: &Edit) {
    let home = world.organization_mut(ORGANIZATION).expect("it is there");
    let named: Vec<_> = home.services().iter().map(|row| (row.id.clone(), row.name.clone())).collect();
    let id = chosen(edit, &named);
    let Some(service) = id.and_then(|id| home.services_mut().get_mut(&id)) else { return };
    match edit {
        Edit::Description(_) => service.description = DESCRIPTION.to_owned(),
        Edit::Tag(_) => {
            service.tags.insert("console".to_owned(), Some("yes".to_owned()));
        }
        Edit::Pin(_) => pin(service.version_sets.get_mut("release")),
        Edit::Deactivate => service.is_active = false,
        Edit::Create => {
            let twin = emulator::Service {
                id: String::new(),
                name: "Newcomer".to_owned(),
                is_active: false,
                ..service.clone()
            };
            world.add_service(ORGANIZATION, twin);
        }
    }
}

fn platform(world: &mut World, edit: &Edit) {
    let home = world.workspace_mut(SANDBOX_WORKSPACE).expect("it is there");
    let named: Vec<_> = home.services().iter().map(|row| (row.id.clone(), row.name.clone())).collect();
    let id = chosen(edit, &named);
    let Some(service) = id.and_then(|id| home.services_mut().get_mut(&id)) else { return };
    match edit {
        Edit::Description(_) => service.description = DESCRIPTION.to_owned(),
        Edit::Tag(_) => {
            service.tags.push(ServiceTag { key: "console".to_owned(), value: Some("yes".to_owned()) });
        }
        Edit::Pin(_) => pin(service.version_sets.get_mut("release")),
        Edit::Deactivate => service.is_active = false,
        Edit::Create => {
            let twin = PlatformService {
                id: String::new(),
                name: "Newcomer".to_owned(),
                is_active: false,
                ..service.clone()
            };
            world.add_platform_service(SANDBOX_WORKSPACE, twin);
        }
    }
}
