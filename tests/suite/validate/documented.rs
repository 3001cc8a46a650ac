//! Tests of `docs/diagnostics.md`: every code has a section, and the examples in the section trigger this code.

use amigops::manifest::Code;
use amigops::report::explain;

use crate::manifest::{Case, PLATFORM, SERVICE, validate};

/// The `amigops.yaml` that is shown at the top of the page.
const PROJECT: &str = "\
version: 1
manifests: [services/**/*.yaml]
environments:
  sandbox: {api: embedded}
  production: {api: classic, organization: acme}
default_environment: sandbox
";

/// A fenced code block of the page: its info string (`kind`) and its lines.
struct Example<'a> {
    kind: &'a str,
    text: &'a str,
}

fn examples(section: &str) -> Vec<Example<'_>> {
    let blocks = section.split("\n```").enumerate().filter(|(index, _)| index % 2 == 1);
    blocks
        .map(|(_, block)| {
            let (kind, text) = block.split_once('\n').expect("a fence has lines");
            Example { kind, text }
        })
        .collect()
}

/// Returns the project file with the keys of an example, and defaults for the keys that it leaves out.
fn project(example: &str) -> String {
    let says = |key: &str| example.lines().any(|line| line.starts_with(key));
    let mut text = String::new();
    let mut keep = true;
    for line in PROJECT.lines() {
        if !line.starts_with(' ') {
            let key = line.split_once(':').expect("a key").0;
            // If the example has its own environments, the default environment is left out, because it would not be one
            // of them.
            let is_moot = key == "default_environment" && says("environments:");
            keep = !is_moot && !says(&format!("{key}:"));
        }
        if keep {
            text.push_str(line);
            text.push('\n');
        }
    }
    text + example + "\n"
}

fn manifest(example: &str) -> String {
    let whole = example.lines().any(|line| line.starts_with("service:"));
    if whole { format!("{example}\n") } else { format!("{SERVICE}{example}\n") }
}

/// Returns the codes of the problems that the examples in the section of `code` trigger.
fn codes_of(code: Code, examples: &[Example<'_>]) -> Vec<Code> {
    let case = Case::new(&[("amigops.yaml", PROJECT), ("services/a.yaml", SERVICE)]);
    let mut root = case.path().to_owned();
    let mut paths = Vec::new();
    for example in examples {
        match (example.kind, code) {
            ("yaml", _) => case.write("services/a.yaml", manifest(example.text).as_bytes()),
            ("yaml amigops.yaml", _) => case.write("amigops.yaml", project(example.text).as_bytes()),
            ("yaml platform", _) => {
                case.write("amigops.yaml", PLATFORM.as_bytes());
                case.write("services/a.yaml", manifest(example.text).as_bytes());
            }
            // The directory above the project has no `amigops.yaml`.
            ("sh", Code::ProjectNotFound) => assert!(root.pop()),
            ("sh", Code::Unreadable) => case.write("services/clinic.yaml/inner.txt", b""),
            ("sh", Code::TooLarge) => case.write("services/a.yaml", &b"# a long comment\n".repeat(600_000)),
            ("sh", Code::NotUtf8) => case.write("services/a.yaml", b"service: Caf\xE9\n"),
            ("sh", Code::NotOfProject) => {
                case.write("README.md", b"# Read me\n");
                paths.push(case.path().join("README.md"));
            }
            (kind, _) => panic!("{code}: unknown kind of example `{kind}`"),
        }
    }
    validate(&root, &paths).problems.diagnostics.iter().map(|one| one.code).collect()
}

#[test]
fn every_code_has_one_section() {
    let known: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let documented: Vec<&str> = explain::sections().map(|(name, _)| name).collect();
    assert_eq!(documented, known);
    for code in Code::ALL {
        let section = explain::section(*code);
        assert!(section.starts_with(code.summary()), "{code}: its section must begin with its summary");
        let after = section.rsplit("```").next().unwrap_or_default().trim();
        assert!(after.len() > 40, "{code}: the fix must follow the example");
    }
}

#[test]
fn every_example_triggers_its_code() {
    for code in Code::ALL {
        let section = explain::section(*code);
        let found = examples(section);
        assert!(!found.is_empty(), "{code} has an example");
        let codes = codes_of(*code, &found);
        assert!(codes.contains(code), "{code}: its example triggers {codes:?}\n{section}");
        // An example must not have other problems.
        let others: Vec<_> = codes.iter().filter(|other| *other != code).collect();
        assert!(others.is_empty(), "{code}: its example triggers {others:?} as well\n{section}");
    }
}

#[test]
fn page_shows_the_project_of_the_tests() {
    let manual = include_str!("../../../docs/diagnostics.md");
    assert!(manual.contains(&format!("```yaml\n{PROJECT}```\n")));
    Case::new(&[("amigops.yaml", PROJECT), ("services/a.yaml", SERVICE)]).loaded();
}
