//! Tests of drift reports in Markdown: drift, refusals and new services.

use super::hostile_tests::{HOSTILE, check, poisoned};
use super::tests::{everything, origin, report};
use super::*;
use crate::model::*;
use crate::plan::tests::build::*;
use crate::plan::{Cause, Finding, Origin, Plan};
use crate::report::Planned;

fn drift(plan: &Plan) -> String {
    let outcome = Ok(Planned { plan, fingerprint: "c0ffee0123456789abcdef" });
    let text = render(Mode::Drift, &[Section { origin: &origin(), outcome }]);
    check(&text);
    text
}

/// Returns a plan with three services, of which one differs from its manifest.
fn one_of_three() -> Plan {
    let mut changed = wanted("Changed", "A1");
    changed.description = Some("As declared".to_owned());
    let wishes = [changed, wanted("Same", "A1"), wanted("Same, too", "A1")];
    let lives = ["Changed", "Same", "Same, too"].map(|name| live(&name.replace(' ', ""), name, "A1"));
    plan_and_verify(&desired(wishes), &snapshot(lives), &options())
}

#[test]
fn a_drift_report_has_a_verdict() {
    insta::assert_snapshot!(drift(&one_of_three()), @r"
    ## amigops drift · `production`

    classic · organization `acme` · 3 services live, 3 declared

    **Drift:** 1 of 3 declared services differs from the manifests (1 changed)

    Below, `-` is the declared value and `+` the live value. Reverting this drift takes 3 requests, about 1 s.

    <details><summary>changed <code>Changed</code></summary>

    ```diff
    - description: As declared
    + description: The service Changed
    ```

    </details>

    ---

    commit `0a1b2c3d4e5f` · base `origin/main` (`f00dfeedf00d`)
    ");
    let nothing = Plan {
        summary: crate::plan::Summary { unchanged: 2, ..Default::default() },
        declared: 2,
        ..Plan::default()
    };
    let text = drift(&nothing);
    assert!(
        text.contains("**No drift:** 2 services are as declared.") && !text.contains("Nothing"),
        "{text}"
    );
}

#[test]
fn a_drift_report_describes_the_current_state() {
    let text = drift(&everything());
    for said in [
        "**Drift:** 7 of 7 declared services have drifted (1 missing, 4 changed, 2 that only a new service can revert) \
         · 1 orphan in no manifest\n\n**Pending:** 2 of 7 declared services are not applied yet (2 changed) · version \
         sets of all services: 2 missing, 1 changed, 1 undeclared\n",
        "> **An apply would cause: 3 removals, 2 replacements, 2 conflicts**\n",
        "### An apply would remove: 3\n",
        "### An apply would replace: 2\n",
        "<summary>missing <code>Meet &amp; Greet</code>",
        "<summary>orphan <code>Summer Campaign</code></summary>\n\n```diff\n! behind: the base branch keeps the live \
         value, but this branch would revert it; merge the base branch first\n+ live and owned by this project, in no manifest\n```",
        "! version set old is in no manifest\n",
        "! changed agent: reverting this requires a new service\n",
        "They count as drift with `--prune`.",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    for misleading in
        ["amigops plan", "mermaid", "1. A new", "plan `", "Nothing to do", "is set", "<summary>create"]
    {
        assert!(!text.contains(misleading), "{misleading}\n{text}");
    }
}

#[test]
fn hostile_texts_cannot_break_or_forge_a_drift_report() {
    for text in HOSTILE {
        assert!(drift(&poisoned(text)).len() <= MOST, "{text:?}");
    }
}

#[test]
fn the_drift_overview_has_a_verdict_for_each_environment() {
    let (some, none) = (one_of_three(), Plan::default());
    let names = ["production", "staging", "sandbox"];
    let origins = names.map(|name| Origin { environment: name.to_owned(), ..origin() });
    let outcomes = [
        Ok(Planned { plan: &some, fingerprint: "" }),
        Ok(Planned { plan: &none, fingerprint: "" }),
        Err("401"),
    ];
    let sections: Vec<Section<'_>> =
        origins.iter().zip(outcomes).map(|(origin, outcome)| Section { origin, outcome }).collect();
    let text = render(Mode::Drift, &sections);
    let (overview, rest) = text.split_once("\n## amigops drift").unwrap();
    insta::assert_snapshot!(overview, @"
    # amigops drift · 3 environments

    | environment | missing | changed | to be replaced | orphans | version sets undeclared | |
    |---|--:|--:|--:|--:|--:|---|
    | `production` | 0 | 1 | 0 | 0 | 0 | **drift: 1 of 3 differs** |
    | `staging` | 0 | 0 | 0 | 0 | 0 | no drift |
    | `sandbox` | | | | | | **could not be compared** |
    ");
    assert!(rest.contains("> **This environment could not be compared.**"), "{rest}");
    assert!(!rest.contains("`staging`"), "a clean environment has no part: {rest}");
}

#[test]
fn a_conflict_is_counted_and_shown_once() {
    let mut plan = everything();
    let orphan = plan.services.iter_mut().find(|shown| shown.name.as_str() == "Summer Campaign").unwrap();
    orphan.changes.set_causes(|_| Some(Cause::Behind));
    for step in plan.steps.iter_mut().filter(|step| step.service.as_str() == "Summer Campaign") {
        step.changes.set_causes(|_| Some(Cause::Behind));
    }
    let text = report(&plan);
    assert_eq!(crate::plan::conflicts(&plan).len(), 2);
    assert!(text.contains("2 conflicts**") && text.contains("### Conflicts: 2\n"), "{text}");
    assert_eq!(text.matches("\n! behind: the base branch keeps the live value").count(), 1, "{text}");
}

fn with_refusals(mut plan: Plan, number: usize, why: &str) -> Plan {
    plan.findings =
        (0..30).map(|number| Finding::note("Other".into(), format!("something else, {number}"))).collect();
    plan.findings
        .extend((0..number).map(|number| Finding::refusal("Coach".into(), &format!("{number} {why}"))));
    plan
}

#[test]
fn refusals_are_never_omitted() {
    let text = drift(&with_refusals(one_of_three(), 40, "`Coach` would be replaced"));
    assert!(text.contains("would cause: 40 refusals**"), "{text}");
    assert!(text.contains(
        "### Refusals: 40\n\nAn apply would be refused:\n\n- `Coach`: 0 `Coach` would be replaced\n"
    ));
    assert_eq!(text.matches("`Coach` would be replaced\n").count(), 40);
    assert!(text.contains("### Warnings: 30\n"), "the others, apart");
    assert!(text.find("### Refusals") < text.find("### Warnings"));
    // There are so many refusals that not even the names of their services fit.
    let text = drift(&with_refusals(one_of_three(), 20_000, &"x".repeat(100)));
    assert!(text.len() <= MOST, "{}", text.len());
    assert!(text.contains("> **An apply would cause: 20000 refusals**\n> **"), "{text:.900}");
    assert!(text.contains(" of them are not listed here, because") && text.contains("### Refusals: 20000\n"));
}

#[test]
fn all_fields_of_a_new_service_are_shown() {
    let mut new = wanted("New", "A1");
    new.active = Some(false);
    new.tags = Some([("tier".to_owned(), Some("gold".to_owned())), ("vip".to_owned(), None)].into());
    new.keyterms = Some(["insulin".to_owned()].into_iter().collect());
    new.version_sets = sets(&[("staging", 2, 0)]);
    let mut plan = plan_and_verify(&desired([new]), &snapshot([]), &options());
    let (mut set, none) = (live_set(2, 0), serde_json::Map::new());
    let params = serde_json::json!({"temperature": 0.2}).as_object().unwrap().clone();
    let preference = LlmPreference {
        llm_name: "m-1".to_owned(),
        params,
        experience_controls: none.clone(),
        carried: none,
    };
    set.llm_model_preferences.insert("EngageWithUser".into(), preference);
    for step in &mut plan.steps {
        if let crate::plan::Action::WriteVersionSet { content, .. } = &mut step.action {
            **content = set.clone();
        }
    }
    let text = report(&plan);
    let (_, diff) = text.split_once("```diff\n").unwrap();
    insta::assert_snapshot!(diff.split_once("```").unwrap().0, @"
    + agent: A1
    + context_graph: G1
    + description: The service New
    + active: false
    + tags.managed_by: amigops
    + tags.tier: gold
    + tags.vip: (no value)
    + keyterms: insulin
    + version_sets.release: agent latest, context graph latest
    + version_sets.staging: agent 2, context graph latest
    + version_sets.staging.llm_model_preferences.EngageWithUser.llm_name: m-1
    + version_sets.staging.llm_model_preferences.EngageWithUser.params.temperature: 0.2
    ");
}
