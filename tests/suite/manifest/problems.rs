//! Tests of broken manifests: the code and the location of every problem in them.

#[cfg(unix)]
use std::os::unix::fs::symlink;

use super::{Case, PROJECT, SERVICE, listed};

/// Appends lines to [`SERVICE`], which has three lines. Checks that exactly these problems are reported, given as `CODE
/// line:column`.
fn expect(addition: &str, expected: &[&str]) {
    expect_document(&format!("{SERVICE}{addition}"), expected);
}

fn expect_document(document: &str, expected: &[&str]) {
    let case = Case::service(document);
    let found: Vec<String> =
        case.codes().into_iter().map(|one| one.replace("services/a.yaml:", "")).collect();
    let words = case.load().err().map(|problems| listed(&problems));
    assert_eq!(found, expected, "in\n{document}\n{words:#?}");
}

#[test]
fn invalid_yaml_is_reported() {
    expect_document("service: [", &["AG005 1:10"]);
    expect_document("service: \"A\n", &["AG005 2:1"]);
    expect_document("{service: A", &["AG005 1:1"]);
    expect_document("service: A\n\tagent: B\n", &["AG005 2:1"]);
    expect_document("service: *nobody\n", &["AG005 1:10"]);
    expect_document("- service: A\n", &["AG010 1:1"]);
    expect_document("just text\n", &["AG010 1:1"]);
    expect("tags: !include x.yaml\n", &["AG007 4:16", "AG010 4:16"]);
    expect("? [a, b]\n: c\n", &["AG007 4:3"]);
    expect("<<: {active: true}\n", &["AG007 4:1"]);
    expect("tags: {\"<<\": gold}\nlifecycle: {<<: {}}\n", &["AG021 4:8", "AG007 5:13"]);
    expect(
        "active: !!bool maybe\ntags: {a: !!int x, b: !!str yes}\n",
        &["AG007 4:16", "AG007 5:17", "AG010 5:17"],
    );
}

#[test]
fn wrong_types_are_reported() {
    expect_document(
        "service: 3\nagent: true\ncontext_graph: [X]\n",
        &["AG010 1:10", "AG010 2:8", "AG010 3:16"],
    );
    expect("active: yes\n", &["AG010 4:9"]);
    expect("active: \"true\"\n", &["AG010 4:9"]);
    expect("keyterms: metformin\n", &["AG010 4:11"]);
    expect("keyterms: [true, 1]\n", &["AG010 4:12", "AG010 4:18"]);
    expect("tags: [gold]\n", &["AG010 4:7"]);
    expect("tags: {tier: 1, b: false, c: 1.0}\n", &["AG010 4:14", "AG010 4:20", "AG010 4:30"]);
    expect("version_sets: [dev]\n", &["AG010 4:15"]);
    expect("version_sets: {dev: latest}\n", &["AG010 4:21"]);
    expect("depends_on: A\n", &["AG010 4:13"]);
    expect("lifecycle: []\n", &["AG010 4:12"]);
    expect("smoke: {say: hello}\n", &["AG010 4:8"]);
    expect("description: {}\n", &["AG010 4:14"]);
}

