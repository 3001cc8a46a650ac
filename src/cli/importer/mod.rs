//! Writes manifests from live services, for `import` and `init --from-env`.
//!
//! Before anything is written, the project is loaded and planned as it will be after the import. So the import can
//! report the changes that a plan will still make.

mod diff;
mod draft;
mod target;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use self::draft::{Draft, Edit, EditedService};
pub(super) use self::target::ImportTarget;
use super::files;
use crate::checkout;
use crate::error::{Failure, Success};
use crate::import::{self, select};
use crate::model::{Lookups, Need, ServiceName, Snapshot};
use crate::plan;
use crate::remote::read_snapshot;
use crate::report::text::visible;

/// An import of live services into the manifests of a project.
pub(super) struct Importer<'a> {
    pub(super) target: ImportTarget<'a>,
    pub(super) scope: select::Scope,
    /// The files of a new project that were written before the import. They are included in the report.
    pub(super) project_files: Vec<String>,
    /// True if the import only shows what it would write.
    pub(super) dry_run: bool,
}

impl Importer<'_> {
    /// Runs the import, and writes new manifests into the directory `out`. Without a directory, only updates existing
    /// manifests.
    pub(super) async fn run(mut self, out: Option<&Path>) -> Result<Success, Failure> {
        let out = out.map(|out| resolve_directory(self.target.root(), out)).transpose()?;
        if out.is_none() && self.target.loaded.documents.is_empty() {
            return Err(Failure::other("the project has no manifests that the import could update")
                .hint("use `--out DIR` to write new manifests into a directory, such as `services`"));
        }
        // Read the list of services twice, because one reading may miss a service.
        let snapshot = read_snapshot(self.target.api(), missing_lookups, |_| true).await?;
        if let Some(name) = select::missing(&self.scope, &snapshot, &self.target.loaded.desired).first() {
            return Err(Failure::other(format!(
                "no live service is named `{name}`, and no manifest declares it"
            )));
        }
        let leftovers = snapshot.services.iter().filter(|service| plan::is_leftover(service));
        self.scope.leftovers = leftovers.map(|service| service.id.clone()).collect();
        let draft = self.draft(&snapshot, out.as_deref())?;
        let (draft, remaining) = draft.drop_unusable(&self.target, snapshot).await?;
        if !self.dry_run {
            self.write(&draft, out.as_deref())?;
        }
        self.report(&draft, &remaining);
        Ok(Success::Done)
    }

    fn write(&self, draft: &Draft, out: Option<&Path>) -> Result<(), Failure> {
        for edit in &draft.edits {
            files::replace(self.target.root(), &edit.file, &edit.text)?;
        }
        let Some(out) = out else { return Ok(()) };
        files::make_directory(self.target.root(), out)?;
        draft.files.iter().try_for_each(|file| files::create(&out.join(&file.name), &file.text))
    }

    /// Returns the changes to existing manifests and the new manifests, without writing them.
    fn draft(&self, snapshot: &Snapshot, out: Option<&Path>) -> Result<Draft, Failure> {
        let (loaded, root) = (&self.target.loaded, self.target.root());
        let policy = &loaded.project.policy;
        let environments = &loaded.project.environments;
        let api = loaded.environment.target.api();
        let about = import::ImportContext {
            api,
            policy,
            snapshot,
            environment: &loaded.environment.name,
            sole: environments.len() == 1,
            mixed: environments.values().any(|other| other.target.api() != api),
            defaults: &loaded.defaults,
        };
        // If the ids can't be determined, because a reference can't be resolved, services are matched by name.
        let ids =
            plan::ids(&loaded.desired, snapshot, policy, loaded.environment.target.api()).unwrap_or_default();
        let pairs = select::match_services(&loaded.desired, &ids, &about, &self.scope.leftovers);
        let mut draft = Draft::new(out.map(|out| relative(root, out)).unwrap_or_default());
        for document in &loaded.documents {
            let Some(name) = document.service().map(ServiceName::new) else { continue };
            let Some(wanted) = loaded.desired.services.get(&name) else { continue };
            let is_named = self.scope.only.contains(&name);
            let Some(live) = pairs.get(&name) else {
                draft.notes.extend(is_named.then(|| import::Note::without_service(&name)));
                continue;
            };
            let is_selected = self.scope.only.is_empty() || is_named || self.scope.only.contains(&live.name);
            if is_selected && !plan::is_leftover(live) && !live.system {
                let (changes, notes) = import::update::changes(&about, &document.members, wanted, live);
                draft.notes.extend(notes);
                draft.edit(root, document, &live.name, &changes)?;
            }
        }
        let matched: BTreeSet<_> = pairs.values().map(|live| &live.id).collect();
        let (services, notes) = select::services(&about, &self.scope);
        let is_declared = |name: &ServiceName| loaded.desired.services.contains_key(name);
        let new: Vec<_> = services
            .into_iter()
            .filter(|live| !matched.contains(&live.id) && !is_declared(&live.name))
            .collect();
        let Some(out) = out else {
            draft.undeclared = new.into_iter().map(|live| live.name.clone()).collect();
            return Ok(draft);
        };
        let notes = notes.into_iter().filter(|note| !is_declared(&note.service));
        draft.notes.extend(notes);
        let taken = file_names(out)?;
        let (files, notes) = import::files(&about, &new, &taken, schema_path(root, out).as_deref());
        draft.files = files;
        draft.notes.extend(notes);
        Ok(draft)
    }

    fn report(&self, draft: &Draft, remaining: &draft::RemainingChanges) {
        let mut text = String::new();
        for file in &self.project_files {
            text += &format!("  + {}\n", visible(file));
        }
        let mut line = |mark: &str, file: &str, service: &str| {
            text += &format!("  {mark} {}  {}\n", visible(file), visible(service));
        };
        for file in &draft.files {
            line("+", &draft.path_of(file), file.service.as_str());
        }
        for Edit { file, services, .. } in &draft.edits {
            let names: Vec<String> = services.iter().map(EditedService::describe).collect();
            line("~", file, &names.join(", "));
        }
        let (created, updated) = (self.project_files.len() + draft.files.len(), draft.edits.len());
        let counted = |count: usize| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let (created, updated) = (counted(created), counted(updated));
        let when = match self.dry_run {
            true => {
                text += &diff::of_files(draft);
                text += &format!(
                    "Dry run: {created} would be created, {updated} would be updated; nothing was written\n"
                );
                "A plan made after this import"
            }
            false => {
                text += &format!("Import: {created} created, {updated} updated\n");
                "A plan made now"
            }
        };
        for line in &remaining.result {
            text += &format!("{when} {line}\n");
        }
        self.target.context.ui.result(&text);
        for note in &draft.notes {
            let (service, message) = (visible(note.service.as_str()), visible(&note.message));
            self.target.context.ui.note(&format!("note: `{service}`: {message}"));
        }
        let notes = draft.rename_notes().chain(draft.undeclared_note());
        for note in notes.chain(remaining.notes.iter().cloned()) {
            self.target.context.ui.note(&format!("note: {}", visible(&note)));
        }
    }
}

