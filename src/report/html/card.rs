//! The card of a service: a box on the HTML page with the kind of change, the changed values, and the steps.

use super::super::causes;
use super::super::direction;
use super::super::lookalikes;
use super::super::mode::{Mark, Mode};
use super::super::progress::action_text;
use super::super::text::count;
use super::markup::{Markup, clip};
use super::new_service::NewServiceValues;
use super::values::Leaf;
use super::{steps, values};
use crate::model::{Api, VersionSetName};
use crate::plan::{Action, Cause, Deviation, Field, Plan, Risk, ServiceKind, ServicePlan, Target};

/// The maximum length of a name in a heading, in characters.
const LONGEST_NAME: usize = 200;
/// The maximum number of lines of values in a card. If there are more, the values are hidden until the reader unfolds
/// them.
const MOST_LINES: usize = 30;

/// All kinds of changes, in the order of the page's filters.
pub(super) const KINDS: [ServiceKind; 4] =
    [ServiceKind::Create, ServiceKind::Update, ServiceKind::Replace, ServiceKind::Retire];

/// Returns the word for a service's kind of change or, in a drift report, for its kind of drift.
pub(super) fn word(kind: ServiceKind, mode: Mode) -> &'static str {
    match (mode.is_drift(), kind) {
        (false, kind) => self::kind(kind),
        (true, ServiceKind::Create) => "missing",
        (true, ServiceKind::Update) => "changed",
        (true, ServiceKind::Replace) => "to be replaced",
        (true, ServiceKind::Retire) => "orphan",
    }
}

/// Returns the name of a kind of change. The page's script filters the cards by this name.
pub(super) fn kind(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Create => "create",
        ServiceKind::Update => "change",
        ServiceKind::Replace => "replace",
        ServiceKind::Retire => "retire",
    }
}

/// Returns the symbol of a mark, the CSS classes of a card with this mark, and the CSS classes of the card's label. The
/// classes set the colours.
fn mark_style(mark: Mark) -> (&'static str, &'static str, &'static str) {
    match mark {
        Mark::Added => ("+", "card create", "kind create"),
        Mark::Changed => ("~", "card change", "kind change"),
        Mark::Replaced => ("±", "card replace", "kind replace"),
        Mark::Removed => ("−", "card retire", "kind retire"),
    }
}

/// The properties of a service, besides its kind of change, by which the page's filters select cards.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) destructive: bool,
    pub(super) drift: bool,
    pub(super) pending: bool,
    pub(super) conflict: bool,
    pub(super) adopted: bool,
}

impl Flags {
    pub(super) fn of(plan: &Plan, service: &ServicePlan, mode: Mode) -> Self {
        let deviation = if mode.is_drift() { Deviation::of(plan, service) } else { Deviation::default() };
        let mut causes: Vec<Cause> = service.cause.into_iter().collect();
        causes.extend(service.changes.causes().flatten());
        causes.extend(plan.steps_of(service).flat_map(|step| step.changes.causes()).flatten());
        Self {
            destructive: service.kind == ServiceKind::Retire
                || plan.steps_of(service).any(|step| step.risk == Risk::Destructive),
            drift: deviation.drifted
                || causes.iter().any(|cause| matches!(cause, Cause::Drift | Cause::Both)),
            // In a plan, nearly every change is pending.
            pending: deviation.pending,
            conflict: causes.iter().any(|cause| matches!(cause, Cause::Both | Cause::Behind)),
            adopted: service.adopted,
        }
    }

    /// Returns each property with its name in the page's filters.
    pub(super) fn named(self) -> [(&'static str, bool); 5] {
        let Self { destructive, drift, pending, conflict, adopted } = self;
        [
            ("destructive", destructive),
            ("drift", drift),
            ("pending", pending),
            ("conflict", conflict),
            ("adopted", adopted),
        ]
    }
}

/// Returns the id of a service's card in the page, for links to it. `number` is the index of the service in the plan.
pub(super) fn anchor(section: usize, number: usize) -> String {
    format!("s{section}-{number}")
}

/// The inputs from which all cards of one environment are written. `section` is the number of the environment in the
/// page.
#[derive(Clone, Copy)]
pub(super) struct Deck<'a> {
    pub(super) plan: &'a Plan,
    pub(super) api: Api,
    pub(super) section: usize,
    pub(super) heading: &'static str,
    pub(super) mode: Mode,
}

/// Writes the cards of all services. The cards of retired and replaced services come first.
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
    let flags = Flags::of(deck.plan, service, deck.mode).named();
    let flags: Vec<&str> = flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    let attributes = [
        ("class", mark_style(deck.mode.mark(service.kind)).1),
        ("id", id),
        ("data-kind", kind(service.kind)),
        ("data-only", &flags.join(" ")),
    ];
    page.element("article", &attributes, |page| {
        head(page, deck, service, &flags);
        notes(page, service, deck.mode);
        let added = match service.kind {
            ServiceKind::Create => {
                let content = direction::content(deck.mode, deck.plan, service, deck.api);
                NewServiceValues::of(deck.mode, content)
            }
            _ => NewServiceValues::default(),
        };
        let groups = groups(deck, service, &added);
        let lines = groups.iter().flat_map(|group| &group.leaves).map(values::weight);
        folded(page, deck.mode, lines.sum::<usize>() > MOST_LINES, &groups);
        // A drift report has no steps.
        if !deck.mode.is_drift() {
            service_steps(page, deck.plan, service);
        }
    });
}

