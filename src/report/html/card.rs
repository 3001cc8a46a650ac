//! The card of a service: its kind of change, its changed values, and its steps.

use serde_json::{Value, json};

use super::super::human::set_of;
use super::super::progress::action_text;
use super::super::text::count;
use super::super::values::Leaf;
use super::markup::{Markup, clip};
use super::{steps, values};
use crate::model::{Api, NewService, VersionSet};
use crate::plan::{Action, Cause, Change, Plan, Risk, ServiceKind, ServicePlan, Target};

/// The maximum length of a name in a heading.
const LONGEST_NAME: usize = 200;
/// Cards with more lines are folded.
const MOST_LINES: usize = 30;

/// All kinds, in the order of the filters.
pub(super) const KINDS: [ServiceKind; 4] =
    [ServiceKind::Create, ServiceKind::Update, ServiceKind::Replace, ServiceKind::Retire];

/// Returns the word for a service's kind of change, or for its kind of drift.
pub(super) fn word(kind: ServiceKind, is_drift: bool) -> &'static str {
    match (is_drift, kind) {
        (false, kind) => self::kind(kind).0,
        (true, ServiceKind::Create) => "missing",
        (true, ServiceKind::Update) => "changed",
        (true, ServiceKind::Replace) => "to be replaced",
        (true, ServiceKind::Retire) => "orphan",
    }
}

/// Returns a kind's name, which the page's script uses, and its mark.
pub(super) fn kind(kind: ServiceKind) -> (&'static str, &'static str) {
    match kind {
        ServiceKind::Create => ("create", "+"),
        ServiceKind::Update => ("change", "~"),
        ServiceKind::Replace => ("replace", "±"),
        ServiceKind::Retire => ("retire", "−"),
    }
}

fn kind_classes(kind: ServiceKind) -> (&'static str, &'static str) {
    match kind {
        ServiceKind::Create => ("card create", "kind create"),
        ServiceKind::Update => ("card change", "kind change"),
        ServiceKind::Replace => ("card replace", "kind replace"),
        ServiceKind::Retire => ("card retire", "kind retire"),
    }
}

/// The properties of a service that can be filtered, besides its kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) destructive: bool,
    pub(super) drift: bool,
    pub(super) conflict: bool,
    pub(super) adopted: bool,
}

impl Flags {
    pub(super) fn of(plan: &Plan, service: &ServicePlan) -> Self {
        let mut causes: Vec<Cause> = service.cause.into_iter().collect();
        causes.extend(service.changes.iter().filter_map(|change| change.cause));
        causes.extend(steps::of(plan, service).flat_map(|step| &step.changes).filter_map(|one| one.cause));
        Self {
            destructive: service.kind == ServiceKind::Retire
                || steps::of(plan, service).any(|step| step.risk == Risk::Destructive),
            drift: causes.iter().any(|cause| matches!(cause, Cause::Drift | Cause::Both)),
            conflict: causes.iter().any(|cause| matches!(cause, Cause::Both | Cause::Behind)),
            adopted: service.adopted,
        }
    }

    /// Returns the flags with their names in the page.
    pub(super) fn named(self) -> [(&'static str, bool); 4] {
        let Self { destructive, drift, conflict, adopted } = self;
        [("destructive", destructive), ("drift", drift), ("conflict", conflict), ("adopted", adopted)]
    }
}

/// Returns the anchor of a card.
pub(super) fn anchor(section: usize, number: usize) -> String {
    format!("s{section}-{number}")
}

/// The cards of one environment; `section` is its number in the page.
#[derive(Clone, Copy)]
pub(super) struct Deck<'a> {
    pub(super) plan: &'a Plan,
    pub(super) api: Api,
    pub(super) section: usize,
    pub(super) heading: &'static str,
    pub(super) is_drift: bool,
}

/// Writes the cards of all services. Retired and replaced services come first.
pub(super) fn cards(page: &mut Markup, deck: Deck<'_>) {
    let order = [ServiceKind::Retire, ServiceKind::Replace, ServiceKind::Update, ServiceKind::Create];
    for kind in order {
        let services = deck.plan.services.iter().enumerate();
        for (number, service) in services.filter(|(_, service)| service.kind == kind) {
            card(page, &deck, &anchor(deck.section, number), service);
            page.raw("\n");
        }
    }
}