#[test]
fn unknown_missing_and_duplicate_keys_are_reported() {
    expect("version_set: {}\n", &["AG012 4:1"]);
    for key in ["name", "is_active", "agent_id", "agent_version", "service_hierarchical_state_machine_id"] {
        expect(&format!("{key}: x\n"), &["AG012 4:1"]);
    }
    expect("version_sets: {dev: {agent_version_number: 1}}\n", &["AG012 4:22"]);
    expect("Description: x\n", &["AG012 4:1"]);
    expect("version_sets: {dev: {agent_versoin: 1}}\n", &["AG012 4:22"]);
    expect("lifecycle: {renamed-from: B}\n", &["AG012 4:13"]);
    expect("smoke: [{set: release}]\n", &["AG012 4:10"]);
    expect("description: a\ndescription: b\n", &["AG011 5:1"]);
    expect("tags: {a: x, a: y}\n", &["AG011 4:14"]);
    expect("version_sets: {dev: {agent_version: 1, agent_version: 2}}\n", &["AG011 4:40"]);
    expect_document("service: A\n", &["AG013 1:10", "AG013 1:10"]);
    expect_document("agent: B\ncontext_graph: C\n", &["AG013 1:1"]);
    expect("description:\n", &["AG014 4:1"]);
    expect("version_sets: {dev: }\n", &["AG014 4:16"]);
    expect("version_sets: {dev: {agent_version: ~}}\n", &["AG014 4:22"]);
    for key in [
        "channel_type",
        "environment",
        "tool_capacity",
        "safety_filters_enabled",
        "voice_config",
        "escalation_policy",
    ] {
        expect(&format!("{key}: x\n"), &["AG016 4:1"]);
        expect(&format!("{key}: ~\n"), &["AG016 4:1"]);
    }
    // These keys are at the wrong level on both APIs.
    expect("experience_controls: {}\n", &["AG012 4:1"]);
    expect("forwarding: {}\n", &["AG012 4:1"]);
    expect("version_sets: {dev: {experience_controls: {}}}\n", &["AG012 4:22"]);
    expect("lifecycle: {retire: delete}\n", &["AG016 4:21"]);
    expect("smoke: [{gate: true}]\n", &["AG017 4:16"]);
    expect("version_sets: {dev: {gate: true}}\n", &["AG017 4:22"]);
}

#[test]
fn invalid_texts_are_reported() {
    expect_document("service: \"  \"\nagent: B\ncontext_graph: C\n", &["AG020 1:10"]);
    expect_document("service: \"A\\eB\"\nagent: B\ncontext_graph: C\n", &["AG020 1:10"]);
    expect_document(
        "service: \"A\u{202e}\"\nagent: B\u{200b}\ncontext_graph: C\n",
        &["AG020 1:10", "AG020 2:8"],
    );
    expect("description: \" \"\n", &["AG020 4:14"]);
    expect(
        "tags: {\"a-b\": x, c: \"d:e\", \"\": y, f: \" \"}\n",
        &["AG021 4:8", "AG021 4:21", "AG020 4:28", "AG020 4:38"],
    );
    expect("tags: {managed_by: me, replaces: x, protected: ~}\n", &["AG023 4:8", "AG023 4:24", "AG023 4:37"]);
    expect("tags: {\" a\": x, a: y}\n", &["AG011 4:17"]);
    expect(
        "keyterms: [Blood, a b c d, \"\", ok, \"a1\"]\n",
        &["AG024 4:12", "AG024 4:19", "AG024 4:28", "AG024 4:36"],
    );
    expect("keyterms: [a, \" a \"]\n", &["AG032 4:15"]);
    expect("keyterms: [NO]\n", &["AG024 4:12"]);
}

#[test]
fn too_many_entries_are_reported() {
    let many = |count: usize| (1..=count).map(|n| format!("t{n}: x")).collect::<Vec<_>>().join(", ");
    expect(&format!("tags: {{{}}}\n", many(18)), &[]);
    expect(&format!("tags: {{{}}}\n", many(19)), &["AG022 4:7"]);
    expect(&format!("tags: {{{}}}\nlifecycle: {{prevent_removal: true}}\n", many(18)), &["AG022 4:7"]);
    let terms: Vec<_> = ('a'..='u').map(String::from).collect();
    expect(&format!("keyterms: [{}]\n", terms.join(", ")), &["AG022 4:11"]);
}

#[test]
fn invalid_version_sets_are_reported() {
    expect("version_sets: {\"a b\": {}, ä: {}}\n", &["AG025 4:16", "AG025 4:27"]);
    expect(&format!("version_sets: {{{}: {{}}}}\n", "x".repeat(41)), &["AG025 4:16"]);
    expect("version_sets: {edge: {}}\n", &["AG026 4:16"]);
    expect("version_sets: {personal-ann: {}}\n", &["AG027 4:16"]);
    for bad in ["0", "-1", "1.5", "\"3\"", "newest", "true", "[1]", "0123", "99999999999", "1e3", "Latest"] {
        expect(&format!("version_sets: {{dev: {{agent_version: {bad}}}}}\n"), &["AG028 4:37"]);
    }
    expect("version_sets: {release: {agent_version: latest}}\n", &["AG029 4:16", "AG029 4:41"]);
    expect("version_sets: {release: {agent_version: 1, context_graph_version: 0}}\n", &["AG028 4:67"]);
    expect("version_sets: {release: {agent_version: 1, context_graph_version: 2}}\n", &[]);
}

