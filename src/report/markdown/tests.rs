//! Tests of Markdown reports: every kind of change, no change, and several environments.

use std::collections::BTreeSet;

use super::*;
use crate::model::*;
use crate::plan::tests::build::*;
use crate::plan::{Base, Cause, Finding, Options, Origin, Plan};
use crate::report::Planned;

pub(crate) fn origin() -> Origin {
    Origin {
        environment: "production".to_owned(),
        api: Api::Classic,
        organization: "acme".to_owned(),
        server: "https://api.amigo.ai".to_owned(),
        created_at: "2026-11-22T10:00:00Z".to_owned(),
        commit: Some("0a1b2c3d4e5f60718293a4b5c6d7e8f901234567".to_owned()),
        base: Some(Base {
            reference: "origin/main".to_owned(),
            commit: "f00dfeed".repeat(5),
            upstream: None,
        }),
    }
}

pub(super) fn report(plan: &Plan) -> String {
    let planned = Planned { plan, fingerprint: "c0ffee0123456789abcdef" };
    render(Mode::Plan, &[Section { origin: &origin(), outcome: Ok(planned) }])
}

/// Returns a plan with every kind of change.
pub(crate) fn everything() -> Plan {
    let mut support = live("s2", "Adaptive Support", "A1");
    support.description = "First line.\nHelps members.\nLast line.".to_owned();
    support.tags.insert("tier".to_owned(), Some("gold".to_owned()));
    support.version_sets.insert("old".into(), live_set(1, 1));
    let mut foreign = live("s5", "Foreign", "A1");
    foreign.tags.clear();
    let mut unmanaged = live("s6", "Elsewhere", "A1");
    unmanaged.tags.clear();
    let coach = LiveService {
        version_sets: [
            ("edge".into(), live_set(0, 0)),
            ("release".into(), live_set(3, 4)),
            ("staging".into(), live_set(2, 2)),
        ]
        .into(),
        ..live("4d1a000000000000000077e0", "Health Coach", "A1")
    };
    let mut half = live("h2", "Half Done", "A2");
    half.active = false;
    half.tags.insert("replaces".to_owned(), Some("h1".to_owned()));
    let mut states = snapshot([
        coach,
        support,
        live("s3", "Old Name", "A1"),
        live("s4", "Summer Campaign", "A1"),
        foreign,
        unmanaged,
        live("s7", "Switched Off", "A1"),
        live("h1", "Half Done", "A1"),
        half,
    ]);
    let behavior = BehaviorSet {
        id: "b1".into(),
        name: "Emergency".to_owned(),
        applied_to: ["4d1a000000000000000077e0".into()].into(),
    };
    states.behavior_sets.insert("4d1a000000000000000077e0".into(), vec![behavior]);
    let plan = plan_and_verify(&desired(wishes()), &states, &Options { prune: true, ..options() });
    with_causes(plan)
}

fn wishes() -> Vec<DesiredService> {
    let mut support = wanted("Adaptive Support", "A1");
    support.description = Some("First line.\nHelps returning members.\nLast line.".to_owned());
    support.tags = Some([("tier".to_owned(), Some("platinum".to_owned()))].into());
    support.version_sets = sets(&[("release", 4, 0)]);
    let mut renamed = wanted("New Name", "A1");
    renamed.description = Some("The service Old Name".to_owned());
    renamed.lifecycle.renamed_from = Some("Old Name".into());
    let mut coach = wanted("Health Coach", "A2");
    coach.version_sets = sets(&[("release", 3, 4), ("staging", 0, 5)]);
    let mut greeter = wanted("Meet & Greet", "A3");
    greeter.version_sets = sets(&[("release", 2, 5), ("staging", 0, 0)]);
    greeter.depends_on = BTreeSet::from(["Health Coach".into()]);
    let mut off = wanted("Switched Off", "A1");
    off.active = Some(false);
    vec![support, renamed, coach, greeter, off, wanted("Foreign", "A1"), wanted("Half Done", "A2")]
}

fn with_causes(mut plan: Plan) -> Plan {
    for shown in &mut plan.services {
        shown.changes.set_causes(|path| match path.to_string().as_str() {
            "tags.tier" => Some(Cause::Both),
            "service" => Some(Cause::Manifest),
            _ => None,
        });
        if shown.name.as_str() == "Summer Campaign" {
            shown.cause = Some(Cause::Behind);
        }
    }
    for step in &mut plan.steps {
        step.changes.set_causes(|path| {
            (path.to_string() == "version_sets.release.agent_version").then_some(Cause::Drift)
        });
    }
    let message = "`Old Name` may be held by others; nothing is lost";
    plan.findings.push(Finding::note("New Name".into(), message));
    plan.orphans.push(("Lost".into(), "o1".into()));
    plan
}

