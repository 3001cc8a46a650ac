//! Changes of services that an operator makes in the vendor's console during a run.

use std::collections::BTreeMap;

use super::disturbance::Edit;
use super::world::ORGANIZATION;
use crate::model::{Api, TAG_REPLACES};
use amigops_emulator::{self as emulator, PlatformService, SANDBOX_WORKSPACE, ServiceTag, VersionSet, World};

const DESCRIPTION: &str = "Edited in the console";
const OWNER: &str = "managed_by";
/// The beginning of all names that operators give to services.
pub(super) const CONSOLE_PREFIX: &str = "Console ";

/// A service of either API that an operator can edit.
trait Editable {
    fn fields(&mut self) -> EditableFields<'_>;
    fn set_tag(&mut self, key: &str, value: Option<&str>);
    fn has_tag(&self, key: &str) -> bool;
    fn remove_tag(&mut self, key: &str);
}

/// References to the fields of a service that an operator can edit.
struct EditableFields<'a> {
    name: &'a mut String,
    active: &'a mut bool,
    description: &'a mut String,
    sets: &'a mut BTreeMap<String, VersionSet>,
}

impl Editable for emulator::Service {
    fn fields(&mut self) -> EditableFields<'_> {
        EditableFields {
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
    fn fields(&mut self) -> EditableFields<'_> {
        EditableFields {
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

/// A service that may be chosen for an edit, with the values that the choice depends on.
struct Candidate {
    id: String,
    name: String,
    active: bool,
    system: bool,
    /// True if the service has the tag `replaces`.
    replaces: bool,
    /// True if the service has an ownership tag.
    owned: bool,
}

/// Makes the edit to a service of the emulator, without checking the API's rules. Does nothing if no service can be
/// edited in this way.
pub(super) fn edit(api: Api, world: &mut World, edit: &Edit) {
    let candidates = candidates(api, world);
    let Some(index) = choose(edit, &candidates) else { return };
    let id = candidates[index].id.clone();
    match (edit, api) {
        (Edit::Delete(_) | Edit::DeleteUnowned(_), Api::Classic) => {
            world.organization_mut(ORGANIZATION).expect("it exists").services_mut().remove(&id);
        }
        (Edit::Delete(_) | Edit::DeleteUnowned(_), Api::Platform) => {
            world.workspace_mut(SANDBOX_WORKSPACE).expect("it exists").services_mut().remove(&id);
        }
        (_, Api::Classic) => {
            let home = world.organization_mut(ORGANIZATION).expect("it exists");
            let service = home.services_mut().get_mut(&id).expect("it exists");
            if *edit == Edit::Create {
                let new = emulator::Service {
                    id: String::new(),
                    name: "Newcomer".to_owned(),
                    is_active: false,
                    ..service.clone()
                };
                world.add_service(ORGANIZATION, new);
            } else {
                change(service, edit, &candidates, index);
            }
        }
        (_, Api::Platform) => {
            let home = world.workspace_mut(SANDBOX_WORKSPACE).expect("it exists");
            let service = home.services_mut().get_mut(&id).expect("it exists");
            if *edit == Edit::Create {
                let new = PlatformService {
                    id: String::new(),
                    name: "Newcomer".to_owned(),
                    is_active: false,
                    ..service.clone()
                };
                world.add_platform_service(SANDBOX_WORKSPACE, new);
            } else {
                change(service, edit, &candidates, index);
            }
        }
    }
}

/// Changes the name and the activity of a service, without checking the API's rules.
pub(super) fn set_name_and_activity(api: Api, world: &mut World, id: &str, name: &str, active: bool) {
    let set = |fields: EditableFields<'_>| (*fields.name, *fields.active) = (name.to_owned(), active);
    match api {
        Api::Classic => {
            let home = world.organization_mut(ORGANIZATION).expect("it exists");
            set(home.services_mut().get_mut(id).expect("it exists").fields());
        }
        Api::Platform => {
            let home = world.workspace_mut(SANDBOX_WORKSPACE).expect("it exists");
            set(home.services_mut().get_mut(id).expect("it exists").fields());
        }
    }
}

/// Adds a copy of a service with all its tags. Returns the id of the copy.
pub(super) fn copy(api: Api, world: &mut World, id: &str, name: &str) -> String {
    let (id, name) = (id.to_owned(), name.to_owned());
    match api {
        Api::Classic => {
            let home = world.organization(ORGANIZATION).expect("it exists");
            let original = home.services().get(&id).expect("it exists").clone();
            world.add_service(ORGANIZATION, emulator::Service { id: String::new(), name, ..original })
        }
        Api::Platform => {
            let home = world.workspace(SANDBOX_WORKSPACE).expect("it exists");
            let original = home.services().get(&id).expect("it exists").clone();
            world.add_platform_service(
                SANDBOX_WORKSPACE,
                PlatformService { id: String::new(), name, ..original },
            )
        }
    }
    .expect("the copy is valid")
}

fn candidates(api: Api, world: &World) -> Vec<Candidate> {
    match api {
        Api::Classic => {
            let home = world.organization(ORGANIZATION).expect("it exists");
            let candidate = |row: &emulator::Service| Candidate {
                id: row.id.clone(),
                name: row.name.clone(),
                active: row.is_active,
                system: false,
                replaces: row.has_tag(TAG_REPLACES),
                owned: row.has_tag(OWNER),
            };
            home.services().iter().map(candidate).collect()
        }
        Api::Platform => {
            let home = world.workspace(SANDBOX_WORKSPACE).expect("it exists");
            let candidate = |row: &PlatformService| Candidate {
                id: row.id.clone(),
                name: row.name.clone(),
                active: row.is_active,
                system: row.is_system,
                replaces: row.has_tag(TAG_REPLACES),
                owned: row.has_tag(OWNER),
            };
            home.services().iter().map(candidate).collect()
        }
    }
}

/// Returns the index of the candidate to edit, or `None` if no candidate can be edited in this way.
fn choose(edit: &Edit, candidates: &[Candidate]) -> Option<usize> {
    let choose_where = |n: u64, fits: &dyn Fn(&Candidate) -> bool| {
        let fitting: Vec<usize> = (0..candidates.len()).filter(|index| fits(&candidates[*index])).collect();
        (!fitting.is_empty()).then(|| fitting[(n % fitting.len() as u64) as usize])
    };
    let is_no_system_service = |service: &Candidate| !service.system;
    match edit {
        Edit::Description(n) | Edit::Tag(n) | Edit::Pin(n) => choose_where(*n, &|_| true),
        Edit::Rename(n) | Edit::Delete(n) | Edit::Switch(n) => choose_where(*n, &is_no_system_service),
        Edit::Owner(n) => choose_where(*n, &|service| service.owned && !service.system),
        Edit::RemoveReplaces(n) => choose_where(*n, &|service| service.replaces),
        Edit::Restore(n) => {
            choose_where(*n, &|service| !service.active && service.name.contains("(replaced "))
        }
        Edit::DeleteUnowned(n) => choose_where(*n, &|service| service.name.starts_with("Decoy")),
        Edit::Deactivate | Edit::Create => choose_where(0, &|service| service.name == "Bystander"),
    }
}

fn change(service: &mut impl Editable, edit: &Edit, candidates: &[Candidate], index: usize) {
    let is_free = |name: &str| candidates.iter().all(|other| !other.active || other.name != name);
    let fields = service.fields();
    match edit {
        Edit::Description(_) => *fields.description = DESCRIPTION.to_owned(),
        Edit::Tag(_) => service.set_tag("console", Some("yes")),
        Edit::Pin(_) => {
            if let Some(set) = fields.sets.get_mut("release") {
                set.agent_version = Some(1);
            }
        }
        Edit::Deactivate => *fields.active = false,
        Edit::Switch(_) | Edit::Restore(_) => {
            *fields.active = !candidates[index].active && is_free(&candidates[index].name);
        }
        Edit::Rename(n) => *fields.name = format!("{CONSOLE_PREFIX}{}", n % 1_000),
        Edit::Owner(n) if n % 3 == 0 => service.remove_tag(OWNER),
        Edit::Owner(_) => service.set_tag(OWNER, Some("console")),
        Edit::RemoveReplaces(_) => service.remove_tag(TAG_REPLACES),
        Edit::Create | Edit::Delete(_) | Edit::DeleteUnowned(_) => {}
    }
}