fn card(page: &mut Markup, deck: &Deck<'_>, id: &str, service: &ServicePlan) {
    let flags = Flags::of(deck.plan, service).named();
    let flags: Vec<&str> = flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    let attributes = [
        ("class", kind_classes(service.kind).0),
        ("id", id),
        ("data-kind", kind(service.kind).0),
        ("data-only", &flags.join(" ")),
    ];
    page.element("article", &attributes, |page| {
        head(page, deck, service, &flags);
        notes(page, service, deck.is_drift);
        let added = added(deck, service);
        let groups = groups(deck, service, &added);
        let lines = groups.iter().flat_map(|(_, leaves)| leaves).map(|(leaf, _)| values::weight(leaf));
        folded(page, lines.sum::<usize>() > MOST_LINES, &groups);
        // Steps belong to a plan, not to a drift report.
        if !deck.is_drift {
            service_steps(page, deck.plan, service);
        }
    });
}

fn head(page: &mut Markup, deck: &Deck<'_>, service: &ServicePlan, flags: &[&str]) {
    page.element("header", &[], |page| {
        let (word, mark) = (word(service.kind, deck.is_drift), kind(service.kind).1);
        page.element("span", &[("class", kind_classes(service.kind).1)], |page| {
            page.leaf("span", &[("aria-hidden", "true")], mark);
            page.text(" ");
            page.text(word);
        });
        page.leaf(deck.heading, &[], &clip(service.name.as_str(), LONGEST_NAME));
        if flags.contains(&"destructive") {
            page.raw("<span class=\"badge destructive\">destructive</span>");
        }
        if service.adopted {
            page.leaf("span", &[("class", "badge")], if deck.is_drift { "no owner" } else { "adopted" });
        }
        if service.continued {
            page.raw("<span class=\"badge\">continued</span>");
        }
        if let Some(cause) = service.cause {
            values::cause(page, cause);
        }
        if let Some(id) = &service.id {
            page.leaf("code", &[("class", "id")], id.as_str());
            if service.kind == ServiceKind::Replace && !deck.is_drift {
                page.raw("<span class=\"note\">→ new id</span>");
            }
        }
    });
}

fn notes(page: &mut Markup, service: &ServicePlan, is_drift: bool) {
    let mut note = |text: &str| page.leaf("p", &[("class", "note")], text);
    if service.name.as_str().chars().nth(LONGEST_NAME).is_some() {
        note(&format!("full name: {}", service.name));
    }
    if let Some(former) = &service.former_name
        && service.kind != ServiceKind::Replace
    {
        let what = if is_drift { "its live name is" } else { "renamed from" };
        note(&format!("{what} {former}"));
    }
    if service.adopted {
        note(if is_drift {
            "It has no owner."
        } else {
            "It has no owner yet; this plan sets the ownership tag."
        });
    }
    if service.continued {
        note(if is_drift {
            "A replacement that an earlier run began is unfinished."
        } else {
            "Finishes a replacement that an earlier run began."
        });
    }
    if is_drift && service.kind == ServiceKind::Retire {
        note("It is owned, but no manifest declares it.");
    }
}

/// Returns the fields of a new service as changes from nothing; empty for other services.
fn added(deck: &Deck<'_>, service: &ServicePlan) -> Vec<Change> {
    let mut all = Vec::new();
    let mut add = |path: &str, value: Value| all.push(Change::new(path, Value::Null, value));
    if service.kind != ServiceKind::Create {
        return all;
    }
    if let Some((agent, graph)) = &service.joins {
        add("agent", json!(agent));
        add("context_graph", json!(graph));
    }
    for step in steps::of(deck.plan, service) {
        match &step.action {
            Action::Create(new) => new_service(&mut add, new, deck.api),
            Action::WriteVersionSet { name, content, .. } => new_set(&mut add, name.as_str(), content),
            _ => {}
        }
    }
    all
}

fn new_service(add: &mut impl FnMut(&str, Value), new: &NewService, api: Api) {
    add("description", json!(new.description));
    if !new.active {
        add("active", json!(false));
    }
    if !new.keyterms.is_empty() {
        add("keyterms", json!(new.keyterms));
    }
    let tags = new.tags.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}: {value}"),
        None => name.clone(),
    });
    add("tags", json!(tags.collect::<Vec<_>>()));
    for (name, value) in &new.settings {
        add(name, value.clone());
    }
    for (name, set) in &new.version_sets {
        new_set(add, name.as_str(), set);
    }
    if new.version_sets.is_empty() && api.makes_version_sets() {
        new_set(add, "release", &VersionSet::latest());
    }
}