#[test]
fn invalid_model_preferences_are_reported() {
    let set =
        |preference: &str| format!("version_sets: {{dev: {{llm_model_preferences: {{E: {preference}}}}}}}\n");
    expect(&set("{}"), &["AG013 4:46"]);
    expect(&set("{llm_name: \"\"}"), &["AG020 4:60"]);
    expect(&set("{llm_name: my-model}"), &["AG031 4:60"]);
    expect(&set("{llm_name: openai_gpt-9, params: [1]}"), &["AG010 4:82"]);
    expect(&set("{llm_name: openai_gpt-9, params: {a: .inf, b: 007}}"), &["AG015 4:86", "AG015 4:95"]);
    expect(&set("{llm_name: openai_gpt-9, temperature: 1}"), &["AG012 4:74"]);
    expect(&set("{llm_name: openai_gpt-9, experience_controls: {}}"), &["AG016 4:74"]);
}

#[test]
fn invalid_references_and_lifecycles_are_reported() {
    let by_id = |id: &str| format!("service: A\nagent: {{id: {id}}}\ncontext_graph: C\n");
    expect_document(&by_id("6618791275530b73714e9d18"), &[]);
    expect_document(&by_id("6618791275530B73714E9D18"), &["AG030 2:13"]);
    expect_document(&by_id("3fa85f64-5717-4562-b3fc-2c963f66afa6"), &["AG030 2:13"]);
    expect_document(&by_id("661879127553007371409018"), &["AG010 2:13"]);
    expect_document("service: A\nagent: {name: B}\ncontext_graph: C\n", &["AG012 2:9", "AG013 2:9"]);
    expect("lifecycle: {on_agent_change: replaced}\n", &["AG015 4:30"]);
    expect("lifecycle: {renamed_from: A}\n", &["AG043 4:27"]);
    expect(
        "lifecycle: {ignore: [descripton, tags.a.b, version_sets.dev.x, agent.id, keyterms]}\n",
        &["AG034 4:22", "AG034 4:34", "AG034 4:44", "AG034 4:64"],
    );
    expect("smoke: [{expect: \"(\"}]\n", &["AG033 4:18"]);
    expect(
        "version_sets: {dev: {}}\nsmoke: [{version_set: dve}, {version_set: edge}, {}]\n",
        &["AG035 5:23"],
    );
    expect("depends_on: [A]\n", &["AG042 4:14"]);
    expect("depends_on: [B]\n", &["AG041 4:14"]);
}

#[test]
fn conflicts_between_services_are_reported() {
    let case = Case::new(&[
        ("amigops.yaml", PROJECT),
        ("services/a.yaml", &format!("{SERVICE}depends_on: [B]\n")),
        (
            "services/b.yaml",
            "service: B\nagent: X\ncontext_graph: Y\ndepends_on: [C]\n---\n---\nservice: A\nagent: X\ncontext_graph: Y\n",
        ),
        (
            "services/c.yaml",
            "service: C\nagent: X\ncontext_graph: Y\ndepends_on: [A]\nlifecycle: {renamed_from: Old}\n---\nservice: D\nagent: X\ncontext_graph: Y\nlifecycle: {renamed_from: Old}\n",
        ),
    ]);
    assert_eq!(
        case.codes(),
        ["AG040 services/b.yaml:7:10", "AG042 services/c.yaml:4:14", "AG043 services/c.yaml:10:27"]
    );
    let problems = case.problems();
    assert_eq!(problems.diagnostics[0].related[0].location.to_string(), "services/a.yaml:1:10");
    assert_eq!(problems.diagnostics[1].message, "services depend on each other in a cycle: A → B → C → A");
    assert_eq!(problems.summary(), "3 problems in 2 files; nothing was sent");
}

#[test]
fn unreadable_document_causes_no_other_problem() {
    let case = Case::new(&[
        ("amigops.yaml", PROJECT),
        ("services/a.yaml", &format!("{SERVICE}depends_on: [B]\n")),
        ("services/b.yaml", "service: [\n"),
    ]);
    assert_eq!(case.codes().len(), 1, "{:?}", case.codes());
}