/// Returns the lists of agents and context graphs that must still be read. Both must be read completely, because
/// manifests refer to agents and context graphs by name.
fn missing_lookups(snapshot: &Snapshot) -> Lookups {
    Lookups {
        agents: if snapshot.agents.complete { Need::Nothing } else { Need::All },
        context_graphs: if snapshot.context_graphs.complete { Need::Nothing } else { Need::All },
        versions_of_agents: BTreeSet::new(),
        versions_of_context_graphs: BTreeSet::new(),
        behavior_sets_of: BTreeSet::new(),
    }
}

/// Returns the real path of the directory for new manifests. It must be inside the project, but need not exist yet.
fn resolve_directory(root: &Path, out: &Path) -> Result<PathBuf, Failure> {
    let failure = |why: &dyn std::fmt::Display| {
        Failure::other(format!("`{}` can't be the directory for new manifests: {why}", out.display()))
            .hint(format!("choose a directory inside {} with `--out`, such as `services`", root.display()))
    };
    let absolute = std::path::absolute(out).map_err(|error| failure(&error))?;
    // The user chose the path up to the project, so links in it are followed. A pull request may have added links
    // inside the project, so the directory to which they lead must also be inside the project.
    let is_root = |path: &&Path| fs::canonicalize(path).is_ok_and(|real| real == root);
    let below = match fs::canonicalize(&absolute) {
        Ok(real) => real.strip_prefix(root).map(Path::to_owned).ok(),
        Err(_) => {
            let project = absolute.ancestors().find(is_root);
            project.and_then(|project| absolute.strip_prefix(project).ok()).map(Path::to_owned)
        }
    };
    let goes_up = |path: &PathBuf| path.components().any(|part| part == Component::ParentDir);
    let below = below
        .filter(|path| !goes_up(path))
        .ok_or_else(|| failure(&format!("the directory is not inside the project {}", root.display())))?;
    checkout::check_directory(root, &below).map_err(|error| failure(&error))
}

fn file_names(directory: &Path) -> Result<BTreeSet<String>, Failure> {
    let unreadable = |error| Failure::other(format!("can't read `{}`: {error}", directory.display()));
    match fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, std::io::Error>>()
            .map_err(unreadable),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(unreadable(error)),
    }
}

/// Returns a path relative to the project's directory, with `/` between its parts.
fn relative(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
}

/// Returns the path of the project's copy of the manifest schema, relative to the directory of new manifests. Returns
/// `None` if the project has no copy. New manifests refer to the copy, because the schema has no public URL.
fn schema_path(root: &Path, out: &Path) -> Option<String> {
    const SCHEMA: &str = "schema/service.schema.json";
    root.join(SCHEMA).is_file().then(|| {
        let up = out.strip_prefix(root).map_or(0, |below| below.components().count());
        format!("{}{SCHEMA}", "../".repeat(up))
    })
}
