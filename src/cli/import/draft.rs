//! What an import is about to write, and what is left to plan once it is written. May import everything.

use std::collections::BTreeMap;
use std::path::Path;

use super::Importer;
use crate::cli::files;
use crate::edit::{self, Change};
use crate::error::Failure;
use crate::import::{NewFile, Note};
use crate::manifest::{self, ManifestDocument, Problems, ProjectDocuments, Severity, Target};
use crate::model::{ServiceName, Snapshot};
use crate::plan::{self, Options, Plan, PlanError, ServiceKind};
use crate::remote::complete_snapshot;

/// A file that exists, with its new text.
pub(super) struct Edit {
    /// Its name within the project.
    pub(super) file: String,
    /// What it will hold.
    pub(super) text: String,
    /// The services that it is changed for.
    pub(super) services: Vec<ServiceName>,
}

/// Everything that is to be written.
pub(super) struct Draft {
    /// The directory of new files, within the project.
    directory: String,
    pub(super) files: Vec<NewFile>,
    pub(super) edits: Vec<Edit>,
    pub(super) notes: Vec<Note>,
}

/// What is left once the files are written.
#[derive(Default)]
pub(super) struct Outlook {
    /// For stdout.
    pub(super) result: Vec<String>,
    /// For stderr.
    pub(super) remarks: Vec<String>,
}

impl Draft {
    pub(super) fn new(directory: String) -> Self {
        Self { directory, files: Vec::new(), edits: Vec::new(), notes: Vec::new() }
    }

    /// A new file's name within the project.
    pub(super) fn path_of(&self, file: &NewFile) -> String {
        match self.directory.as_str() {
            "" => file.name.clone(),
            directory => format!("{directory}/{}", file.name),
        }
    }

    /// Changes one document of a file, one change after the other: what can't be said is told, and the rest
    /// is done.
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
                .map_err(|error| Failure::other(format!("`{}` can't be read: {error}", document.file)))?,
        };
        let mut text = before.clone();
        for change in changes {
            match edit::edit(&text, document.index, std::slice::from_ref(change)) {
                Ok(changed) => text = changed,
                Err(error) => {
                    let wanted = match change {
                        Change::Set { value, .. } => format!("live, it is {value}"),
                        Change::Remove { .. } => "live, there is none".to_owned(),
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
                self.edits[index].services.push(service.clone());
            }
            None => {
                self.edits.push(Edit { file: document.file.clone(), text, services: vec![service.clone()] })
            }
        }
        Ok(())
    }

    /// Reads the project as it would be and plans with it, leaving out files that it can't be read or planned
    /// with, until it can.
    pub(super) async fn settle(
        mut self,
        importer: &Importer<'_>,
        snapshot: Snapshot,
    ) -> Result<(Self, Outlook), Failure> {
        let mut snapshot = snapshot;
        loop {
            let survey = match self.survey(importer) {
                Ok(survey) => survey,
                Err(problems) => {
                    self.drop_unreadable(problems)?;
                    continue;
                }
            };
            self.covered(&survey)?;
            if survey.loaded.desired.services.is_empty() {
                return Ok((self, Outlook::default()));
            }
            let (desired, policy) = (&survey.loaded.desired, &survey.loaded.project.policy);
            let options = options(importer, &survey);
            snapshot = complete_snapshot(importer.api(), snapshot, |snapshot| {
                plan::lookups(desired, snapshot, policy, &options)
            })
            .await?;
            match plan::plan(desired, &snapshot, policy, &options) {
                Ok(plan) => return Ok((self, outlook(&plan, &policy.ownership.tag))),
                Err(error) if self.drop_refused(&error) => {}
                Err(error) => {
                    let remarks =
                        error.problems.iter().map(|problem| format!("no plan: {}", problem.message));
                    let outlook = Outlook { result: Vec::new(), remarks: remarks.collect() };
                    return Ok((self, outlook));
                }
            }
        }
    }

    fn survey(&self, importer: &Importer<'_>) -> Result<ProjectDocuments, Problems> {
        let new = self.files.iter().map(|file| (self.path_of(file), file.text.clone()));
        let changed = self.edits.iter().map(|edit| (edit.file.clone(), edit.text.clone()));
        let texts: BTreeMap<String, String> = new.chain(changed).collect();
        let environment = importer.loaded().environment.name.as_str();
        manifest::load_documents(&importer.root, Some(environment), &texts)
    }

    /// Leaves out what can't be read back: manifests are stricter than the API is, here and there.
    fn drop_unreadable(&mut self, problems: Problems) -> Result<(), Failure> {
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
                message: format!("is not imported, a manifest can't say it: {reason}"),
            }));
            reason.is_none()
        });
        self.edits.retain(|edit| {
            let reason = reasons.get(&edit.file);
            notes.extend(reason.into_iter().flat_map(|reason| {
                edit.services.iter().map(move |service| Note {
                    service: service.clone(),
                    message: format!("{} stays as it is: {reason}", edit.file),
                })
            }));
            reason.is_none()
        });
        self.notes.extend(notes);
        if self.files.len() + self.edits.len() == before { Err(problems.into()) } else { Ok(()) }
    }

    /// Leaves out new manifests that stand against every plan; whether there are any.
    fn drop_refused(&mut self, error: &PlanError) -> bool {
        let before = self.files.len();
        let notes = &mut self.notes;
        self.files.retain(|file| {
            let problem =
                error.problems.iter().find(|problem| problem.service.as_ref() == Some(&file.service));
            notes.extend(problem.map(|problem| Note {
                service: file.service.clone(),
                message: format!("is not imported, no plan could be made with it: {}", problem.message),
            }));
            problem.is_none()
        });
        self.files.len() < before
    }

    /// Checks that the project would find the new files.
    fn covered(&self, survey: &ProjectDocuments) -> Result<(), Failure> {
        let found = |file: &&NewFile| survey.documents.iter().any(|one| one.file == self.path_of(file));
        if self.files.iter().all(|file| found(&file)) {
            return Ok(());
        }
        let patterns = survey.loaded.project.manifests.join(", ");
        let directory = if self.directory.is_empty() { "." } else { &self.directory };
        Err(Failure::other(format!(
            "no pattern of `manifests` in amigops.yaml matches the files of {directory}"
        ))
        .hint(format!("name another directory with `--out`, or add a pattern; there is {patterns}")))
    }
}