fn head(page: &mut Markup, deck: &Deck<'_>, service: &ServicePlan, flags: &[&str]) {
    page.element("header", &[], |page| {
        let word = word(service.kind, deck.mode);
        let (mark, _, class) = mark_style(deck.mode.mark(service.kind));
        page.element("span", &[("class", class)], |page| {
            page.leaf("span", &[("aria-hidden", "true")], mark);
            page.text(" ");
            page.text(word);
        });
        page.leaf(deck.heading, &[], &clip(service.name.as_str(), LONGEST_NAME));
        if flags.contains(&"destructive") {
            page.raw("<span class=\"badge destructive\">destructive</span>");
        }
        if service.adopted {
            page.leaf(
                "span",
                &[("class", "badge")],
                if deck.mode.is_drift() { "no owner" } else { "adopted" },
            );
        }
        if service.continued {
            page.raw("<span class=\"badge\">continued</span>");
        }
        if let Some(cause) = service.cause {
            values::cause(page, deck.mode, cause);
        }
        if deck.mode.is_drift() && deck.plan.is_base_unknown(service) {
            page.leaf("span", &[("class", "badge drift")], causes::BASE_UNKNOWN);
        }
        if let Some(id) = &service.id {
            page.leaf("code", &[("class", "id")], id.as_str());
            if service.kind == ServiceKind::Replace && !deck.mode.is_drift() {
                page.raw("<span class=\"note\">→ new id</span>");
            }
        }
    });
}

fn notes(page: &mut Markup, service: &ServicePlan, mode: Mode) {
    let mut note = |text: &str| page.leaf("p", &[("class", "note")], text);
    if service.name.as_str().chars().nth(LONGEST_NAME).is_some() {
        note(&format!("full name: {}", service.name));
    }
    if let Some(former) = &service.former_name
        && service.kind != ServiceKind::Replace
    {
        let what = if mode.is_drift() { "the live name is" } else { "renamed from" };
        let (former, _) = lookalikes::names(former, &service.name);
        note(&format!("{what} {former}"));
    }
    if service.adopted {
        note(if mode.is_drift() {
            "This service has no owner."
        } else {
            "This service has no owner yet; this plan sets the ownership tag."
        });
    }
    if service.continued {
        note(if mode.is_drift() {
            "A replacement that an earlier run began is unfinished."
        } else {
            "Finishes a replacement that an earlier run began."
        });
    }
    if mode.is_drift() && service.kind == ServiceKind::Retire {
        note("This service is owned, but no manifest declares it.");
    }
}

/// A group of changed values in a card. The title is `None` for the service's own fields.
struct Group<'a> {
    title: Option<String>,
    leaves: Vec<Leaf<'a>>,
}

/// Returns the values of a card in groups: first the service's own fields, then the fields of each version set under
/// the name of the set.
fn groups<'a>(deck: &Deck<'a>, service: &'a ServicePlan, added: &'a NewServiceValues) -> Vec<Group<'a>> {
    // An orphan has no manifest that it could be compared with.
    if deck.mode.is_drift() && service.kind == ServiceKind::Retire {
        return Vec::new();
    }
    let changed = service.changes.fields.iter().filter(|change| change.field != Field::Name);
    let leaves: Vec<Leaf<'_>> = changed.flat_map(Leaf::of_field).chain(added.leaves()).collect();
    let mut groups = Vec::new();
    if !leaves.is_empty() {
        groups.push(Group { title: None, leaves });
    }
    if service.kind == ServiceKind::Create {
        let sets = added.preferences().into_iter();
        groups
            .extend(sets.map(|(name, leaves)| Group { title: Some(set_title(deck, service, name)), leaves }));
    } else {
        groups.extend(deck.plan.version_set_changes(service).map(|set| Group {
            title: Some(set_title(deck, service, &set.name)),
            leaves: set.fields.iter().flat_map(Leaf::of_set_field).collect(),
        }));
    }
    groups
}

/// Returns the heading of a version set in a card, such as `version set beta (new)`.
fn set_title(deck: &Deck<'_>, service: &ServicePlan, set: &VersionSetName) -> String {
    let what = deck.plan.steps_of(service).find_map(|step| match &step.action {
        Action::WriteVersionSet { name, creates: true, target: Target::Live(_), .. } if name == set => {
            Some(if deck.mode.is_drift() { " (missing)" } else { " (new)" })
        }
        Action::DeleteVersionSet { name, .. } if name == set => {
            Some(if deck.mode.is_drift() { " (undeclared)" } else { " (deleted)" })
        }
        _ => None,
    });
    format!("version set {set}{}", what.unwrap_or_default())
}

fn folded(page: &mut Markup, mode: Mode, folds: bool, groups: &[Group<'_>]) {
    let inside = |page: &mut Markup| {
        for Group { title, leaves } in groups {
            if let Some(title) = title {
                page.leaf("p", &[("class", "set")], title);
            }
            values::list(page, mode, leaves);
        }
    };
    if !folds {
        return inside(page);
    }
    let changed: usize = groups.iter().map(|group| group.leaves.len()).sum();
    page.element("details", &[], |page| {
        page.leaf("summary", &[], &count(changed, "changed value"));
        inside(page);
    });
}

fn service_steps(page: &mut Markup, plan: &Plan, service: &ServicePlan) {
    if service.kind == ServiceKind::Replace {
        page.raw("<p class=\"set\">How the new service takes over</p>");
        steps::list(page, plan.steps_of(service), steps::explained);
        return;
    }
    match service.steps.len() {
        0 => {}
        1 => steps::list(page, plan.steps_of(service), action_text),
        many => page.element("details", &[], |page| {
            page.leaf("summary", &[], &count(many, "step"));
            steps::list(page, plan.steps_of(service), action_text);
        }),
    }
}
