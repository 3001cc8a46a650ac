//! Everything that can go wrong in a simulation, and how a seed chooses among it.

use std::time::Duration;

use super::dice::Dice;
use crate::model::Api;
use amigops_emulator::{Fault, Rule};

/// One disturbance of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trouble {
    /// A fault of one request.
    Fault(Fault),
    /// The process dies with this request, before or after it is processed.
    Death { processed: bool },
    /// Ctrl-C.
    Interrupt,
    /// An operator changes something at this moment.
    Edit(Edit),
    /// A list that does not show what is there.
    List(ListTrouble),
    /// The server fails for a long time.
    Outage(Outage),
}

/// A change that an operator makes past the tool. The numbers choose among the services that exist.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edit {
    Description(u64),
    Tag(u64),
    /// `release` gets other versions.
    Pin(u64),
    /// A service that isn't ours is deactivated.
    Deactivate,
    /// A service is created that isn't ours.
    Create,
    /// An active service is deactivated, an inactive one activated.
    Switch(u64),
    /// A service that was replaced is activated again.
    Restore(u64),
    Rename(u64),
    /// The ownership tag gets another value, or is removed.
    Owner(u64),
    /// The tag `replaces` is removed.
    Unlink(u64),
    /// A service is deleted, ours included. Platform only.
    Delete(u64),
    /// A service that isn't ours is deleted.
    DeleteOther(u64),
}

impl Edit {
    fn kind(&self) -> &'static str {
        match self {
            Self::Description(_) => "edit: description",
            Self::Tag(_) => "edit: tag",
            Self::Pin(_) => "edit: version set",
            Self::Deactivate => "edit: another's service deactivated",
            Self::Create => "edit: another's service created",
            Self::Switch(_) => "edit: activated or deactivated",
            Self::Restore(_) => "edit: replaced service activated",
            Self::Rename(_) => "edit: name",
            Self::Owner(_) => "edit: owner",
            Self::Unlink(_) => "edit: replaces",
            Self::Delete(_) => "edit: deleted",
            Self::DeleteOther(_) => "edit: another's service deleted",
        }
    }
}

/// A way in which the answer to a list request is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ListTrouble {
    /// One service is left out; `counted`: the total counts it.
    Hide { which: u64, counted: bool },
    /// The next page begins with the last service of this one.
    Overlap,
    /// Somebody changes something just before this page is read.
    Shift(Edit),
}

/// A failure of the server that lasts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outage {
    pub(super) length: Duration,
    /// The fault of each request meanwhile.
    pub(super) fault: Fault,
    /// Whether only requests that read fail.
    pub(super) reads_only: bool,
}

impl Outage {
    fn kind(&self) -> &'static str {
        match self.reads_only {
            true => "outage of reads",
            false => "outage",
        }
    }
}

impl Trouble {
    /// Its kind, for counting.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.kind(),
            Self::Death { processed: false } => "death before a request",
            Self::Death { processed: true } => "death after a request",
            Self::Interrupt => "Ctrl-C",
            Self::Edit(edit) => edit.kind(),
            Self::List(ListTrouble::Hide { .. }) => "list: service left out",
            Self::List(ListTrouble::Overlap) => "list: overlapping pages",
            Self::List(ListTrouble::Shift(_)) => "list: shifted between pages",
            Self::Outage(outage) => outage.kind(),
        }
    }
}

/// The kinds that occur in any long run of an API's seeds.
pub(super) fn kinds(api: Api) -> Vec<&'static str> {
    let mut kinds = vec![
        "401",
        "429",
        "503",
        "5xx, not processed",
        "5xx, processed",
        "400",
        "Ctrl-C",
        "answer cut off",
        "answer garbled",
        "answer lost",
        "connection closed",
        "connection refused",
        "death after a request",
        "death before a request",
        "delay",
        "edit: activated or deactivated",
        "edit: another's service created",
        "edit: another's service deactivated",
        "edit: description",
        "edit: name",
        "edit: owner",
        "edit: replaced service activated",
        "edit: replaces",
        "edit: tag",
        "edit: version set",
        "list: overlapping pages",
        "list: service left out",
        "list: shifted between pages",
        "out of time",
        "outage",
        "outage in a hand-over",
        "outage of reads",
        "page instead of an answer",
        "request in an outage",
        "request lost",
        "slow body",
    ];
    kinds.extend(api.deletes_services().then_some("edit: deleted"));
    kinds
}

/// One trouble at the nth request of all, or of those that write.
pub(super) fn any(dice: &mut Dice) -> Rule<Trouble> {
    let (method, nth) = match dice.below(5) {
        0 => (Some("POST"), 1 + dice.below(8)),
        1 => (Some("PUT"), 1 + dice.below(8)),
        _ => (None, 1 + dice.below(40)),
    };
    let what = match dice.below(10) {
        0 => Trouble::Death { processed: dice.percent(50) },
        1 => Trouble::Edit(harmless_edit(dice)),
        2 if dice.percent(50) => Trouble::Interrupt,
        _ => Trouble::Fault(fault(dice)),
    };
    let lasts = matches!(what, Trouble::Fault(_)) && dice.percent(25);
    let times = if lasts { 2 + dice.below(8) } else { 1 };
    Rule { method: method.map(str::to_owned), path: None, nth, times, what }
}

