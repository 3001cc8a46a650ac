//! Tests of how problems are rendered: in the style of rustc, and without characters that could affect a terminal.

use amigops::report::diagnostics::render_problems;

use super::{Case, PROJECT, SERVICE};

fn shown(case: &Case) -> String {
    render_problems(&case.problems(), false)
}

/// Appends lines to [`SERVICE`], which has three lines, and renders the problems.
fn service(addition: &str) -> String {
    shown(&Case::service(&format!("{SERVICE}{addition}")))
}

#[test]
fn unknown_key() {
    insta::assert_snapshot!(service("version_set:\n  release: {}\n"), @r###"
    error[AG012]: unknown key `version_set`
     --> services/a.yaml:4:1
      |
    4 | version_set:
      | ^^^^^^^^^^^ did you mean `version_sets`?
      |
      = help: declare version sets by name under `version_sets:`

    error: 1 problem in 1 file; nothing was sent
    "###);
}

#[test]
fn duplicate_key() {
    insta::assert_snapshot!(service("description: a\ndescription: b\n"), @"
    error[AG011]: duplicate key `description`, which is already on line 4
     --> services/a.yaml:5:1
      |
    5 | description: b
      | ^^^^^^^^^^^ duplicate
      |
     ::: services/a.yaml:4:1
      |
    4 | description: a
      | ----------- first defined here

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn number_instead_of_string() {
    insta::assert_snapshot!(service("tags: {tier: 1}\n"), @r#"
    error[AG010]: expected a string, found the number `1`
     --> services/a.yaml:4:14
      |
    4 | tags: {tier: 1}
      |              ^ quote it: "1"

    error: 1 problem in 1 file; nothing was sent
    "#);
}

#[test]
fn invalid_version() {
    insta::assert_snapshot!(service("version_sets:\n  release: {agent_version: latest, context_graph_version: \"3\"}\n"), @r#"
    error[AG029]: `agent_version` of version set `release` must be a number
     --> services/a.yaml:5:28
      |
    5 |   release: {agent_version: latest, context_graph_version: "3"}
      |                            ^^^^^^ `latest` is not a version number
      |
      = help: `guardrails.require_pins` in amigops.yaml lists `release`

    error[AG028]: `context_graph_version` must be a version number or `latest`, not the string `3`
     --> services/a.yaml:5:59
      |
    5 |   release: {agent_version: latest, context_graph_version: "3"}
      |                                                           ^^^ write the value without quotes: 3

    error: 2 problems in 1 file; nothing was sent
    "#);
}

#[test]
fn platform_key_on_classic() {
    insta::assert_snapshot!(service("voice_config: {}\n"), @"
    error[AG016]: `voice_config` exists only on the Platform API
     --> services/a.yaml:4:1
      |
    4 | voice_config: {}
      | ^^^^^^^^^^^^ this environment is on the Classic API
      |
      = help: move this key to the overlay of an environment on the Platform API

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn edge_and_unmanaged_version_sets() {
    insta::assert_snapshot!(service("version_sets: {edge: {}, personal-ann: {}}\n"), @"
    error[AG026]: `edge` can't be declared
     --> services/a.yaml:4:16
      |
    4 | version_sets: {edge: {}, personal-ann: {}}
      |                ^^^^ the server manages this version set
      |
      = help: `edge` always uses the latest agent and context graph; use another name

    error[AG027]: version set `personal-ann` is declared, but the project does not manage this version set
     --> services/a.yaml:4:26
      |
    4 | version_sets: {edge: {}, personal-ann: {}}
      |                          ^^^^^^^^^^^^ a pattern in `unmanaged_version_sets` matches this name
      |
      = help: remove the version set here, or change the pattern in amigops.yaml

    error: 2 problems in 1 file; nothing was sent
    ");
}

#[test]
fn invalid_tags_and_keyterms() {
    insta::assert_snapshot!(service("tags: {a-b: x, managed_by: me}\nkeyterms: [Blood  Sugar]\n"), @"
    error[AG021]: the tag `a-b` contains characters that the API rejects
     --> services/a.yaml:4:8
      |
    4 | tags: {a-b: x, managed_by: me}
      |        ^^^ use letters, digits, underscores and spaces

    error[AG023]: amigops writes the tag `managed_by` itself
     --> services/a.yaml:4:16
      |
    4 | tags: {a-b: x, managed_by: me}
      |                ^^^^^^^^^^ this tag names the project that owns the service
      |
      = help: remove this tag from the manifest; amigops manages its own tags

    error[AG024]: the API rejects the key term `Blood  Sugar`
     --> services/a.yaml:5:12
      |
    5 | keyterms: [Blood  Sugar]
      |            ^^^^^^^^^^^^ did you mean `blood sugar`?

    error: 3 problems in 1 file; nothing was sent
    ");
}

#[test]
fn invalid_yaml() {
    insta::assert_snapshot!(service("tags: {tier: gold\nactive: true\n"), @"
    error[AG005]: invalid YAML: while parsing a flow mapping, did not find expected ',' or '}'
     --> services/a.yaml:5:7
      |
    5 | active: true
      |       ^
      |
     ::: services/a.yaml:4:7
      |
    4 | tags: {tier: gold
      |       - opened here: is the closing bracket missing?

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn unquoted_colon() {
    insta::assert_snapshot!(service("description: note: this\n"), @"
    error[AG005]: invalid YAML: mapping values are not allowed in this context
     --> services/a.yaml:4:18
      |
    4 | description: note: this
      |                  ^
      |
      = help: put a value that contains `: ` in quotes, and give all keys of a mapping the same indentation

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn tab_indentation() {
    insta::assert_snapshot!(service("tags:\n\ttier: gold\n"), @"
    error[AG005]: invalid YAML: tabs disallowed within this context (block indentation)
     --> services/a.yaml:5:2
      |
    5 |     tier: gold
      |     ^
      |
      = help: indent YAML with spaces, not tabs

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn invalid_regex() {
    insta::assert_snapshot!(service("smoke: [{expect: \"(hello\"}]\n"), @r###"
    error[AG033]: `expect` is not a valid regular expression
     --> services/a.yaml:4:18
      |
    4 | smoke: [{expect: "(hello"}]
      |                  ^^^^^^^^ unclosed group

    error: 1 problem in 1 file; nothing was sent
    "###);
}

#[test]
fn overlay_of_unknown_environment() {
    insta::assert_snapshot!(service("environments: {prodution: {}}\n"), @r###"
    error[AG050]: amigops.yaml has no environment `prodution`
     --> services/a.yaml:4:16
      |
    4 | environments: {prodution: {}}
      |                ^^^^^^^^^ did you mean `production`?

    error: 1 problem in 1 file; nothing was sent
    "###);
}

#[test]
fn control_characters_are_escaped() {
    insta::assert_snapshot!(service("tags: {\"\u{202e}x\\e[31m\": \"\u{200b}\"}\n"), @r#"
    error[AG021]: the tag `�x␛[31m` contains characters that the API rejects
     --> services/a.yaml:4:8
      |
    4 | tags: {"�x\e[31m": "�"}
      |        ^^^^^^^^^^ use letters, digits, underscores and spaces

    error[AG021]: the tag's value `�` contains characters that the API rejects
     --> services/a.yaml:4:20
      |
    4 | tags: {"�x\e[31m": "�"}
      |                    ^^^ use letters, digits, underscores and spaces

    error: 2 problems in 1 file; nothing was sent
    "#);
}

#[test]
fn long_lines_are_cut() {
    insta::assert_snapshot!(service(&format!("tags: {{{} bad-key: x, {}}}\n", "aaaa: b, ".replace("aaaa", &"a".repeat(300)), "z: y".replace('z', &"z".repeat(300)))), @"
    error[AG021]: the tag `bad-key` contains characters that the API rejects
     --> services/a.yaml:4:314
      |
    4 | …aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: b,  bad-key: x, zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz…
      |                                                              ^^^^^^^ use letters, digits, underscores and spaces

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn empty_project() {
    insta::assert_snapshot!(shown(&Case::new(&[("amigops.yaml", PROJECT)])), @r#"
    error[AG009]: no manifest was found
     --> amigops.yaml:2:13
      |
    2 | manifests: [services/**/*.yaml]
      |             ^^^^^^^^^^^^^^^^^^ these patterns match no file
      |
      = help: an empty project is refused, because it would mean "remove everything"

    error: 1 problem in 1 file; nothing was sent
    "#);
}

#[test]
fn credential_in_a_file() {
    insta::assert_snapshot!(shown(&Case::new(&[("amigops.yaml", &PROJECT.replace("organization: acme", "credentials: {api_key: sk-123}")), ("services/a.yaml", SERVICE)])), @"
    error[AG055]: `credentials.api_key` must contain names of environment variables
     --> amigops.yaml:5:53
      |
    5 |   production: {api: classic, credentials: {api_key: ******}}
      |                                                     ^^^^^^ this is not the name of a variable; it is masked because it may be a secret
      |
      = help: use an upper-case name such as AMIGO_ACME_API_KEY; if this was a real credential, revoke it

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn duplicate_service_in_two_files() {
    insta::assert_snapshot!(shown(&Case::new(&[("amigops.yaml", PROJECT), ("services/a.yaml", SERVICE), ("services/b.yaml", SERVICE)])), @r###"
    error[AG040]: service `A` is declared twice
     --> services/b.yaml:1:10
      |
    1 | service: A
      |          ^ declared again here
      |
     ::: services/a.yaml:1:10
      |
    1 | service: A
      |          - first declared here
      |
      = help: a name identifies one service: rename one of the services, or merge the documents

    error: 1 problem in 1 file; nothing was sent
    "###);
}

#[test]
fn colors_are_only_used_on_request() {
    let problems = Case::service("service: 1\n").problems();
    assert!(render_problems(&problems, true).contains("\u{1b}["));
    assert!(!render_problems(&problems, false).contains('\u{1b}'));
    let far = Case::service(&format!("tags: {{{}: x, a-b: y}}\n", "a".repeat(200))).problems();
    assert!(render_problems(&far, true).contains("services/a.yaml:1:213"), "{}", render_problems(&far, true));
}
