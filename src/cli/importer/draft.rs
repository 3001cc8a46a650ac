//! The files that an import will write, and the changes that a plan will still make after the import.

use std::collections::BTreeMap;
use std::path::Path;

use super::target::ImportTarget;
use crate::cli::files;
use crate::edit::{self, Change};
use crate::error::Failure;
use crate::import::{NewFile, Note};
use crate::manifest::{EnvironmentTarget, Loaded, ManifestDocument, Problems, Severity};
use crate::model::{ServiceName, Snapshot, TAG_ORIGIN};
use crate::plan::{self, Field, Options, Plan, PlanError, ServiceKind, ServicePlan, VersionSetChangeKind};
use crate::remote::complete_snapshot;

/// An existing file that the import changes.
pub(super) struct Edit {
    /// The path of the file in the project.
    pub(super) file: String,
    /// The text of the file before the import.
    pub(super) before: String,
    /// The new text of the file.
    pub(super) text: String,
    /// The services whose manifests in this file change.
    pub(super) services: Vec<EditedService>,
}

/// A service whose manifest the import changes.
pub(super) struct EditedService {
    /// The current name of the live service.
    pub(super) live: ServiceName,
    /// The name that the manifest declared before, if the import changes it.
    pub(super) renamed_from: Option<ServiceName>,
}

impl EditedService {
    /// Returns the name of the service. If the import changes the declared name, returns the old and the new name.
    pub(super) fn describe(&self) -> String {
        match &self.renamed_from {
            Some(declared) => format!("{declared} → {}", self.live),
            None => self.live.to_string(),
        }
    }

    /// Returns a note for the user if the import changes the declared name. The user must check the change, because a
    /// match by agent and context graph may be wrong.
    fn rename_note(&self, file: &str) -> Option<String> {
        let (live, declared) = (&self.live, self.renamed_from.as_ref()?);
        Some(format!(
            "`{live}`: {file} declared `{declared}` and now declares `{live}`, the name of the live service that it matches. \
             If `{declared}` is a new service, or the new name of this service, undo this change"
        ))
    }
}

/// The files that an import will write, and notes for the user.
pub(super) struct Draft {
    /// The directory for new files, relative to the project.
    directory: String,
    pub(super) files: Vec<NewFile>,
    pub(super) edits: Vec<Edit>,
    pub(super) notes: Vec<Note>,
    /// The services that no manifest declares and that get no new manifest, because there is no directory for one.
    pub(super) undeclared: Vec<ServiceName>,
}

/// The changes that a plan will still make after the files are written.
#[derive(Default)]
pub(super) struct RemainingChanges {
    /// The ends of sentences that begin with "a plan", such as "would change nothing." They are printed to stdout.
    pub(super) result: Vec<String>,
    /// The notes that are printed to stderr.
    pub(super) notes: Vec<String>,
}

impl Draft {
    pub(super) fn new(directory: String) -> Self {
        Self { directory, files: Vec::new(), edits: Vec::new(), notes: Vec::new(), undeclared: Vec::new() }
    }

    /// Returns a note about each manifest whose declared name changes.
    pub(super) fn rename_notes(&self) -> impl Iterator<Item = String> {
        self.edits
            .iter()
            .flat_map(|edit| edit.services.iter().filter_map(|service| service.rename_note(&edit.file)))
    }

    /// Returns a note about the services that get no new manifest, or `None` if there are none.
    pub(super) fn undeclared_note(&self) -> Option<String> {
        const MAX_NAMES: usize = 5;
        let mut names: Vec<String> =
            self.undeclared.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
        if self.undeclared.len() > MAX_NAMES {
            names.push(format!("{} more", self.undeclared.len() - MAX_NAMES));
        }
        let what = match self.undeclared.len() {
            0 => return None,
            1 => "1 live service has no manifest and was not imported".to_owned(),
            count => format!("{count} live services have no manifests and were not imported"),
        };
        Some(format!("{what}: {}. Use `--out DIR` to write new manifests", names.join(", ")))
    }

    /// Returns the path of a new file in the project.
    pub(super) fn path_of(&self, file: &NewFile) -> String {
        match self.directory.as_str() {
            "" => file.name.clone(),
            directory => format!("{directory}/{}", file.name),
        }
    }