#[cfg(unix)]
#[test]
fn unreadable_files_are_reported() {
    let case = Case::service(SERVICE);
    std::fs::create_dir(case.path().join("services/x.yaml")).expect("made");
    symlink("nowhere.yaml", case.path().join("services/y.yaml")).expect("linked");
    case.write("services/z.yaml", b"service: \xff\n");
    case.write("services/zz.yaml", b"\xff\xfes\0");
    let problems = case.problems();
    insta::assert_debug_snapshot!(listed(&problems), @r#"
    [
        "AG002 services/x.yaml: can't read `services/x.yaml`: it is a directory []",
        "AG002 services/y.yaml: can't read `services/y.yaml`: No such file or directory (os error 2) []",
        "AG004 services/z.yaml:1:10: not UTF-8: byte 0xFF at offset 9 []",
        "AG004 services/zz.yaml:1:1: not UTF-8: byte 0xFF at offset 0 []",
    ]
    "#);
}

#[cfg(unix)]
#[test]
fn links_out_of_the_project_are_refused() {
    let outside = tempfile::tempdir().expect("made");
    std::fs::write(outside.path().join("secret.yaml"), SERVICE).expect("written");
    let case = Case::service(SERVICE);
    symlink(outside.path().join("secret.yaml"), case.path().join("services/b.yaml")).expect("linked");
    symlink(outside.path(), case.path().join("services/c")).expect("linked");
    assert_eq!(case.codes(), ["AG008 services/b.yaml", "AG008 services/c"]);
    // A link within the project works like a file.
    let case = Case::service(SERVICE);
    case.write("common/b.yaml", SERVICE.replace("A\n", "B\n").as_bytes());
    symlink("../common/b.yaml", case.path().join("services/b.yaml")).expect("linked");
    assert_eq!(case.loaded().desired.services.len(), 2);
}

#[test]
fn patterns_match_by_glob_rules() {
    let names = |globs: &str| {
        let case = Case::new(&[
            ("amigops.yaml", &PROJECT.replace("[services/**/*.yaml]", globs)),
            ("one.yaml", &SERVICE.replace("A\n", "One\n")),
            ("s/two.yaml", &SERVICE.replace("A\n", "Two\n")),
            ("s/deep/three.yml", &SERVICE.replace("A\n", "Three\n")),
            ("s/.hidden/four.yaml", "not a service"),
            ("s/notes.md", "not a service"),
        ]);
        let services = case.loaded().desired.services;
        services.keys().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("[\"*.yaml\"]"), "One");
    assert_eq!(names("[\"**/*.yaml\"]"), "One Two");
    assert_eq!(names("[s/*.yaml, \"s/*/*\"]"), "Three Two");
    assert_eq!(names("[./s/two.yaml, one.yaml]"), "One Two");
    assert_eq!(names("[\"s/**/*.{yaml,yml}\"]"), "Three Two");
    assert_eq!(names("[\"{one,s/two}.yaml\"]"), "One Two");
}

#[test]
fn too_many_problems_are_counted() {
    let text: String = (0..2_500).map(|n| format!("---\nservice: S{n}\nagent: A\n")).collect();
    let problems = Case::service(&text).problems();
    assert_eq!((problems.diagnostics.len(), problems.omitted), (2_000, 500));
    assert_eq!(problems.summary(), "2500 problems in 1 file, 500 of them not shown; nothing was sent");
}

#[test]
fn project_without_services_is_refused() {
    assert_eq!(Case::new(&[("amigops.yaml", PROJECT)]).codes(), ["AG009 amigops.yaml:2:13"]);
    let none = PROJECT.replace("services/**/*.yaml", "");
    assert_eq!(Case::new(&[("amigops.yaml", &none)]).codes(), ["AG009 amigops.yaml:2:12"]);
    assert_eq!(Case::service("# nothing\n---\n").codes(), ["AG009 amigops.yaml:2:13"]);
    let case = Case::new(&[
        ("amigops.yaml", &PROJECT.replace("services/**/*.yaml", "services/*.yaml, more/*.yaml")),
        ("services/a.yaml", SERVICE),
    ]);
    assert_eq!(case.codes(), ["AG060 amigops.yaml:2:30"]);
}