fn options(importer: &Importer<'_>, survey: &ProjectDocuments) -> Options {
    Options {
        api: importer.connection.kind(),
        today: importer.context.env.today(),
        prune: false,
        take_over: None,
        touched: None,
        allow_protected: false,
        max_removals: None,
        limited: !matches!(survey.loaded.environment.target, Target::Embedded { limits: false, .. }),
        only: Default::default(),
        enforce_guardrails: true,
    }
}

/// What a plan would do, adoption apart.
fn outlook(plan: &Plan, tag: &str) -> Outlook {
    let tag = format!("tags.{tag}");
    let tags = |service: &&plan::ServicePlan| {
        let alone = service.kind == ServiceKind::Update && service.steps.len() == 1;
        service.adopted && alone && service.changes.iter().all(|change| change.path == tag)
    };
    let adopted = plan.services.iter().filter(tags).count();
    let rest: Vec<_> = plan.services.iter().filter(|service| !tags(service)).collect();
    let what = match (adopted, rest.len()) {
        (0, 0) => "A plan finds nothing to do.".to_owned(),
        (1, 0) => "A plan only tags 1 service as this project's (adoption): run `amigops apply`.".to_owned(),
        (n, 0) => format!("A plan only tags {n} services as this project's (adoption): run `amigops apply`."),
        (_, n) => format!("A plan is not empty: {n} more to do, see `amigops plan`."),
    };
    let remarks = rest.iter().map(|service| {
        let what = match service.kind {
            ServiceKind::Create => {
                "no live service that is active or ours has this name, and a plan creates one".to_owned()
            }
            ServiceKind::Replace => "a plan replaces it".to_owned(),
            ServiceKind::Retire => "a plan retires it".to_owned(),
            ServiceKind::Update => {
                let paths: Vec<&str> = service.changes.iter().map(|change| change.path.as_str()).collect();
                format!("a plan changes it: {}", paths.join(", "))
            }
        };
        format!("`{}`: {what}", service.name)
    });
    let remarks = remarks.collect();
    Outlook { result: vec![what], remarks }
}