#[test]
#[allow(clippy::too_many_lines, reason = "a snapshot of a whole report")]
fn a_report_with_every_kind_of_change() {
    insta::assert_snapshot!(report(&everything()), @r##"
    ## amigops plan · `production`

    classic · organization `acme` · 8 services live (and 1 inactive), 7 declared

    | create | change | replace | retire | reactivate | adopt | version sets written | version sets deleted | unchanged |
    |--:|--:|--:|--:|--:|--:|--:|--:|--:|
    | 1 | 4 | 2 | 1 | 0 | 1 | 3 | 1 | 0 |

    31 requests, about 5 s

    > [!CAUTION]
    > **3 removals, 2 replacements, 2 conflicts**

    ### Removals: 3

    - `Switched Off`, `s7`, is deactivated
    - `Summer Campaign`, `s4`, is deactivated (owned by this project, not declared)
    - version set `old` of `Adaptive Support` is deleted

    ### Replacements: 2

    A new service with a **new id** takes over. It is created inactive, completed, and then activated in one step, so that the old or the new service is active at every moment. Applications that use the old id need the new id; `amigops ids` prints it after the apply.

    - `Half Done`, `h1` → a new id: the changed agent `A1` → `A2` forces a new service; this continues an unfinished replacement; the old service is deactivated
    - `Health Coach`, `4d1a000000000000000077e0` → a new id: the changed agent `A1` → `A2` forces a new service; the old service is deactivated

    ### Conflicts: 2

    `apply` refuses a plan with conflicts unless `--overwrite-drift` is given.

    - `Adaptive Support` `tags.tier`: `gold` → `platinum` (both: the manifest and the live value changed since the base, and differ)
    - `Summer Campaign` would be retired (behind: the base branch keeps the live value, but this branch would revert it; merge the base branch first)

    ### Warnings: 1

    - `New Name`: `Old Name` may be held by others; nothing is lost

    **1 orphan** (owned, but in no manifest): `Lost`. Retire with `--prune`, or with `prune: true` in `amigops.yaml`.

    1 live service not managed here: `Elsewhere`.

    <details><summary>change <code>Adaptive Support</code></summary>

    ```diff
    - version set old is deleted
    @@ description @@
      First line.
    - Helps members.
    + Helps returning members.
      Last line.
    ! both: the manifest and the live value changed since the base, and differ
    - tags.tier: gold
    + tags.tier: platinum
    ! drift: the live value changed since the base, outside the manifests
    - version_sets.release.agent_version: latest
    + version_sets.release.agent_version: 4
    ! the cause of the following changes is unknown
    - version_sets.old.agent_version: 1
    - version_sets.old.context_graph_version: 1
    ```

    </details>

    <details><summary>change <code>Foreign</code></summary>

    ```diff
    ! adopted: this service has no owner yet, so the ownership tag is set
    + tags.managed_by: amigops
    ```

    </details>

    <details><summary>replace <code>Half Done</code></summary>

    ```diff
    ! continues the unfinished replacement of an earlier run
    - agent: A1
    + agent: A2
    ! changed agent: forces a new service
    ```

    1. Cut-over: the old service (`h1`) is renamed to `Half Done (replaced 2026-11-22 h1)`, and the new one is activated. If the activation fails, the rename is undone.
    2. The old service (`h1`) is deactivated: a new service replaces `Half Done`.

    </details>

    <details><summary>replace <code>Health Coach</code></summary>

    ```diff
    - agent: A1
    + agent: A2
    ! changed agent: forces a new service
    - version_sets.staging.agent_version: 2
    + version_sets.staging.agent_version: latest
    - version_sets.staging.context_graph_version: 2
    + version_sets.staging.context_graph_version: 5
    ```

    1. A new service is created, **inactive**, as `Health Coach`. Users can't reach it.
    2. The version set `staging` is written.
    3. The behavior set `Emergency` is applied to the new service, too.
    4. Cut-over: the old service (`4d1a000000000000000077e0`) is renamed to `Health Coach (replaced 2026-11-22 4d1a00)`, and the new one is activated. If the activation fails, the rename is undone.
    5. The old service (`4d1a000000000000000077e0`) is deactivated: a new service replaces `Health Coach`.

    </details>

    <details><summary>create <code>Meet &amp; Greet</code></summary>

    ```diff
    + agent: A3
    + context_graph: G1
    + description: The service Meet & Greet
    + tags.managed_by: amigops
    + version_sets.release: agent 2, context graph 5
    + version_sets.staging: agent latest, context graph latest
    ```

    </details>

    <details><summary>change <code>New Name</code></summary>

    ```diff
    ! manifest: the manifest changed since the base
    - service: Old Name
    + service: New Name
    ```

    </details>

    <details><summary>retire <code>Summer Campaign</code></summary>

    ```diff
    ! behind: the base branch keeps the live value, but this branch would revert it; merge the base branch first
    - active: true
    + active: false
    ```

    </details>

    <details><summary>change <code>Switched Off</code></summary>

    ```diff
    - active: true
    + active: false
    ```

    </details>

    <details><summary>Order of the 16 steps</summary>

    ```mermaid
    flowchart LR
      subgraph s1["Health Coach"]
        n1["create, inactive"]
        n7["write version set staging"]
        n8["apply behavior set Emergency"]
        n10(["cut over"])
        n14{{"deactivate"}}
      end
      subgraph s2["Adaptive Support"]
        n2["change"]
        n6(["write version set release"])
        n16{{"delete version set old"}}
      end
      n3["Foreign: change"]
      n4(["New Name: change and rename"])
      n5{{"Switched Off: change"}}
      subgraph s6["Half Done"]
        n9(["cut over"])
        n13{{"deactivate"}}
      end
      subgraph s7["Meet #38; Greet"]
        n11["create"]
        n12["write version set staging"]
      end
      n15{{"Summer Campaign: deactivate"}}
      n1 --> n7
      n1 --> n8
      n7 --> n10
      n8 --> n10
      n10 --> n11
      n11 --> n12
      n9 --> n13
      n10 --> n14
      n2 --> n16
      n6 --> n16
      classDef disruptive fill:#fff3bf,stroke:#b08800,color:#3d2f00
      class n4,n6,n9,n10 disruptive
      classDef destructive fill:#ffd7d5,stroke:#cf222e,color:#4c0b0f
      class n5,n13,n14,n15,n16 destructive
    ```

    </details>

    ---

    commit `0a1b2c3d4e5f` · base `origin/main` (`f00dfeedf00d`) · plan `c0ffee012345`
    "##);
}

#[test]
fn an_empty_plan_takes_one_line() {
    let plan = Plan {
        summary: crate::plan::Summary { unchanged: 2, ..Default::default() },
        active: 2,
        declared: 2,
        ..Plan::default()
    };
    insta::assert_snapshot!(report(&plan), @"
    ## amigops plan · `production`

    classic · organization `acme` · 2 services live, 2 declared

    **Nothing to do:** 2 services are as declared.

    ---

    commit `0a1b2c3d4e5f` · base `origin/main` (`f00dfeedf00d`)
    ");
}

#[test]
fn several_environments_start_with_an_overview() {
    let (plan, nothing) = (everything(), Plan::default());
    let named = |name: &str| Origin { environment: name.to_owned(), commit: None, base: None, ..origin() };
    let (one, two, three) = (named("a|b\\|c"), named("staging"), named("sandbox"));
    let planned = |plan| Planned { plan, fingerprint: "" };
    let text = render(
        Mode::Plan,
        &[
            Section { origin: &one, outcome: Ok(planned(&plan)) },
            Section { origin: &two, outcome: Err("no plan can be made:\n```\n::error::@team <b>") },
            Section { origin: &three, outcome: Ok(planned(&nothing)) },
        ],
    );
    let (overview, rest) = text.split_once("## amigops plan").unwrap();
    insta::assert_snapshot!(overview, @"
    # amigops plan · 3 environments

    | environment | create | change | replace | retire | version sets deleted | |
    |---|--:|--:|--:|--:|--:|---|
    | `a¦b\\¦c` | 1 | 4 | 2 | 1 | 1 |  |
    | `staging` | | | | | | **no plan could be made** |
    | `sandbox` | 0 | 0 | 0 | 0 | 0 | nothing to do |
    ");
    let (_, failed) = rest.split_once("## amigops plan · `staging`\n").unwrap();
    insta::assert_snapshot!(failed, @"

    > [!CAUTION]
    > **No plan could be made.**

    ````text
    no plan can be made:
    ```
    : :error::@team <b>
    ````

    ## amigops plan · `sandbox`

    classic · organization `acme` · 0 services live, 0 declared

    **Nothing to do:** 0 services are as declared.
    ");
}
