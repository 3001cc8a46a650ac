//! Changes that an operator makes in the vendor's console while a run is at work. May import `model` and
//! `emulator`.

use std::collections::BTreeMap;

use super::trouble::Edit;
use super::world::ORGANIZATION;
use crate::model::{Api, TAG_REPLACES};
use amigops_emulator::{self as emulator, PlatformService, SANDBOX_WORKSPACE, ServiceTag, VersionSet, World};

const DESCRIPTION: &str = "Edited in the console";
const OWNER: &str = "managed_by";
/// How the names begin that operators give.
pub(super) const CONSOLE: &str = "Console ";

/// A service of either API, as an operator sees it.
trait Editable {
    fn parts(&mut self) -> Parts<'_>;
    fn set_tag(&mut self, key: &str, value: Option<&str>);
    fn has_tag(&self, key: &str) -> bool;
    fn remove_tag(&mut self, key: &str);
}

struct Parts<'a> {
    name: &'a mut String,
    active: &'a mut bool,
    description: &'a mut String,
    sets: &'a mut BTreeMap<String, VersionSet>,
}

impl Editable for emulator::Service {
    fn parts(&mut self) -> Parts<'_> {
        Parts {
            name: &mut self.name,
            active: &mut self.is_active,
            description: &mut self.description,
            sets: &mut self.version_sets,
        }
    }

    fn set_tag(&mut self, key: &str, value: Option<&str>) {
        self.tags.insert(key.to_owned(), value.map(str::to_owned));
    }

    fn has_tag(&self, key: &str) -> bool {
        self.tags.contains_key(key)
    }

    fn remove_tag(&mut self, key: &str) {
        self.tags.remove(key);
    }
}

impl Editable for PlatformService {
    fn parts(&mut self) -> Parts<'_> {
        Parts {
            name: &mut self.name,
            active: &mut self.is_active,
            description: &mut self.description,
            sets: &mut self.version_sets,
        }
    }

    fn set_tag(&mut self, key: &str, value: Option<&str>) {
        self.remove_tag(key);
        self.tags.push(ServiceTag { key: key.to_owned(), value: value.map(str::to_owned) });
    }

    fn has_tag(&self, key: &str) -> bool {
        self.tags.iter().any(|tag| tag.key == key)
    }

    fn remove_tag(&mut self, key: &str) {
        self.tags.retain(|tag| tag.key != key);
    }
}

/// The id, the name and the activity of each service, and whether it carries the tag `replaces` or an owner.
struct Known {
    id: String,
    name: String,
    active: bool,
    system: bool,
    replaces: bool,
    owned: bool,
}

/// Changes the world past the API. Returns the id of a service that was changed in place or deleted.
pub(super) fn edit(api: Api, world: &mut World, edit: &Edit) {
    let known = known(api, world);
    let Some(index) = chosen(edit, &known) else { return };
    let id = known[index].id.clone();
    match (edit, api) {
        (Edit::Delete(_) | Edit::DeleteOther(_), Api::Classic) => {
            world.organization_mut(ORGANIZATION).expect("it is there").services_mut().remove(&id);
        }
        (Edit::Delete(_) | Edit::DeleteOther(_), Api::Platform) => {
            world.workspace_mut(SANDBOX_WORKSPACE).expect("it is there").services_mut().remove(&id);
        }
        (_, Api::Classic) => {
            let home = world.organization_mut(ORGANIZATION).expect("it is there");
            let service = home.services_mut().get_mut(&id).expect("it is there");
            if *edit == Edit::Create {
                let new = emulator::Service {
                    id: String::new(),
                    name: "Newcomer".to_owned(),
                    is_active: false,
                    ..service.clone()
                };
                world.add_service(ORGANIZATION, new);
            } else {
                change(service, edit, &known, index);
            }
        }
        (_, Api::Platform) => {
            let home = world.workspace_mut(SANDBOX_WORKSPACE).expect("it is there");
            let service = home.services_mut().get_mut(&id).expect("it is there");
            if *edit == Edit::Create {
                let new = PlatformService {
                    id: String::new(),
                    name: "Newcomer".to_owned(),
                    is_active: false,
                    ..service.clone()
                };
                world.add_platform_service(SANDBOX_WORKSPACE, new);
            } else {
                change(service, edit, &known, index);
            }
        }
    }
}

fn known(api: Api, world: &World) -> Vec<Known> {
    match api {
        Api::Classic => {
            let home = world.organization(ORGANIZATION).expect("it is there");
            let known = |row: &emulator::Service| Known {
                id: row.id.clone(),
                name: row.name.clone(),
                active: row.is_active,
                system: false,
                replaces: row.has_tag(TAG_REPLACES),
                owned: row.has_tag(OWNER),
            };
            home.services().iter().map(known).collect()
        }
        Api::Platform => {
            let home = world.workspace(SANDBOX_WORKSPACE).expect("it is there");
            let known = |row: &PlatformService| Known {
                id: row.id.clone(),
                name: row.name.clone(),
                active: row.is_active,
                system: row.is_system,
                replaces: row.has_tag(TAG_REPLACES),
                owned: row.has_tag(OWNER),
            };
            home.services().iter().map(known).collect()
        }
    }
}

/// The service that an edit is about: one of those that it can be about.
fn chosen(edit: &Edit, known: &[Known]) -> Option<usize> {
    let among = |n: u64, fits: &dyn Fn(&Known) -> bool| {
        let fitting: Vec<usize> = (0..known.len()).filter(|index| fits(&known[*index])).collect();
        (!fitting.is_empty()).then(|| fitting[(n % fitting.len() as u64) as usize])
    };
    let own = |service: &Known| !service.system;
    match edit {
        Edit::Description(n) | Edit::Tag(n) | Edit::Pin(n) => among(*n, &|_| true),
        Edit::Rename(n) | Edit::Delete(n) | Edit::Switch(n) => among(*n, &own),
        Edit::Owner(n) => among(*n, &|service| service.owned && !service.system),
        Edit::Unlink(n) => among(*n, &|service| service.replaces),
        Edit::Restore(n) => among(*n, &|service| !service.active && service.name.contains("(replaced ")),
        Edit::DeleteOther(n) => among(*n, &|service| service.name.starts_with("Decoy")),
        Edit::Deactivate | Edit::Create => among(0, &|service| service.name == "Bystander"),
    }
}

fn change(service: &mut impl Editable, edit: &Edit, known: &[Known], index: usize) {
    let is_free = |name: &str| known.iter().all(|other| !other.active || other.name != name);
    let parts = service.parts();
    match edit {
        Edit::Description(_) => *parts.description = DESCRIPTION.to_owned(),
        Edit::Tag(_) => service.set_tag("console", Some("yes")),
        Edit::Pin(_) => {
            if let Some(set) = parts.sets.get_mut("release") {
                set.agent_version = Some(1);
            }
        }
        Edit::Deactivate => *parts.active = false,
        Edit::Switch(_) | Edit::Restore(_) => {
            *parts.active = !known[index].active && is_free(&known[index].name);
        }
        Edit::Rename(n) => *parts.name = format!("{CONSOLE}{}", n % 1_000),
        Edit::Owner(n) if n % 3 == 0 => service.remove_tag(OWNER),
        Edit::Owner(_) => service.set_tag(OWNER, Some("console")),
        Edit::Unlink(_) => service.remove_tag(TAG_REPLACES),
        Edit::Create | Edit::Delete(_) | Edit::DeleteOther(_) => {}
    }
}