    /// Applies changes to one document of a file. If a change can't be written, adds a note about it, and makes the
    /// other changes.
    pub(super) fn edit(
        &mut self,
        root: &Path,
        document: &ManifestDocument,
        service: &ServiceName,
        changes: &[Change],
    ) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        let known = self.edits.iter().position(|edit| edit.file == document.file);
        let before = match known {
            Some(index) => self.edits[index].text.clone(),
            None => files::read_manifest(root, &document.file)
                .map_err(|error| Failure::other(format!("can't read `{}`: {error}", document.file)))?,
        };
        let mut text = before.clone();
        let mut edited = EditedService { live: service.clone(), renamed_from: None };
        for change in changes {
            match edit::edit(&text, document.index, std::slice::from_ref(change)) {
                Ok(changed) => {
                    text = changed;
                    if matches!(change, Change::Set { path, .. } if path[..] == ["service"]) {
                        edited.renamed_from = document.service().map(ServiceName::new);
                    }
                }
                Err(error) => {
                    let wanted = match change {
                        Change::Set { value, .. } => format!("the live value is {value}"),
                        Change::Remove { .. } => "there is no live value".to_owned(),
                    };
                    let message = format!("{}: {error}; {wanted}", document.file);
                    self.notes.push(Note { service: service.clone(), message });
                }
            }
        }
        if text == before {
            return Ok(());
        }
        match known {
            Some(index) => {
                self.edits[index].text = text;
                self.edits[index].services.push(edited);
            }
            None => {
                self.edits.push(Edit { file: document.file.clone(), before, text, services: vec![edited] });
            }
        }
        Ok(())
    }

    /// Removes from the draft the files that the loader rejects, and the new files that prevent a plan. To find them,
    /// loads the project as it will be after the import, and makes a plan. Returns the remaining draft and the changes
    /// that the plan would make, or the reasons why no plan can be made.
    pub(super) async fn drop_unusable(
        mut self,
        target: &ImportTarget<'_>,
        snapshot: Snapshot,
    ) -> Result<(Self, RemainingChanges), Failure> {
        let mut snapshot = snapshot;
        loop {
            let loaded = match self.load(target) {
                Ok(loaded) => loaded,
                Err(problems) => {
                    self.drop_invalid(problems)?;
                    continue;
                }
            };
            self.check_globs(&loaded)?;
            if loaded.desired.services.is_empty() {
                return Ok((self, RemainingChanges::default()));
            }
            let (desired, policy) = (&loaded.desired, &loaded.project.policy);
            let options = options(target, &loaded);
            snapshot = complete_snapshot(target.api(), snapshot, |snapshot| {
                plan::lookups(desired, snapshot, policy, &options)
            })
            .await?;
            match plan::plan(desired, &snapshot, policy, &options) {
                Ok(plan) => return Ok((self, remaining(&plan, &policy.ownership.tag))),
                Err(error) if self.drop_refused(&error) => {}
                Err(error) => {
                    let notes = error
                        .problems
                        .iter()
                        .map(|problem| format!("a plan can't be made: {}", problem.message));
                    let remaining = RemainingChanges { result: Vec::new(), notes: notes.collect() };
                    return Ok((self, remaining));
                }
            }
        }
    }

    /// Loads the project as it will be after the import.
    fn load(&self, target: &ImportTarget<'_>) -> Result<Loaded, Problems> {
        let new = self.files.iter().map(|file| (self.path_of(file), file.text.clone()));
        let changed = self.edits.iter().map(|edit| (edit.file.clone(), edit.text.clone()));
        target.load_with(new.chain(changed).collect())
    }

    /// Removes from the draft the files that the loader rejects. There can be such files, because manifests are
    /// stricter than the API in some places. Returns the problems as an error if none of them is in a file of the
    /// draft.
    fn drop_invalid(&mut self, problems: Problems) -> Result<(), Failure> {
        let mut reasons: BTreeMap<String, String> = BTreeMap::new();
        for diagnostic in problems.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
            let file = diagnostic.location.file.clone();
            reasons.entry(file).or_insert_with(|| diagnostic.message.clone());
        }
        let (before, directory) = (self.files.len() + self.edits.len(), self.directory.clone());
        let mut notes = Vec::new();
        self.files.retain(|file| {
            let path =
                if directory.is_empty() { file.name.clone() } else { format!("{directory}/{}", file.name) };
            let reason = reasons.get(&path);
            notes.extend(reason.map(|reason| Note {
                service: file.service.clone(),
                message: format!("not imported, because a manifest can't describe this service: {reason}"),
            }));
            reason.is_none()
        });
        self.edits.retain(|edit| {
            let reason = reasons.get(&edit.file);
            notes.extend(reason.into_iter().flat_map(|reason| {
                edit.services.iter().map(move |service| Note {
                    service: service.live.clone(),
                    message: format!("{} was not updated: {reason}", edit.file),
                })
            }));
            reason.is_none()
        });
        self.notes.extend(notes);
        if self.files.len() + self.edits.len() == before { Err(problems.into()) } else { Ok(()) }
    }

    /// Removes from the draft the new manifests that prevent a plan. Returns true if at least one manifest was removed.
    fn drop_refused(&mut self, error: &PlanError) -> bool {
        let before = self.files.len();
        let notes = &mut self.notes;
        self.files.retain(|file| {
            let problem =
                error.problems.iter().find(|problem| problem.service.as_ref() == Some(&file.service));
            notes.extend(problem.map(|problem| Note {
                service: file.service.clone(),
                message: format!(
                    "not imported, because no plan can be made with this service: {}",
                    problem.message
                ),
            }));
            problem.is_none()
        });
        self.files.len() < before
    }

    /// Checks that the project's patterns for manifests match the new files.
    fn check_globs(&self, loaded: &Loaded) -> Result<(), Failure> {
        let found = |file: &&NewFile| loaded.documents.iter().any(|one| one.file == self.path_of(file));
        if self.files.iter().all(|file| found(&file)) {
            return Ok(());
        }
        let patterns = loaded.project.manifests.join(", ");
        let directory = if self.directory.is_empty() { "." } else { &self.directory };
        Err(Failure::other(format!(
            "no pattern under `manifests` in amigops.yaml matches the new files in {directory}"
        ))
        .hint(format!(
            "choose a directory that a pattern under `manifests:` in amigops.yaml covers, or add a pattern for the directory; the patterns are {patterns}"
        )))
    }
}

