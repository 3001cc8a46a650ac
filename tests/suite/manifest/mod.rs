//! Tests of the manifest loader: the files that it accepts, and the problems that it reports.

mod both_apis;
mod every_key;
mod overlays;
mod platform;
mod problems;
mod project_file;
mod random;
mod rendering;
mod settings;
mod settings_rendering;
mod yaml_limits;

use std::fs;
use std::path::{Path, PathBuf};

use amigops::manifest::{self, Allowlist, LoadOptions, Loaded, Problems, ProjectSource, Validation};
use amigops::model::DesiredService;

/// The smallest valid `amigops.yaml`, with one environment in a sandbox.
pub(crate) const PROJECT: &str = "\
version: 1
manifests: [services/**/*.yaml]
environments:
  sandbox: {api: embedded}
  production: {api: classic, organization: acme}
default_environment: sandbox
unmanaged_version_sets: [\"personal-*\"]
guardrails: {require_pins: [release]}
";

/// An `amigops.yaml` whose only environment is on the Platform API.
pub(crate) const PLATFORM: &str = "\
version: 1
manifests: [services/**/*.yaml]
environments:
  live: {api: platform, workspace: 3fa85f64-5717-4562-b3fc-2c963f66afa6}
unmanaged_version_sets: [\"personal-*\"]
guardrails: {require_pins: [release]}
";

/// A valid manifest of three lines.
pub(crate) const SERVICE: &str = "service: A\nagent: Greeter\ncontext_graph: Onboarding\n";

/// Loads the project in a directory for this environment. `None` means the default environment.
pub(crate) fn load(root: &Path, environment: Option<&str>) -> Result<Loaded, Problems> {
    manifest::load(&LoadOptions::new(ProjectSource::WorkingDirectory(root), environment))
}

/// Validates these files of the project in a directory. Without paths, validates all files.
pub(crate) fn validate(root: &Path, paths: &[PathBuf]) -> Validation {
    let options = LoadOptions::new(ProjectSource::WorkingDirectory(root), None);
    manifest::validate(&options, paths, &Allowlist::default())
}

/// A project in a temporary directory.
pub(crate) struct Case {
    pub(crate) dir: tempfile::TempDir,
}

impl Case {
    /// Creates a project with these files, by name.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let case = Self { dir: tempfile::tempdir().expect("a directory can be made") };
        for (name, text) in files {
            case.write(name, text.as_bytes());
        }
        case
    }

    /// Creates the smallest project with one manifest.
    pub(crate) fn service(text: &str) -> Self {
        Self::new(&[("amigops.yaml", PROJECT), ("services/a.yaml", text)])
    }

    /// Creates a project on the Platform API with one manifest.
    pub(crate) fn platform(text: &str) -> Self {
        Self::new(&[("amigops.yaml", PLATFORM), ("services/a.yaml", text)])
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("it can be made");
        fs::write(path, bytes).expect("it can be written");
    }

    pub(crate) fn load(&self) -> Result<Loaded, Problems> {
        load(self.path(), None)
    }

    pub(crate) fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|problems| panic!("{:#?}", listed(&problems)))
    }

    pub(crate) fn problems(&self) -> Problems {
        self.load().expect_err("something is wrong with it")
    }

    /// Returns one line for each problem, such as `AG012 services/a.yaml:3:1`.
    pub(crate) fn codes(&self) -> Vec<String> {
        match self.load() {
            Ok(loaded) => loaded.warnings.iter().map(coded).collect(),
            Err(problems) => problems.diagnostics.iter().map(coded).collect(),
        }
    }
}

/// Appends lines to [`SERVICE`], which has three lines, and loads it on the Platform API. Checks that exactly these
/// problems are reported, given as `CODE line:column`.
fn expect_on_platform(addition: &str, expected: &[&str]) {
    let case = Case::platform(&format!("{SERVICE}{addition}"));
    let found: Vec<String> =
        case.codes().into_iter().map(|one| one.replace("services/a.yaml:", "")).collect();
    let words = case.load().err().map(|problems| listed(&problems));
    assert_eq!(found, expected, "after\n{addition}\n{words:#?}");
}

/// Appends lines to [`SERVICE`], loads it on the Platform API, and returns the service.
fn on_platform(addition: &str) -> DesiredService {
    let mut loaded = Case::platform(&format!("{SERVICE}{addition}")).loaded();
    loaded.desired.services.remove("A").expect("it is declared")
}

fn coded(one: &manifest::Diagnostic) -> String {
    format!("{} {}", one.code, one.location)
}

/// Returns one line for each problem, with its code, location, message and label.
pub(crate) fn listed(problems: &Problems) -> Vec<String> {
    problems
        .diagnostics
        .iter()
        .map(|one| format!("{}: {} [{}]", coded(one), one.message, one.label))
        .collect()
}
