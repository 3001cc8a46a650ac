//! `amigops import`: manifests from live services. May import everything.
//!
//! Nothing is written before the project has been read and planned with as it would be: what an import
//! leaves to plan is known, and said, when the files are there.

mod draft;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Args;

use self::draft::{Draft, Edit};
use super::connect::{self, Connection};
use super::{Context, files};
use crate::checkout;
use crate::error::{Failure, Success};
use crate::import::{self, select};
use crate::manifest::{self, Loaded, ProjectDocuments};
use crate::model::{Lookups, Need, ServiceName, Snapshot};
use crate::plan;
use crate::remote::{ReadApi, read_snapshot};
use crate::report::text::visible;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// Where files for services without a manifest are written; a directory of the project
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Inactive services that nobody owns, too
    #[arg(long)]
    all: bool,
    /// Only this service; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

impl Import {
    /// Reads, writes the manifests, and says what is left to plan.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let root = manifest::find_root(&context.global.directory)?;
        let survey = manifest::load_documents(&root, context.global.env.as_deref(), &Default::default())?;
        let connection = connect::connect(context, &survey.loaded)?;
        let scope = select::Scope {
            all: self.all,
            only: self.only.iter().map(ServiceName::new).collect(),
            leftovers: BTreeSet::new(),
        };
        // `-C` is where the command runs, as elsewhere.
        let out = context.global.directory.join(&self.out);
        Importer { context, root, survey, connection, scope, project_files: Vec::new() }.run(&out).await
    }
}

/// One import, for this command and for `init`.
pub(super) struct Importer<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) root: PathBuf,
    pub(super) survey: ProjectDocuments,
    pub(super) connection: Connection,
    pub(super) scope: select::Scope,
    /// Files of a new project that were written before, for the report.
    pub(super) project_files: Vec<String>,
}

impl Importer<'_> {
    pub(super) async fn run(mut self, out: &Path) -> Result<Success, Failure> {
        let out = directory(&self.root, out)?;
        // What is written says that these are all: one reading of the list is not enough.
        let snapshot = read_snapshot(self.connection.read(), lacking, |_| true).await?;
        if let Some(name) = select::missing(&self.scope, &snapshot).first() {
            return Err(Failure::other(format!("no live service is named `{name}`")));
        }
        let leftovers = snapshot.services.iter().filter(|service| plan::is_leftover(service));
        self.scope.leftovers = leftovers.map(|service| service.id.clone()).collect();
        let draft = self.draft(&snapshot, &out)?;
        let (draft, outlook) = draft.settle(&self, snapshot).await?;
        for edit in &draft.edits {
            files::replace(&self.root, &edit.file, &edit.text)?;
        }
        files::make_directory(&self.root, &out)?;
        for file in &draft.files {
            files::create(&out.join(&file.name), &file.text)?;
        }
        self.report(&draft, &outlook);
        Ok(Success::Done)
    }

    /// What this project says of the environment.
    pub(super) fn loaded(&self) -> &Loaded {
        &self.survey.loaded
    }

    /// The live API, to read.
    pub(super) fn api(&self) -> &impl ReadApi {
        self.connection.read()
    }

    fn draft(&self, snapshot: &Snapshot, out: &Path) -> Result<Draft, Failure> {
        let loaded = &self.survey.loaded;
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
            defaults: &self.survey.defaults,
        };
        // Where no identity can be told, because of a reference that leads nowhere, names decide.
        let ids =
            plan::ids(&loaded.desired, snapshot, policy, loaded.environment.target.api()).unwrap_or_default();
        let pairs = select::match_services(&loaded.desired, &ids, &about, &self.scope.leftovers);
        let mut draft = Draft::new(relative(&self.root, out));
        for document in &self.survey.documents {
            let Some(name) = document.service().map(ServiceName::new) else { continue };
            let (Some(wanted), Some(live)) = (loaded.desired.services.get(&name), pairs.get(&name)) else {
                continue;
            };
            let asked = self.scope.only.is_empty() || self.scope.only.contains(&live.name);
            if asked && !plan::is_leftover(live) && !live.system {
                let (changes, notes) = import::update::changes(&about, &document.members, wanted, live);
                draft.notes.extend(notes);
                draft.edit(&self.root, document, &live.name, &changes)?;
            }
        }
        let known: BTreeSet<_> = pairs.values().map(|live| &live.id).collect();
        let (services, notes) = select::services(&about, &self.scope);
        let declared = |name: &ServiceName| loaded.desired.services.contains_key(name);
        let new: Vec<_> =
            services.into_iter().filter(|live| !known.contains(&live.id) && !declared(&live.name)).collect();
        let notes = notes.into_iter().filter(|note| !declared(&note.service));
        draft.notes.extend(notes);
        let taken = names_in(out)?;
        let (files, notes) = import::files(&about, &new, &taken, schema(&self.root, out).as_deref());
        draft.files = files;
        draft.notes.extend(notes);
        Ok(draft)
    }

    fn report(&self, draft: &Draft, outlook: &draft::Outlook) {
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
            let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
            line("~", file, &names.join(", "));
        }
        let (new, changed) = (self.project_files.len() + draft.files.len(), draft.edits.len());
        let counted = |count: usize| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        text += &format!("Import: {} written, {} changed in place\n", counted(new), counted(changed));
        for remark in &outlook.result {
            text += &format!("{remark}\n");
        }
        self.context.ui.result(&text);
        for note in &draft.notes {
            let (service, message) = (visible(note.service.as_str()), visible(&note.message));
            self.context.ui.note(&format!("note: `{service}`: {message}"));
        }
        for remark in &outlook.remarks {
            self.context.ui.note(&format!("note: {}", visible(remark)));
        }
    }
}

/// Names are to be written, so that both lists are read.
fn lacking(snapshot: &Snapshot) -> Lookups {
    Lookups {
        agents: if snapshot.agents.complete { Need::Nothing } else { Need::All },
        context_graphs: if snapshot.context_graphs.complete { Need::Nothing } else { Need::All },
        versions_of_agents: BTreeSet::new(),
        versions_of_context_graphs: BTreeSet::new(),
        behavior_sets_of: BTreeSet::new(),
    }
}

/// The real path of the directory for new files, which is within the project, whether it exists yet or not.
fn directory(root: &Path, out: &Path) -> Result<PathBuf, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        Failure::other(format!("`{}` can't hold manifests of this project: {why}", out.display()))
            .hint(format!("`--out` names a directory below {}, such as `services`", root.display()))
    };
    let absolute = std::path::absolute(out).map_err(|error| refused(&error))?;
    // The way to the project is the user's own and may have links; the way below it is the checkout's.
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
        .ok_or_else(|| refused(&format!("it is not within the project {}", root.display())))?;
    checkout::check_directory(root, &below).map_err(|error| refused(&error))
}

fn names_in(directory: &Path) -> Result<BTreeSet<String>, Failure> {
    let unreadable = |error| Failure::other(format!("`{}` can't be read: {error}", directory.display()));
    match fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, std::io::Error>>()
            .map_err(unreadable),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(unreadable(error)),
    }
}

/// A path within the project, as files name it.
fn relative(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
}

/// The way from a file of this directory to the project's own copy of the schema, where it has one: there is
/// no address at which the schema could be found by everyone.
fn schema(root: &Path, out: &Path) -> Option<String> {
    const SCHEMA: &str = "schema/service.schema.json";
    root.join(SCHEMA).is_file().then(|| {
        let up = out.strip_prefix(root).map_or(0, |below| below.components().count());
        format!("{}{SCHEMA}", "../".repeat(up))
    })
}
