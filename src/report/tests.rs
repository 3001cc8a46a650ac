//! Tests of a plan as shown on a terminal and as JSON, with every kind of change and with hostile text.

use serde_json::Value;

use super::markdown::hostile_tests::{HOSTILE, poisoned};
use super::markdown::tests::{everything, origin};
use super::{Mode, Planned, Section, html, human, text};
use crate::model::{Desired, Policy, Snapshot};
use crate::plan::tests::build::options;
use crate::plan::{Finding, Plan};
use crate::plan_file::{PlanDocument, PlanInputs};

fn terminal(plan: &Plan) -> String {
    let colored = human::plan(Mode::Plan, plan, &origin());
    text::without_commands(&anstream::adapter::strip_str(&colored).to_string())
}

fn document(plan: &Plan) -> PlanDocument {
    PlanDocument::new(
        plan,
        &origin(),
        &PlanInputs {
            options: &options(),
            desired: &Desired::default(),
            snapshot: &Snapshot::default(),
            policy: &Policy::default(),
        },
    )
}

#[test]
fn a_plan_with_every_kind_of_change_on_a_terminal() {
    insta::assert_snapshot!(terminal(&everything()), @r##"
    amigops plan · environment production (classic, acme) · 8 services live (and 1 inactive), 7 declared · base origin/main (f00dfeedf0)

      ~ Adaptive Support                                             s2
          description
            │ First line.
            - Helps members.
            + Helps returning members.
            │ Last line.
          tags.tier                gold → platinum   conflict: live value, base and manifest all differ
        ~ version set release
            agent_version          latest → 4   drift: the live value differs from the base
        - version set old

      ~ Foreign                                                      s5
          adopted                  this service has no owner yet, so the ownership tag is set
          tags.managed_by          none → amigops

    -/+ Half Done                                                    h1 → new id
          continues                the unfinished replacement of an earlier run
          agent                    A1 → A2   forces a new service
          steps                    rename old · activate new · deactivate old

    -/+ Health Coach                                                 4d1a…77e0 → new id
          agent                    A1 → A2   forces a new service
        ~ version set staging
            agent_version          2 → latest
            context_graph_version  2 → 5
          steps                    create inactive · 2 version sets · 1 behavior set · rename old · activate new · deactivate old

      + Meet & Greet
          agent                    A3                   context_graph  G1
          description              The service Meet & Greet
          version sets             release (agent 2, graph 5) · staging (the latest)

      ~ New Name                                                     s3
          renamed from             Old Name

      - Summer Campaign                                              s4
          cause                    behind: merge the base branch first, because it declares this service
          active                   true → false
          retired                  deactivate (owned by this project, not declared)

      ~ Switched Off                                                 s7
          active                   true → false

      ⚠ New Name: `Old Name` may be held by others; nothing is lost
      ⚠ 1 orphan (owned, but in no manifest): Lost — not retired, because --only was given

        1 live service not managed here: Elsewhere

    Plan: 1 to create, 4 to change, 2 to replace, 1 to retire, 1 to adopt · version sets: 3 to write, 1 to delete
          31 requests, about 5 s
      ⚠ 2 conflicts: `amigops apply` refuses them unless --overwrite-drift is given
    "##);
}

#[test]
fn a_drift_report_reads_in_the_direction_of_time() {
    let colored = human::plan(Mode::Drift, &everything(), &origin());
    let shown = anstream::adapter::strip_str(&colored).to_string();
    insta::assert_snapshot!(shown, @r##"
    amigops drift · environment production (classic, acme) · 8 services live (and 1 inactive), 7 declared · base origin/main (f00dfeedf0) · drift: 7 differ, 1 orphan, 2 pending

      ~ Adaptive Support                                             s2
          description
            │ First line.
            - Helps returning members.
            + Helps members.
            │ Last line.
          tags.tier                platinum → gold   conflict: live value, base and manifest all differ
        ~ version set release
            agent_version          4 → latest   drift: the live value differs from the base
        + version set old          (agent 1, graph 1)

      ~ Foreign                                                      s5
          owner                    none
          tags.managed_by          amigops → none

    -/+ Half Done                                                    h1
          unfinished               a replacement that an earlier run began
          agent                    A2 → A1   reverting this requires a new service

    -/+ Health Coach                                                 4d1a…77e0
          agent                    A2 → A1   reverting this requires a new service
        ~ version set staging
            agent_version          latest → 2
            context_graph_version  5 → 2

      - Meet & Greet
          agent                    A3                   context_graph  G1
          description              The service Meet & Greet
          version sets             release (agent 2, graph 5) · staging (the latest)

      ~ New Name                                                     s3
          live name                Old Name   pending: not applied yet

      + Summer Campaign                                              s4
          cause                    behind: merge the base branch first, because it declares this service
          orphan                   live and owned by this project, in no manifest

      ~ Switched Off                                                 s7
          active                   false → true

      ⚠ New Name: `Old Name` may be held by others; nothing is lost
      ⚠ 1 orphan (owned, but in no manifest): Lost — not retired, because --only was given

        1 live service not managed here: Elsewhere

    Drift: 7 of 7 declared services have drifted (1 missing, 4 changed, 2 that only a new service can revert) · 1 orphan in no manifest
    Pending: 2 of 7 declared services are not applied yet (2 changed) · version sets of all services: 2 missing, 1 changed, 1 undeclared
           values are shown as declared → live; an apply takes 31 requests, about 5 s
      ⚠ 2 conflicts: `amigops apply` refuses them unless --overwrite-drift is given
    "##);
}

#[test]
fn refusals_come_before_other_findings() {
    let mut plan = everything();
    plan.findings.push(Finding::refusal("Coach".into(), "`Coach` would be replaced"));
    let shown = terminal(&plan);
    let warnings: Vec<&str> = shown.lines().filter(|line| line.starts_with("  ⚠")).collect();
    assert_eq!(warnings[0], "  ⚠ Coach: an apply would be refused: `Coach` would be replaced");
    assert!(warnings[1].starts_with("  ⚠ New Name: ") && warnings.len() == 4, "{warnings:?}");
    let red = text::styled(text::BAD, "Coach: an apply would be refused: `Coach` would be replaced");
    assert!(human::plan(Mode::Drift, &plan, &origin()).contains(&red));
}

#[test]
#[allow(clippy::too_many_lines, reason = "a snapshot of a whole document")]
fn a_plan_with_every_kind_of_change_as_json() {
    let document = serde_json::to_value(document(&everything())).expect("JSON");
    // Only the kind of each step is compared here. The schema and the tests of plan files check the rest.
    let mut short = document;
    for step in short["steps"].as_array_mut().expect("steps") {
        let keys: Vec<String> = step["does"].as_object().expect("an object").keys().cloned().collect();
        step["does"] = keys.join(" ").into();
    }
    let mut lines = String::new();
    for (key, value) in short.as_object().expect("an object") {
        match value {
            Value::Array(items) => {
                lines.push_str(&format!("{key}:\n"));
                items.iter().for_each(|item| lines.push_str(&format!("  {item}\n")));
            }
            _ => lines.push_str(&format!("{key}: {value}\n")),
        }
    }
    insta::assert_snapshot!(lines, @r##"
    api: "classic"
    base: {"commit":"f00dfeedf00dfeedf00dfeedf00dfeedf00dfeed","reference":"origin/main","upstream":null}
    bases: {}
    commit: "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
    counts: {"active":8,"declared":7,"inactive":1}
    created_at: "2026-11-22T10:00:00Z"
    diagnostics:
      {"message":"`Old Name` may be held by others; nothing is lost","service":"New Name"}
    environment: "production"
    estimate: {"bound_by":null,"by_endpoint":{"create_service":2,"delete_version_set":1,"list_behavior_sets":1,"list_services":12,"update_behavior_set":1,"update_service":11,"write_version_set":3},"requests":31,"seconds":5}
    fingerprint: "75ec669ec73e4618e73469ada22525fffb513451bf13790685a79e06cbb833bc"
    fingerprints:
      {"name":"Health Coach","of":{"service":"4d1a000000000000000077e0"},"seen":{}}
      {"name":"Half Done","of":{"service":"h1"},"seen":{}}
      {"name":"Half Done","of":{"service":"h2"},"seen":{}}
      {"name":"Adaptive Support","of":{"service":"s2"},"seen":{}}
      {"name":"New Name","of":{"service":"s3"},"seen":{}}
      {"name":"Summer Campaign","of":{"service":"s4"},"seen":{}}
      {"name":"Foreign","of":{"service":"s5"},"seen":{}}
      {"name":"Switched Off","of":{"service":"s7"},"seen":{}}
      {"name":"Adaptive Support","of":{"name":"Adaptive Support"},"seen":{"services":[]}}
      {"name":"Foreign","of":{"name":"Foreign"},"seen":{"services":[]}}
      {"name":"Half Done","of":{"name":"Half Done"},"seen":{"services":[]}}
      {"name":"Half Done (replaced 2026-11-22 h1)","of":{"name":"Half Done (replaced 2026-11-22 h1)"},"seen":{"services":[]}}
      {"name":"Health Coach","of":{"name":"Health Coach"},"seen":{"services":[]}}
      {"name":"Health Coach (replaced 2026-11-22 4d1a00)","of":{"name":"Health Coach (replaced 2026-11-22 4d1a00)"},"seen":{"services":[]}}
      {"name":"Meet & Greet","of":{"name":"Meet & Greet"},"seen":{"services":[]}}
      {"name":"New Name","of":{"name":"New Name"},"seen":{"services":[]}}
      {"name":"Summer Campaign","of":{"name":"Summer Campaign"},"seen":{"services":[]}}
      {"name":"Switched Off","of":{"name":"Switched Off"},"seen":{"services":[]}}
      {"name":"4d1a000000000000000077e0","of":{"behavior_sets":"4d1a000000000000000077e0"},"seen":{"behavior_sets":[]}}
      {"name":"h1","of":{"behavior_sets":"h1"},"seen":{"behavior_sets":[]}}
    format_version: 1
    ids: {"Adaptive Support":"s2","Foreign":"s5","Half Done":"h1","Health Coach":"4d1a000000000000000077e0","New Name":"s3","Switched Off":"s7"}
    manifests: {}
    options: {"allow_protected":false,"create":[],"guardrails":true,"max_removals":null,"only":[],"prune":false,"take_over":null}
    organization: "acme"
    orphans:
      {"id":"o1","name":"Lost"}
    server: "https://api.amigo.ai"
    services:
      {"adopted":false,"cause":null,"changes":[{"after":"First line.\nHelps returning members.\nLast line.","before":"First line.\nHelps members.\nLast line.","cause":null,"path":"description"},{"after":"platinum","before":"gold","cause":"both","path":"tags.tier"}],"continued":false,"former_name":null,"id":"s2","joins":null,"kind":"update","last_change":null,"name":"Adaptive Support","steps":[2,6,16]}
      {"adopted":true,"cause":null,"changes":[{"after":"amigops","before":null,"cause":null,"path":"tags.managed_by"}],"continued":false,"former_name":null,"id":"s5","joins":null,"kind":"update","last_change":null,"name":"Foreign","steps":[3]}
      {"adopted":false,"cause":null,"changes":[{"after":"A2","before":"A1","cause":null,"path":"agent"}],"continued":true,"former_name":null,"id":"h1","joins":null,"kind":"replace","last_change":null,"name":"Half Done","steps":[9,13]}
      {"adopted":false,"cause":null,"changes":[{"after":"A2","before":"A1","cause":null,"path":"agent"},{"after":"latest","before":2,"cause":null,"path":"version_sets.staging.agent_version"},{"after":5,"before":2,"cause":null,"path":"version_sets.staging.context_graph_version"}],"continued":false,"former_name":null,"id":"4d1a000000000000000077e0","joins":null,"kind":"replace","last_change":null,"name":"Health Coach","steps":[1,7,8,10,14]}
      {"adopted":false,"cause":null,"changes":[],"continued":false,"former_name":null,"id":null,"joins":["A3","G1"],"kind":"create","last_change":null,"name":"Meet & Greet","steps":[11,12]}
      {"adopted":false,"cause":null,"changes":[{"after":"New Name","before":"Old Name","cause":"manifest","path":"service"}],"continued":false,"former_name":"Old Name","id":"s3","joins":null,"kind":"update","last_change":null,"name":"New Name","steps":[4]}
      {"adopted":false,"cause":"behind","changes":[{"after":false,"before":true,"cause":null,"path":"active"}],"continued":false,"former_name":null,"id":"s4","joins":null,"kind":"retire","last_change":null,"name":"Summer Campaign","steps":[15]}
      {"adopted":false,"cause":null,"changes":[{"after":false,"before":true,"cause":null,"path":"active"}],"continued":false,"former_name":null,"id":"s7","joins":null,"kind":"update","last_change":null,"name":"Switched Off","steps":[5]}
    steps:
      {"action":"create","changes":[],"depends_on":[],"does":"active agent context_graph description keyterms name tags version_sets","id":1,"reason":"the agent or context graph changes, and `on_agent_change` is `replace`","risk":"safe","service":"Health Coach","service_id":null,"version_set":null}
      {"action":"update","changes":[{"after":"First line.\nHelps returning members.\nLast line.","before":"First line.\nHelps members.\nLast line.","cause":null,"path":"description"},{"after":"platinum","before":"gold","cause":null,"path":"tags.tier"}],"depends_on":[],"does":"id update","id":2,"reason":null,"risk":"safe","service":"Adaptive Support","service_id":"s2","version_set":null}
      {"action":"update","changes":[{"after":"amigops","before":null,"cause":null,"path":"tags.managed_by"}],"depends_on":[],"does":"id update","id":3,"reason":null,"risk":"safe","service":"Foreign","service_id":"s5","version_set":null}
      {"action":"update","changes":[{"after":"New Name","before":"Old Name","cause":null,"path":"service"}],"depends_on":[],"does":"id update","id":4,"reason":null,"risk":"disruptive","service":"New Name","service_id":"s3","version_set":null}
      {"action":"update","changes":[{"after":false,"before":true,"cause":null,"path":"active"}],"depends_on":[],"does":"id update","id":5,"reason":null,"risk":"destructive","service":"Switched Off","service_id":"s7","version_set":null}
      {"action":"write_version_set","changes":[{"after":4,"before":"latest","cause":"drift","path":"version_sets.release.agent_version"}],"depends_on":[],"does":"content creates name target","id":6,"reason":null,"risk":"disruptive","service":"Adaptive Support","service_id":"s2","version_set":"release"}
      {"action":"write_version_set","changes":[{"after":"latest","before":null,"cause":null,"path":"version_sets.staging.agent_version"},{"after":5,"before":null,"cause":null,"path":"version_sets.staging.context_graph_version"}],"depends_on":[1],"does":"content creates name target","id":7,"reason":null,"risk":"safe","service":"Health Coach","service_id":null,"version_set":"staging"}
      {"action":"apply_behavior_set","changes":[],"depends_on":[1],"does":"behavior_set behavior_set_name target","id":8,"reason":null,"risk":"safe","service":"Health Coach","service_id":null,"version_set":null}
      {"action":"hand_over","changes":[],"depends_on":[],"does":"activation new old old_name rename","id":9,"reason":null,"risk":"disruptive","service":"Half Done","service_id":"h1","version_set":null}
      {"action":"hand_over","changes":[],"depends_on":[1,7,8],"does":"activation new old old_name rename","id":10,"reason":null,"risk":"disruptive","service":"Health Coach","service_id":"4d1a000000000000000077e0","version_set":null}
      {"action":"create","changes":[],"depends_on":[1,7,8,10],"does":"active agent context_graph description keyterms name tags version_sets","id":11,"reason":null,"risk":"safe","service":"Meet & Greet","service_id":null,"version_set":null}
      {"action":"write_version_set","changes":[{"after":"latest","before":null,"cause":null,"path":"version_sets.staging.agent_version"},{"after":"latest","before":null,"cause":null,"path":"version_sets.staging.context_graph_version"}],"depends_on":[1,7,8,10,11],"does":"content creates name target","id":12,"reason":null,"risk":"safe","service":"Meet & Greet","service_id":null,"version_set":"staging"}
      {"action":"retire","changes":[],"depends_on":[9],"does":"how id update","id":13,"reason":"a new service replaces `Half Done`","risk":"destructive","service":"Half Done","service_id":"h1","version_set":null}
      {"action":"retire","changes":[],"depends_on":[10],"does":"how id update","id":14,"reason":"a new service replaces `Health Coach`","risk":"destructive","service":"Health Coach","service_id":"4d1a000000000000000077e0","version_set":null}
      {"action":"retire","changes":[{"after":false,"before":true,"cause":null,"path":"active"}],"depends_on":[],"does":"how id update","id":15,"reason":"owned by this project, not declared","risk":"destructive","service":"Summer Campaign","service_id":"s4","version_set":null}
      {"action":"delete_version_set","changes":[{"after":null,"before":1,"cause":null,"path":"version_sets.old.agent_version"},{"after":null,"before":1,"cause":null,"path":"version_sets.old.context_graph_version"}],"depends_on":[2,6],"does":"id name","id":16,"reason":null,"risk":"destructive","service":"Adaptive Support","service_id":"s2","version_set":"old"}
    summary: {"adopt":1,"create":1,"reactivate":0,"replace":2,"retire":1,"unchanged":0,"update":4,"version_sets":{"create":2,"delete":1,"update":1}}
    tool_version: "0.1.0"
    unmanaged:
      {"id":"s6","name":"Elsewhere"}
    "##);
}

/// Returns true if a character can control a terminal or is invisible.
fn is_harmful(c: char) -> bool {
    let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}');
    (c.is_control() && c != '\n')
        || direction
        || matches!(c, '\u{feff}' | '\u{ad}' | '\u{e0000}'..='\u{e007f}')
}

#[test]
fn hostile_texts_cannot_break_or_forge_terminal_output() {
    let lines = |text: &str| terminal(&poisoned(text)).lines().count();
    for text in HOSTILE {
        let shown = terminal(&poisoned(text));
        assert!(!shown.contains(is_harmful), "{text:?}:\n{shown}");
        let commands = |line: &str| {
            let line = line.trim_start();
            line.starts_with("::") || line.contains("##[") || line.contains("##vso[")
        };
        assert!(!shown.lines().any(commands), "{text:?}:\n{shown}");
        if !text.contains(['\n', '\r']) && !text.trim().is_empty() {
            // Hostile text must not add lines: harmless letters give the same number of lines.
            assert_eq!(lines(text), lines(&"w".repeat(text.chars().count())), "{text:?}:\n{shown}");
        }
    }
    let long = "x".repeat(200_000);
    assert!(!terminal(&poisoned(&long)).is_empty());
}

#[test]
fn json_keeps_texts_and_escapes_workflow_commands() {
    for text in HOSTILE {
        let written = document(&poisoned(text));
        let shown = super::text::json(&written);
        assert!(!shown.contains(is_harmful), "{text:?}");
        assert!(
            !shown.lines().any(|line| line.trim_start().starts_with("::") || line.contains("##[")),
            "{text:?}"
        );
        assert_eq!(PlanDocument::read(&shown).as_ref(), Ok(&written), "{text:?}");
        assert_eq!(super::text::json_line(&written).trim_end().lines().count(), 1, "{text:?}");
    }
}

#[test]
fn no_line_of_a_page_is_a_workflow_command() {
    for text in HOSTILE {
        let plan = poisoned(&format!("{text}\n::error::boom\n  ##[error]x\n##vso[task.x]"));
        let planned = Planned { plan: &plan, fingerprint: "f00d" };
        let page = html::render(Mode::Plan, &[Section { origin: &origin(), outcome: Ok(planned) }]);
        let commands = |line: &&str| {
            line.trim_start().starts_with("::") || line.contains("##[") || line.contains("##vso[")
        };
        assert_eq!(page.lines().find(commands), None, "{text:?}");
    }
}
