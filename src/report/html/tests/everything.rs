//! Checks the text of a page that shows one change of each kind.

use super::super::render;
use crate::report::markdown::tests::{everything, origin};
use crate::report::{Mode, Planned, Section};

/// Returns the text of a page without the style and the script. Each text between two tags has a line of its own.
fn words_of_page(page: &str) -> String {
    let body = page.split_once("<body").map_or(page, |(_, body)| body);
    let body = body.split("<script").next().unwrap_or_default();
    let texts = body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim());
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
#[allow(clippy::too_many_lines, reason = "a snapshot of a whole page")]
fn a_page_with_every_kind_of_change() {
    let plan = everything();
    let planned = Planned { plan: &plan, fingerprint: "c0ffee" };
    let page = render(Mode::Plan, &[Section { origin: &origin(), outcome: Ok(planned) }]);
    insta::assert_snapshot!(words_of_page(&page), @r##"
    Skip to the report
    amigops plan
    production
    API
    classic
    Organization
    acme
    Created
    2026-11-22T10:00:00Z
    Commit
    0a1b2c3d4e5f60718293a4b5c6d7e8f901234567
    Base
    origin/main (f00dfeedf00dfeedf00dfeedf00dfeedf00dfeed)
    Live
    8 active, 1 inactive
    Declared
    7 services
    Fingerprint
    c0ffee
    Search
    Kind
    create
    1
    change
    4
    replace
    2
    retire
    1
    Only
    destructive
    5
    drift
    1
    conflict
    2
    adopted
    1
    Clear
    to create
    1
    to change
    4
    to replace
    2
    to retire
    1
    to reactivate
    0
    to adopt
    1
    version sets to write
    3
    version sets to delete
    1
    unchanged
    0
    16 steps: 31 requests, about 5 s
    Review first
    2 conflicts
    Adaptive Support
    both
    tags.tier
    gold
    →
    platinum
    The manifest and the live value both changed since the base; an apply would undo the live change.
    Summer Campaign
    behind
    an apply would retire this service
    This branch is behind the base branch and would undo a live change; merge the base branch first.
    An apply refuses a plan with conflicts unless --overwrite-drift is given.
    3 removals
    Adaptive Support
    loses version set old, which is deleted
    Summer Campaign
    is deactivated and can be activated again
    Switched Off
    is deactivated
    2 replacements
    Half Done
    h1
    →
    new id
    : applications that use the old id need the new id. The old service is deactivated and can be activated again.
    Health Coach
    4d1a000000000000000077e0
    →
    new id
    : applications that use the old id need the new id. The old service is deactivated and can be activated again.
    Warnings
    New Name
    `Old Name` may be held by others; nothing is lost
    1 orphan (owned, but in no manifest): retired with --prune, or with prune: true in amigops.yaml
    Lost
    o1
    Services
    −
    retire
    Summer Campaign
    destructive
    behind
    s4
    active
    true
    →
    false
    deactivate
    destructive
    (owned by this project, not declared)
    ±
    replace
    Half Done
    destructive
    continued
    h1
    → new id
    Finishes a replacement that an earlier run began.
    agent
    A1
    →
    A2
    How the new service takes over
    The old service is renamed to “Half Done (replaced 2026-11-22 h1)”, and the new one is activated immediately after. If that fails, the rename is undone.
    disruptive
    The old service is deactivated and can be activated again.
    destructive
    (a new service replaces `Half Done`)
    after 9
    ±
    replace
    Health Coach
    destructive
    4d1a000000000000000077e0
    → new id
    agent
    A1
    →
    A2
    version set staging
    agent_version
    2
    →
    latest
    context_graph_version
    2
    →
    5
    How the new service takes over
    The new service is created under the same name, inactive, with 1 version set. Users can&#39;t reach it yet.
    (the agent or context graph changes, and `on_agent_change` is `replace`)
    Version set staging is written.
    after 1
    Behavior set Emergency is applied to the new service, too.
    after 1
    The old service is renamed to “Health Coach (replaced 2026-11-22 4d1a00)”, and the new one is activated immediately after. If that fails, the rename is undone.
    disruptive
    after 1, 7, 8
    The old service is deactivated and can be activated again.
    destructive
    (a new service replaces `Health Coach`)
    after 10
    ~
    change
    Adaptive Support
    destructive
    s2
    description
    Live now
    As declared
    First line.
    First line.
    Helps members.
    Helps
    returning
    members.
    Last line.
    Last line.
    tags.tier
    gold
    →
    platinum
    both
    version set release
    agent_version
    latest
    →
    4
    drift
    version set old (deleted)
    agent_version
    1
    →
    none
    context_graph_version
    1
    →
    none
    3 steps
    change
    write version set release
    disruptive
    delete version set old
    destructive
    after 2, 6
    ~
    change
    Foreign
    adopted
    s5
    This service has no owner yet; this plan sets the ownership tag.
    tags.managed_by
    amigops
    change
    ~
    change
    New Name
    s3
    renamed from Old Name
    change and rename
    disruptive
    ~
    change
    Switched Off
    destructive
    s7
    active
    true
    →
    false
    change
    destructive
    +
    create
    Meet &amp; Greet
    agent
    A3
    context_graph
    G1
    description
    The service Meet &amp; Greet
    tags
    managed_by: amigops
    version_sets.release
    agent 2, context graph 5
    version_sets.staging
    agent latest, context graph latest
    2 steps
    create
    after 1, 7, 8, 10
    write version set staging
    after 1, 7, 8, 10, 11
    No matching services.
    Order of the steps
    1 Health Coach: create, inactive (safe)
    1 Health Coach
    create, inactive
    2 Adaptive Support: change (safe)
    2 Adaptive Support
    change
    3 Foreign: change (safe)
    3 Foreign
    change
    4 New Name: change and rename (disruptive)
    4 New Name
    ◆ change and rename
    5 Switched Off: change (destructive)
    5 Switched Off
    ▲ change
    6 Adaptive Support: write version set release (disruptive)
    6 Adaptive Support
    ◆ write version set release
    7 Health Coach: write version set staging (safe), after 1
    7 Health Coach
    write version set staging
    8 Health Coach: apply behavior set Emergency (safe), after 1
    8 Health Coach
    apply behavior set Emergency
    9 Half Done: cut over (disruptive)
    9 Half Done
    ◆ cut over
    10 Health Coach: cut over (disruptive), after 1, 7, 8
    10 Health Coach
    ◆ cut over
    11 Meet &amp; Greet: create (safe), after 1, 7, 8, 10
    11 Meet &amp; Greet
    create
    12 Meet &amp; Greet: write version set staging (safe), after 1, 7, 8, 10, 11
    12 Meet &amp; Greet
    write version set staging
    13 Half Done: deactivate (destructive), after 9
    13 Half Done
    ▲ deactivate
    14 Health Coach: deactivate (destructive), after 10
    14 Health Coach
    ▲ deactivate
    15 Summer Campaign: deactivate (destructive)
    15 Summer Campaign
    ▲ deactivate
    16 Adaptive Support: delete version set old (destructive), after 2, 6
    16 Adaptive Support
    ▲ delete version set old
    From left to right. ▲ destructive · ◆ disruptive · no mark: safe.
    As a list: 16 steps
    Health Coach: create, inactive
    (the agent or context graph changes, and `on_agent_change` is `replace`)
    Adaptive Support: change
    Foreign: change
    New Name: change and rename
    disruptive
    Switched Off: change
    destructive
    Adaptive Support: write version set release
    disruptive
    Health Coach: write version set staging
    after 1
    Health Coach: apply behavior set Emergency
    after 1
    Half Done: cut over
    disruptive
    Health Coach: cut over
    disruptive
    after 1, 7, 8
    Meet &amp; Greet: create
    after 1, 7, 8, 10
    Meet &amp; Greet: write version set staging
    after 1, 7, 8, 10, 11
    Half Done: deactivate
    destructive
    (a new service replaces `Half Done`)
    after 9
    Health Coach: deactivate
    destructive
    (a new service replaces `Health Coach`)
    after 10
    Summer Campaign: deactivate
    destructive
    (owned by this project, not declared)
    Adaptive Support: delete version set old
    destructive
    after 2, 6
    Not managed here
    1 live service, neither declared nor owned by this project and not changed
    Elsewhere
    s6
    Written by amigops 0.1.0. Making this report changed nothing.
    "##);
}