fn options(target: &ImportTarget<'_>, loaded: &Loaded) -> Options {
    Options {
        api: target.connection.kind(),
        today: target.context.env.today(),
        prune: false,
        take_over: None,
        touched: None,
        unmanage: Default::default(),
        allow_protected: false,
        max_removals: None,
        limited: !matches!(loaded.environment.target, EnvironmentTarget::Embedded { limits: false, .. }),
        only: Default::default(),
        create: Default::default(),
        enforce_guardrails: true,
        corrects_origins: true,
    }
}

/// Describes the changes that a plan would make, apart from writing the tags `ownership` and `origin`.
fn remaining(plan: &Plan, ownership: &str) -> RemainingChanges {
    let own_tags = [ownership, TAG_ORIGIN].map(|tag| Field::Tag(tag.to_owned()));
    let only_tags = |service: &&ServicePlan| {
        let alone = service.kind == ServiceKind::Update && service.steps.len() == 1;
        let mut fields = service.changes.fields.iter();
        let any = service.adopted || fields.len() > 0;
        alone
            && any
            && service.changes.version_sets.is_empty()
            && fields.all(|change| own_tags.contains(&change.field))
    };
    let (tagged, rest): (Vec<_>, Vec<_>) = plan.services.iter().partition(only_tags);
    let tag = match tagged.iter().all(|service| service.adopted) {
        true => "add the ownership tag to",
        false => "write the ownership tag and the tag `origin` of",
    };
    let what = match (tagged.len(), rest.len()) {
        (0, 0) => "would change nothing.".to_owned(),
        (1, 0) => format!("would only {tag} 1 service: run `amigops apply`."),
        (n, 0) => format!("would only {tag} {n} services: run `amigops apply`."),
        (_, 1) => "would still change 1 service: run `amigops plan` to see the changes.".to_owned(),
        (_, n) => format!("would still change {n} services: run `amigops plan` to see the changes."),
    };
    let notes = rest.iter().map(|service| {
        let what = match service.kind {
            ServiceKind::Create => {
                "a plan would create this service, because no live service with this name is active or owned by this project"
                    .to_owned()
            }
            ServiceKind::Replace => "a plan would replace this service".to_owned(),
            ServiceKind::Retire => "a plan would retire this service".to_owned(),
            ServiceKind::Update => describe_update(plan, service),
        };
        format!("`{}`: {what}", service.name)
    });
    let notes = notes.collect();
    RemainingChanges { result: vec![what], notes }
}

/// Returns a sentence that names the keys whose values the plan would change in a service.
fn describe_update(plan: &Plan, service: &ServicePlan) -> String {
    let fields = service.changes.field_values().map(|change| change.path.to_string());
    let sets = plan.version_set_changes(service).flat_map(|set| match set.kind {
        VersionSetChangeKind::Changed => set.values().map(|change| change.path.to_string()).collect(),
        VersionSetChangeKind::Created => vec![format!("{} (created)", set.path())],
        VersionSetChangeKind::Deleted => vec![format!("{} (deleted)", set.path())],
    });
    let mut paths: Vec<String> = fields.chain(sets).collect();
    paths.dedup();
    match paths.is_empty() {
        // The plan only cleans up, for example after an interrupted replacement.
        true => "a plan would make steps for this service that change none of its values".to_owned(),
        false => format!("a plan would change this service: {}", paths.join(", ")),
    }
}
