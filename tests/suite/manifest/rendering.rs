//! How problems look: rustc's way, safe for any terminal.

use amigops::report::diagnostics::render_problems;

use super::{Case, PROJECT, SERVICE};

fn shown(case: &Case) -> String {
    render_problems(&case.problems(), false)
}

/// A good service (3 lines) and these lines.
fn service(addition: &str) -> String {
    shown(&Case::service(&format!("{SERVICE}{addition}")))
}

#[test]
fn an_unknown_key() {
    insta::assert_snapshot!(service("version_set:\n  release: {}\n"), @"");
}

#[test]
fn a_duplicate_key() {
    insta::assert_snapshot!(service("description: a\ndescription: b\n"), @"");
}

#[test]
fn a_number_for_a_text() {
    insta::assert_snapshot!(service("tags: {tier: 1}\n"), @"");
}

#[test]
fn a_pin_that_is_none() {
    insta::assert_snapshot!(service("version_sets:\n  release: {agent_version: latest, context_graph_version: \"3\"}\n"), @"");
}

#[test]
fn a_platform_field() {
    insta::assert_snapshot!(service("voice_config: {}\n"), @"");
}

#[test]
fn edge_is_the_servers() {
    insta::assert_snapshot!(service("version_sets: {edge: {}, personal-ann: {}}\n"), @"");
}

#[test]
fn bad_tags_and_keyterms() {
    insta::assert_snapshot!(service("tags: {a-b: x, managed_by: me}\nkeyterms: [Blood  Sugar]\n"), @"");
}

#[test]
fn not_yaml() {
    insta::assert_snapshot!(service("tags: {tier: gold\nactive: true\n"), @"");
}

#[test]
fn a_tab() {
    insta::assert_snapshot!(service("tags:\n\ttier: gold\n"), @"");
}

#[test]
fn a_pattern_that_is_none() {
    insta::assert_snapshot!(service("smoke: [{expect: \"(hello\"}]\n"), @"");
}

#[test]
fn an_overlay_for_nowhere() {
    insta::assert_snapshot!(service("environments: {prodution: {}}\n"), @"");
}

#[test]
fn escapes_are_neutralized() {
    insta::assert_snapshot!(service("tags: {\"\u{202e}\u{9b}x\\e[31m\": \"\u{200b}\"}\n"), @"");
}

#[test]
fn long_lines_are_cut() {
    insta::assert_snapshot!(service(&format!("tags: {{{} bad-key: x, {}}}\n", "aaaa: b, ".replace("aaaa", &"a".repeat(300)), "z: y".replace('z', &"z".repeat(300)))), @"");
}

#[test]
fn an_empty_project() {
    insta::assert_snapshot!(shown(&Case::new(&[("amigops.yaml", PROJECT)])), @"");
}

#[test]
fn a_credential_in_a_file() {
    insta::assert_snapshot!(shown(&Case::new(&[("amigops.yaml", &format!("{PROJECT}").replace("organization: acme", "credentials: {api_key: sk-123}")), ("services/a.yaml", SERVICE)])), @"");
}

#[test]
fn twice_in_two_files() {
    insta::assert_snapshot!(shown(&Case::new(&[("amigops.yaml", PROJECT), ("services/a.yaml", SERVICE), ("services/b.yaml", SERVICE)])), @"");
}

#[test]
fn colors_are_for_terminals() {
    let problems = Case::service("service: 1\n").problems();
    assert!(render_problems(&problems, true).contains("\u{1b}["));
    assert!(!render_problems(&problems, false).contains('\u{1b}'));
}