fn new_set(add: &mut impl FnMut(&str, Value), name: &str, set: &VersionSet) {
    let path = format!("version_sets.{name}");
    let pins = format!("agent {}, context graph {}", set.agent_version, set.context_graph_version);
    add(&path, json!(pins));
    for (interaction, preference) in &set.llm_model_preferences {
        let path = format!("{path}.llm_model_preferences.{interaction}");
        add(&format!("{path}.llm_name"), json!(preference.llm_name));
        for (name, block) in
            [("params", &preference.params), ("experience_controls", &preference.experience_controls)]
        {
            if !block.is_empty() {
                add(&format!("{path}.{name}"), json!(block));
            }
        }
    }
}

type Leaves<'a> = Vec<(Leaf<'a>, Option<Cause>)>;

/// Returns the changed values in groups: first the service's own fields, then each version set under its name.
fn groups<'a>(
    deck: &Deck<'a>,
    service: &'a ServicePlan,
    added: &'a [Change],
) -> Vec<(Option<String>, Leaves<'a>)> {
    let plan = deck.plan;
    // An orphan has no manifest to compare with.
    if deck.is_drift && service.kind == ServiceKind::Retire {
        return Vec::new();
    }
    let shown = service.changes.iter().chain(added).filter(|change| change.path != "service");
    let (own, mut sets): (Vec<&Change>, Vec<&Change>) =
        shown.partition(|change| set_of(&change.path).is_none());
    // The changes of new and replaced services include version sets. For others, they are in the steps.
    if matches!(service.kind, ServiceKind::Update | ServiceKind::Retire) {
        let written = steps::of(plan, service).flat_map(|step| &step.changes);
        sets.extend(written.filter(|change| set_of(&change.path).is_some()));
    }
    let name = |change: &Change| set_of(&change.path).map(|(set, _)| set.to_owned());
    let mut groups = vec![(None, values::leaves(own, 0))];
    for group in sets.chunk_by(|one, next| name(one) == name(next)) {
        let Some((set, rest)) = group.first().and_then(|change| set_of(&change.path)) else { continue };
        let cut = group[0].path.len() - rest.len();
        groups.push((Some(set_title(deck, service, set)), values::leaves(group.iter().copied(), cut)));
    }
    groups.retain(|(title, leaves)| title.is_some() || !leaves.is_empty());
    groups
}

/// Returns a version set's heading, with the kind of its change.
fn set_title(deck: &Deck<'_>, service: &ServicePlan, set: &str) -> String {
    let what = steps::of(deck.plan, service).find_map(|step| match &step.action {
        Action::WriteVersionSet { name, creates: true, target: Target::Live(_), .. }
            if name.as_str() == set =>
        {
            Some(if deck.is_drift { " (missing)" } else { " (new)" })
        }
        Action::DeleteVersionSet { name, .. } if name.as_str() == set => {
            Some(if deck.is_drift { " (undeclared)" } else { " (deleted)" })
        }
        _ => None,
    });
    format!("version set {set}{}", what.unwrap_or_default())
}

fn folded(page: &mut Markup, folds: bool, groups: &[(Option<String>, Leaves<'_>)]) {
    let inside = |page: &mut Markup| {
        for (title, leaves) in groups {
            if let Some(title) = title {
                page.leaf("p", &[("class", "set")], title);
            }
            values::list(page, leaves);
        }
    };
    if !folds {
        return inside(page);
    }
    let changed: usize = groups.iter().map(|(_, leaves)| leaves.len()).sum();
    page.element("details", &[], |page| {
        page.leaf("summary", &[], &count(changed, "changed value"));
        inside(page);
    });
}

fn service_steps(page: &mut Markup, plan: &Plan, service: &ServicePlan) {
    if service.kind == ServiceKind::Replace {
        page.raw("<p class=\"set\">How the new service takes over</p>");
        steps::list(page, steps::of(plan, service), steps::explained);
        return;
    }
    match service.steps.len() {
        0 => {}
        1 => steps::list(page, steps::of(plan, service), action_text),
        many => page.element("details", &[], |page| {
            page.leaf("summary", &[], &count(many, "step"));
            steps::list(page, steps::of(plan, service), action_text);
        }),
    }
}
