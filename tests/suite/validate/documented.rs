//! The manual on diagnostics: every code has its section, and every example in it triggers that code.

use amigops::manifest::{Allowlist, Code, validate};
use amigops::report::explain;

use crate::manifest::{Case, PLATFORM, SERVICE};

/// The project that the manual shows at its head.
const PROJECT: &str = "\
version: 1
manifests: [services/**/*.yaml]
environments:
  sandbox: {api: embedded}
  production: {api: classic, organization: acme}
default_environment: sandbox
";

/// A fenced block: what follows the backticks, and its lines.
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

/// The project file with the keys that an example leaves out.
fn project(example: &str) -> String {
    let says = |key: &str| example.lines().any(|line| line.starts_with(key));
    let mut text = String::new();
    let mut keep = true;
    for line in PROJECT.lines() {
        if !line.starts_with(' ') {
            let key = line.split_once(':').expect("a key").0;
            // Its default would be none of the environments that the example names.
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

/// The codes that an example brings about.
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
            ("sh", Code::ProjectNotFound) => root.push("services"),
            ("sh", Code::Unreadable) => case.write("services/clinic.yaml/inner.txt", b""),
            ("sh", Code::TooLarge) => case.write("services/a.yaml", &b"# a long comment\n".repeat(600_000)),
            ("sh", Code::NotUtf8) => case.write("services/a.yaml", b"service: Caf\xE9\n"),
            ("sh", Code::NotOfProject) => {
                case.write("README.md", b"# Read me\n");
                paths.push(case.path().join("README.md"));
            }
            (kind, _) => panic!("{code}: nobody knows what to do with an example of `{kind}`"),
        }
    }
    validate(&root, None, &paths, &Allowlist::default())
        .problems
        .diagnostics
        .iter()
        .map(|one| one.code)
        .collect()
}

#[test]
fn every_code_has_its_section_and_every_section_its_code() {
    let known: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let told: Vec<&str> = explain::sections().map(|(name, _)| name).collect();
    assert_eq!(told, known);
    for code in Code::ALL {
        let section = explain::section(*code);
        assert!(section.starts_with(code.summary()), "{code}: its section begins with what it means");
        let after = section.rsplit("```").next().unwrap_or_default().trim();
        assert!(after.len() > 40, "{code}: how to mend it stands below the example");
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
        // An example that is wrong in another way, too, would teach the wrong thing.
        let others: Vec<_> = codes.iter().filter(|other| *other != code).collect();
        assert!(others.is_empty(), "{code}: its example triggers {others:?} as well\n{section}");
    }
}

#[test]
fn the_project_at_the_head_is_the_one_that_is_used() {
    let manual = include_str!("../../../docs/diagnostics.md");
    assert!(manual.contains(&format!("```yaml\n{PROJECT}```\n")));
    Case::new(&[("amigops.yaml", PROJECT), ("services/a.yaml", SERVICE)]).loaded();
}
