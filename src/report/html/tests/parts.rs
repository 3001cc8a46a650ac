//! Tests of the parts of an HTML page.

use super::tokens::{tokens, tokens_of};
use super::*;
use crate::plan::{Cause, Field, FieldChange, Finding, ServiceKind};
use serde_json::json;

#[test]
#[allow(clippy::too_many_lines, reason = "snapshots of parts of a page")]
fn a_changed_service_is_shown_leaf_by_leaf() {
    let mut changed = wanted("Front Desk", "A1");
    changed.description = Some("Answers the main number.".to_owned());
    changed.version_sets = sets(&[("release", 3, 2)]);
    let mut before = live("5", "Front Desk", "A1");
    before.description = "Answers.".to_owned();
    let mut plan = plan_and_verify(&desired([changed]), &snapshot([before]), &options());
    plan.services[0].changes.fields[0].cause = Some(Cause::Drift);
    let page = page(&plan);
    tokens(&page);
    insta::assert_snapshot!(part(&page, "<article", "</article>").replace("><", ">\n<"), @r##"
    <article class="card change" id="s0-0" data-kind="change" data-only="drift">
    <header>
    <span class="kind change">
    <span aria-hidden="true">~</span> change</span>
    <h3>Front Desk</h3>
    <code class="id">5</code>
    </header>
    <dl class="values">
    <div>
    <dt>description</dt>
    <dd>
    <del>Answers.</del> → <ins>Answers the main number.</ins> <span class="badge drift" title="the live value changed since the base, outside the manifests">drift</span>
    </dd>
    </div>
    </dl>
    <p class="set">version set release</p>
    <dl class="values">
    <div>
    <dt>agent_version</dt>
    <dd>
    <del>latest</del> → <ins>3</ins>
    </dd>
    </div>
    <div>
    <dt>context_graph_version</dt>
    <dd>
    <del>latest</del> → <ins>2</ins>
    </dd>
    </div>
    </dl>
    <details>
    <summary>2 steps</summary>
    <ol class="steps">
    <li value="1">change</li>
    <li value="2">write version set release <span class="badge disruptive">disruptive</span>
    </li>
    </ol>
    </details>
    </article>
    "##);
    insta::assert_snapshot!(part(&page, "<dl class=\"origin\"", "</dl>").replace("</div>", "</div>\n"), @r#"
    <dl class="origin"><div><dt>API</dt><dd>classic</dd></div>
    <div><dt>Organization</dt><dd>acme</dd></div>
    <div><dt>Created</dt><dd>2026-11-22T10:00:00Z</dd></div>
    <div><dt>Commit</dt><dd>4d1a9e0</dd></div>
    <div><dt>Base</dt><dd>origin/main (77e0c1b)</dd></div>
    <div><dt>Live</dt><dd>1 active, 0 inactive</dd></div>
    <div><dt>Declared</dt><dd>1 service</dd></div>
    <div><dt>Fingerprint</dt><dd>f00d</dd></div>
    </dl>
    "#);
}

#[test]
fn cards_are_ordered_by_kind_with_retirements_first() {
    let page = page(&every_kind());
    let found = tokens(&page);
    assert_eq!(found.all("data-kind"), ["retire", "replace", "change", "create"]);
    assert_eq!(found.all("data-only"), ["destructive", "destructive", "destructive", ""]);
    let hazards = tokens_of(part(&page, "<section class=\"hazards\"", "</section>"));
    for said in [
        "2 removals",
        "Changed loses version set old",
        "Orphan is deactivated and can be activated again",
        "1 replacement",
        "new id : applications that use the old id need the new id.",
    ] {
        assert!(hazards.text.contains(said), "{said}: {}", hazards.text);
    }
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at("Review first") < at("<h2>Services"));
    for said in [
        "The new service is created under the same name, inactive, with 1 version set.",
        "is written.",
        "the new one is activated immediately after. If that fails",
        "The old service is deactivated",
    ] {
        assert!(found.text.contains(said), "{said}");
    }
    assert!(
        found.text.contains("version set fresh (new)") && found.text.contains("version set old (deleted)")
    );
    assert!(found.text.contains("agent 1, context graph 1") && found.text.contains("metformin"));
    assert!(
        found.text.contains("1 live service, neither declared nor owned") && found.text.contains("Stranger")
    );
}

#[test]
fn conflicts_come_first() {
    let mut plan = every_kind();
    let mut behind = FieldChange::new(Field::Tag("tier".to_owned()), json!("gold"), json!("silver"));
    behind.cause = Some(Cause::Behind);
    plan.services[0].changes.fields.push(behind);
    let new =
        plan.services.iter_mut().find(|service| service.kind == ServiceKind::Create).expect("one is new");
    new.cause = Some(Cause::Both);
    let page = page(&plan);
    let found = tokens(&page);
    let hazards = tokens_of(part(&page, "<section class=\"hazards\"", "</section>"));
    let order = [
        "2 conflicts",
        "behind tags.tier gold → silver",
        "This branch is behind",
        "both an apply would create this service",
        "an apply would undo the live change",
        "unless --overwrite-drift is given",
        "2 removals",
    ];
    let mut rest = hazards.text.as_str();
    for said in order {
        let at = rest.find(said).unwrap_or_else(|| panic!("{said}: {}", hazards.text));
        rest = &rest[at..];
    }
    assert_eq!(
        found.all("data-only"),
        ["destructive", "destructive", "destructive conflict", "drift conflict"]
    );
}

#[test]
fn several_environments_have_an_overview_and_a_part_each() {
    let (plan, empty) = (every_kind(), Plan { declared: 3, ..Plan::default() });
    let origins = ["production", "staging", "broken"].map(origin);
    let outcomes = [
        Ok(Planned { plan: &plan, fingerprint: "f00d" }),
        Ok(Planned { plan: &empty, fingerprint: "" }),
        Err("the API says 401: sign in again\ncheck <AMIGO_API_KEY>"),
    ];
    let sections: Vec<Section<'_>> =
        origins.iter().zip(outcomes).map(|(origin, outcome)| Section { origin, outcome }).collect();
    let page = crate::report::html::render(Mode::Drift, &sections);
    let found = tokens(&page);
    assert_eq!(found.all("href"), ["#main", "#environment-0", "#environment-2", "#s0-0", "#s0-2", "#s0-3"]);
    assert_eq!((found.count("h1"), found.count("h2"), found.count("h4")), (1, 2, 4));
    for said in [
        "3 environments",
        "could not be compared: see below",
        "This environment could not be compared",
        "drift: 3 of 3 differ, 1 orphan",
        "Drift: 3 of 3 declared services differ",
        "Values are shown as declared → live.",
        "no drift",
        "to be replaced",
        "version set fresh (missing)",
        "check <AMIGO_API_KEY>",
    ] {
        assert!(found.text.contains(said), "{said}");
    }
    for misleading in
        ["Nothing to do", "No drift.", "to create", "to retire", "1 step", "takes over", "Fingerprint"]
    {
        assert!(!found.text.contains(misleading), "{misleading}: {}", found.text);
    }
}

#[test]
fn refusals_come_first() {
    let mut plan = every_kind();
    plan.findings.push(Finding::note("New".into(), "has a namesake"));
    let refused = (0..60).map(|n| Finding::refusal("Replaced".into(), &format!("rule {n} protects it")));
    plan.findings.extend(refused);
    let page = page(&plan);
    let hazards = tokens_of(part(&page, "<section class=\"hazards\"", "</section>"));
    let begin = "Review first 60 refusals: an apply would be refused Replaced rule 0 protects it";
    assert!(hazards.text.trim_start().starts_with(begin), "{}", hazards.text);
    assert!(hazards.text.contains("rule 59 protects it"));
    let warnings = part(&page, "<section class=\"warnings\"", "</section>");
    assert!(warnings.contains("has a namesake") && !warnings.contains("protects it"), "{warnings}");
}

#[test]
fn a_conflict_counts_once() {
    let mut plan = every_kind();
    let retired = plan.services.iter_mut().find(|service| service.kind == ServiceKind::Retire).expect("one");
    retired.cause = Some(Cause::Behind);
    retired.changes.set_causes(|_| Some(Cause::Behind));
    let page = page(&plan);
    let hazards = tokens_of(part(&page, "<section class=\"hazards\"", "</section>"));
    assert!(
        hazards.text.contains("1 conflict Orphan behind an apply would retire this service"),
        "{}",
        hazards.text
    );
}

#[test]
fn an_empty_plan_shows_unmanaged_services() {
    let finding = Finding::note("Health Coach".into(), "has a namesake");
    let plan = Plan {
        orphans: vec![("Summer Campaign".into(), "7".into())],
        unmanaged: vec![("Board Demo".into(), "8".into())],
        findings: vec![finding],
        ..Plan::default()
    };
    let page = page(&plan);
    let found = tokens(&page);
    for said in [
        "Nothing to do.",
        "has a namesake",
        "1 orphan (owned, but in no manifest): retired with --prune, or with prune: true in amigops.yaml",
        "Summer Campaign",
        "Board Demo",
    ] {
        assert!(found.text.contains(said), "{said}");
    }
    assert_eq!((found.count("form"), found.count("svg"), found.count("article")), (0, 0, 0));
}

#[test]
fn long_texts_are_shown_side_by_side() {
    let text = |word: &str| {
        let lines = (1..=9).map(|n| if n == 5 { word.to_owned() } else { format!("line {n}") });
        lines.collect::<Vec<_>>().join("\n")
    };
    let mut changed = wanted("Front Desk", "A1");
    changed.description = Some(text("Ask for the member's name."));
    let mut before = live("5", "Front Desk", "A1");
    before.description = text("Ask for the member's number.");
    let plan = plan_and_verify(&desired([changed]), &snapshot([before]), &options());
    let page = page(&plan);
    let rows: Vec<&str> = part(&page, "<tbody>", "</tbody>").split("</tr>").collect();
    assert_eq!(rows.len(), 10, "line 1 and line 9 alone are no gap: {rows:?}");
    assert_eq!(
        rows[4],
        "<tr><td class=\"del\"><del>Ask for the member&#39;s <b>number</b>.</del></td>\
         <td class=\"ins\"><ins>Ask for the member&#39;s <b>name</b>.</ins></td>"
    );
}

#[test]
fn values_that_take_many_lines_are_folded() {
    let mut new = wanted("New", "A1");
    new.description = Some("A line.\n".repeat(40));
    let folded = page(&plan_and_verify(&desired([new.clone()]), &snapshot([]), &options()));
    assert!(part(&folded, "<article", "</article>").contains("<details><summary>40 lines</summary><ins"));
    new.description = Some("A line.\n".repeat(4));
    let open = page(&plan_and_verify(&desired([new]), &snapshot([]), &options()));
    assert!(!part(&open, "<article", "</article>").contains("<details>"));
}

#[test]
fn steps_are_drawn_in_layers_up_to_a_limit() {
    let chain = |total: usize| {
        let services = (0..total).map(|n| {
            let mut service = wanted(&format!("S{n:04}"), "A1");
            if n > 0 && n < 3 {
                service.depends_on = [ServiceName::new(format!("S{:04}", n - 1))].into();
            }
            service
        });
        plan_and_verify(&desired(services), &snapshot([]), &options())
    };
    let page = self::page(&chain(4));
    let found = tokens(&page);
    let nodes: Vec<(&str, &str)> = found
        .tags
        .iter()
        .filter(|tag| tag.name == "svg" && tag.attributes.contains_key("x"))
        .map(|tag| (tag.attributes["x"].as_str(), tag.attributes["y"].as_str()))
        .collect();
    // Three steps in a chain of dependencies are drawn in one row. The step without dependencies is drawn below them.
    assert_eq!(nodes, [("24", "12"), ("288", "12"), ("552", "12"), ("24", "70")]);
    let ways: Vec<&str> = found.all("d");
    assert_eq!(ways, ["M240 35C264 35 264 35 288 35M504 35C528 35 528 35 552 35"]);
    assert!(found.text.contains("As a list: 4 steps"));
    let page = self::page(&chain(301));
    let found = tokens(&page);
    assert_eq!(found.count("svg"), 0);
    assert!(found.text.contains("301 steps, too many to draw here") && found.text.contains("amigops graph"));
}

#[test]
fn thousands_of_services_take_at_most_a_kilobyte_each() {
    let service = |n: usize| {
        let mut service = wanted(&format!("Service {n}"), "A1");
        service.version_sets = sets(&[("release", 2, 2), ("staging", 0, 3)]);
        service
    };
    let live = (0..1_000).map(|n| live(&format!("id{n:06}"), &format!("Service {n}"), "A1"));
    let desired = desired((0..1_000).map(service));
    let plan = crate::plan::plan(&desired, &snapshot(live), &own_policy(), &options()).expect("a plan");
    assert_eq!(plan.services.len(), 1_000);
    let page = page(&plan);
    let found = tokens(&page);
    assert_eq!(found.count("article"), 1_000);
    let each = page.len() / 1_000;
    assert!(each < 1_600, "{each} bytes a service");
}