/// Troubles that cut a run off, or make one of its steps fail.
pub(super) fn cut(api: Api, dice: &mut Dice) -> Rule<Trouble> {
    let (method, nth) = match dice.below(3) {
        0 => (Some("POST"), 1 + dice.below(8)),
        1 => (Some("PUT"), 1 + dice.below(8)),
        _ => (None, 1 + dice.below(25)),
    };
    let what = match dice.below(8) {
        0..=2 => Trouble::Death { processed: dice.percent(50) },
        3 => Trouble::Interrupt,
        4 => Trouble::Fault(refusal(400)),
        5 => Trouble::Edit(Edit::Restore(dice.next())),
        _ => Trouble::Fault(fault(dice)),
    };
    // An update is a POST on Classic; on Platform it is a PUT.
    let method = if matches!(what, Trouble::Fault(Fault::Answer { status: 400, .. })) {
        Some(if api == Api::Classic { "POST" } else { "PUT" })
    } else {
        method
    };
    Rule { method: method.map(str::to_owned), path: None, nth, times: 1, what }
}

/// An operator's edit of any service at any request.
pub(super) fn edited(api: Api, dice: &mut Dice) -> Rule<Trouble> {
    let (method, nth) = match dice.below(3) {
        0 => (Some("POST"), 1 + dice.below(8)),
        1 => (Some("PUT"), 1 + dice.below(8)),
        _ => (None, 2 + dice.below(15)),
    };
    let which = dice.next();
    let edit = match dice.below(10) {
        0 => Edit::Description(which),
        1 => Edit::Tag(which),
        2 => Edit::Pin(which),
        3 => Edit::Rename(which),
        4 => Edit::Owner(which),
        5 => Edit::Unlink(which),
        6 if api == Api::Platform => Edit::Delete(which),
        7 => Edit::Restore(which),
        _ => Edit::Switch(which),
    };
    let what = Trouble::Edit(edit);
    Rule { method: method.map(str::to_owned), path: None, nth, times: 1, what }
}

/// Troubles of lists: at most one service is left out, since one that two readings leave out can't be missed.
pub(super) fn lists(api: Api, dice: &mut Dice) -> Vec<Rule<Trouble>> {
    let path = if api == Api::Classic { "/service/?limit" } else { "/services?limit" };
    let rule = |path: &str, nth, what| Rule {
        method: Some("GET".to_owned()),
        path: Some(path.to_owned()),
        nth,
        times: 1,
        what: Trouble::List(what),
    };
    let mut rules = Vec::new();
    if dice.percent(60) {
        let hide = ListTrouble::Hide { which: dice.next(), counted: dice.percent(50) };
        rules.push(rule(path, 1 + dice.below(6), hide));
    }
    if dice.percent(30) {
        rules.push(rule(path, 1 + dice.below(6), ListTrouble::Overlap));
    }
    if rules.is_empty() || dice.percent(30) {
        let edit = if dice.percent(70) { Edit::DeleteOther(dice.next()) } else { Edit::Create };
        rules.push(rule("continuation_token", 1 + dice.below(4), ListTrouble::Shift(edit)));
    }
    rules
}

/// A failure that lasts longer than a name may be free.
pub(super) fn outage(dice: &mut Dice) -> Outage {
    let length = Duration::from_secs(*dice.pick(&[60, 170, 200, 400, 900, 2_700]));
    let answer = |status, retry_after: &str| Fault::Answer {
        status,
        processed: false,
        headers: [("retry-after".to_owned(), retry_after.to_owned())].into(),
        retry_after: None,
        body: r#"{"detail":"simulated"}"#.to_owned(),
    };
    let fault = match dice.below(7) {
        0 => Fault::Refuse,
        1 => Fault::LoseRequest,
        2 => Fault::answer(503, "{}"),
        3 => answer(503, "20"),
        4 => answer(429, dice.pick::<&str>(&["4", "45", "900"])),
        5 => Fault::SlowBody { millis: 20_000 + dice.below(38_000) },
        _ => Fault::LoseAnswer,
    };
    Outage { length, fault, reads_only: dice.percent(40) }
}

/// An edit that no later plan has to be refused for.
fn harmless_edit(dice: &mut Dice) -> Edit {
    match dice.below(5) {
        0 => Edit::Description(dice.next()),
        1 => Edit::Tag(dice.next()),
        2 => Edit::Pin(dice.next()),
        3 => Edit::Deactivate,
        _ => Edit::Create,
    }
}

fn refusal(status: u16) -> Fault {
    Fault::answer(status, r#"{"detail":"simulated"}"#)
}

fn fault(dice: &mut Dice) -> Fault {
    let answer = |status, processed, headers: &[(&str, &str)], body: &str| Fault::Answer {
        status,
        processed,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        retry_after: None,
        body: body.to_owned(),
    };
    let detail = r#"{"detail":"simulated"}"#;
    let page = "<html><body>Bad Gateway</body></html>";
    match dice.below(18) {
        0 => Fault::Refuse,
        1 | 2 => Fault::LoseRequest,
        3..=5 => Fault::LoseAnswer,
        6 => Fault::CutAnswer,
        7 => Fault::Garble,
        8 => Fault::Delay { millis: dice.below(50_000) },
        9 => answer(429, false, &[], detail),
        10 => answer(429, false, &[("retry-after", "3")], detail),
        11 => answer(503, false, &[("retry-after", "5")], detail),
        12 => answer(401, false, &[], detail),
        13 => answer(200, dice.percent(50), &[("content-type", "text/html")], page),
        14 => answer(*dice.pick(&[500, 502, 504]), true, &[], page),
        15 => Fault::SlowBody { millis: dice.below(50_000) },
        16 => Fault::Close,
        _ => answer(*dice.pick(&[408, 500, 502, 503, 504]), false, &[], detail),
    }
}
