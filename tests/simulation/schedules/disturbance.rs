//! The kinds of disturbances in simulations, and their random choice.

use std::time::Duration;

use super::seeded_random::SeededRandom;
use crate::model::Api;
use amigops_emulator::{Fault, Rule};

/// A disturbance: something that goes wrong at one request of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Disturbance {
    /// The server or the connection fails at this request.
    Fault(Fault),
    /// The process crashes at this request. The server has processed the request if `processed` is true.
    Crash { processed: bool },
    /// The user presses Ctrl-C.
    Interrupt,
    /// An operator changes a service when this request is sent.
    Edit(Edit),
    /// The answer to this list request is wrong.
    List(ListDisturbance),
    /// The server begins to fail for a long time.
    Outage(Outage),
}

/// A change that an operator makes in the vendor's console. The number in a variant selects one of the existing
/// services.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edit {
    Description(u64),
    Tag(u64),
    /// The agent version in the version set `release` changes.
    Pin(u64),
    /// A service that no project owns is deactivated.
    Deactivate,
    /// A service that no project owns is created.
    Create,
    /// An active service is deactivated, or an inactive service is activated.
    Switch(u64),
    /// A former service is activated again.
    Restore(u64),
    Rename(u64),
    /// The ownership tag is removed, or its value changes.
    Owner(u64),
    /// The tag `replaces` is removed from a service.
    RemoveReplaces(u64),
    /// A service is deleted. This is possible on Platform only.
    Delete(u64),
    /// A service that no project owns is deleted.
    DeleteUnowned(u64),
}

impl Edit {
    fn kind(&self) -> &'static str {
        match self {
            Self::Description(_) => "edit: description",
            Self::Tag(_) => "edit: tag",
            Self::Pin(_) => "edit: version set",
            Self::Deactivate => "edit: unowned service deactivated",
            Self::Create => "edit: unowned service created",
            Self::Switch(_) => "edit: activated or deactivated",
            Self::Restore(_) => "edit: former service activated",
            Self::Rename(_) => "edit: name",
            Self::Owner(_) => "edit: owner",
            Self::RemoveReplaces(_) => "edit: replaces",
            Self::Delete(_) => "edit: deleted",
            Self::DeleteUnowned(_) => "edit: unowned service deleted",
        }
    }
}

/// The way in which a list of services is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ListDisturbance {
    /// One service is missing from the list. If `counted` is true, the total number of services still includes it.
    Hide { which: u64, counted: bool },
    /// The last service of this page is also the first service of the next page.
    Overlap,
    /// An operator changes a service just before this page is read.
    Shift(Edit),
}

/// A failure of the server that lasts for a long time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outage {
    pub(super) length: Duration,
    /// The fault that each request gets during the outage.
    pub(super) fault: Fault,
    /// True if the server still processes writes, and only reads fail.
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

impl Disturbance {
    /// Returns the name of this kind of disturbance, under which it is counted.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.kind(),
            Self::Crash { processed: false } => "crash before a request",
            Self::Crash { processed: true } => "crash after a request",
            Self::Interrupt => "Ctrl-C",
            Self::Edit(edit) => edit.kind(),
            Self::List(ListDisturbance::Hide { .. }) => "list: service missing",
            Self::List(ListDisturbance::Overlap) => "list: overlapping pages",
            Self::List(ListDisturbance::Shift(_)) => "list: shifted between pages",
            Self::Outage(outage) => outage.kind(),
        }
    }
}

/// Returns the names of all kinds of disturbances that many seeds together must produce on this API.
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
        "crash after a request",
        "crash before a request",
        "delay",
        "edit: activated or deactivated",
        "edit: unowned service created",
        "edit: unowned service deactivated",
        "edit: description",
        "edit: name",
        "edit: owner",
        "edit: former service activated",
        "edit: replaces",
        "edit: tag",
        "edit: version set",
        "list: overlapping pages",
        "list: service missing",
        "list: shifted between pages",
        "timeout",
        "outage",
        "outage during a cut-over",
        "outage of reads",
        "page instead of an answer",
        "request during an outage",
        "request lost",
        "slow body",
    ];
    kinds.extend(api.deletes_services().then_some("edit: deleted"));
    kinds
}

/// Chooses any disturbance at random, and the request or write at which it happens.
pub(super) fn any(random: &mut SeededRandom) -> Rule<Disturbance> {
    let (method, nth) = match random.below(5) {
        0 => (Some("POST"), 1 + random.below(8)),
        1 => (Some("PUT"), 1 + random.below(8)),
        _ => (None, 1 + random.below(40)),
    };
    let what = match random.below(10) {
        0 => Disturbance::Crash { processed: random.chance(50) },
        1 => Disturbance::Edit(harmless_edit(random)),
        2 if random.chance(50) => Disturbance::Interrupt,
        _ => Disturbance::Fault(fault(random)),
    };
    let lasts = matches!(what, Disturbance::Fault(_)) && random.chance(25);
    let times = if lasts { 2 + random.below(8) } else { 1 };
    Rule { method: method.map(str::to_owned), path: None, nth, times, what }
}

/// Chooses a disturbance at random that ends a run early or makes one of its steps fail, and the request at which it
/// happens.
pub(super) fn interruption(api: Api, random: &mut SeededRandom) -> Rule<Disturbance> {
    let (method, nth) = match random.below(3) {
        0 => (Some("POST"), 1 + random.below(8)),
        1 => (Some("PUT"), 1 + random.below(8)),
        _ => (None, 1 + random.below(25)),
    };
    let what = match random.below(8) {
        0..=2 => Disturbance::Crash { processed: random.chance(50) },
        3 => Disturbance::Interrupt,
        4 => Disturbance::Fault(refusal(400)),
        5 => Disturbance::Edit(Edit::Restore(random.next())),
        _ => Disturbance::Fault(fault(random)),
    };
    // An update is a POST on Classic, and a PUT on Platform.
    let method = if matches!(what, Disturbance::Fault(Fault::Answer { status: 400, .. })) {
        Some(if api == Api::Classic { "POST" } else { "PUT" })
    } else {
        method
    };
    Rule { method: method.map(str::to_owned), path: None, nth, times: 1, what }
}

/// Chooses at random an edit that an operator makes to a service during the run, and the request at which it happens.
pub(super) fn operator_edit(api: Api, random: &mut SeededRandom) -> Rule<Disturbance> {
    let (method, nth) = match random.below(3) {
        0 => (Some("POST"), 1 + random.below(8)),
        1 => (Some("PUT"), 1 + random.below(8)),
        _ => (None, 2 + random.below(15)),
    };
    let which = random.next();
    let edit = match random.below(10) {
        0 => Edit::Description(which),
        1 => Edit::Tag(which),
        2 => Edit::Pin(which),
        3 => Edit::Rename(which),
        4 => Edit::Owner(which),
        5 => Edit::RemoveReplaces(which),
        6 if api == Api::Platform => Edit::Delete(which),
        7 => Edit::Restore(which),
        _ => Edit::Switch(which),
    };
    let what = Disturbance::Edit(edit);
    Rule { method: method.map(str::to_owned), path: None, nth, times: 1, what }
}

/// Chooses at random how lists of services are wrong. At most one service is missing, and only from one answer. Runs
/// read the list twice, and if a service were missing from both readings, no run could notice that.
pub(super) fn wrong_lists(api: Api, random: &mut SeededRandom) -> Vec<Rule<Disturbance>> {
    let path = if api == Api::Classic { "/service/?limit" } else { "/services?limit" };
    let rule = |path: &str, nth, what| Rule {
        method: Some("GET".to_owned()),
        path: Some(path.to_owned()),
        nth,
        times: 1,
        what: Disturbance::List(what),
    };
    let mut rules = Vec::new();
    if random.chance(60) {
        let hide = ListDisturbance::Hide { which: random.next(), counted: random.chance(50) };
        rules.push(rule(path, 1 + random.below(6), hide));
    }
    if random.chance(30) {
        rules.push(rule(path, 1 + random.below(6), ListDisturbance::Overlap));
    }
    if rules.is_empty() || random.chance(30) {
        let edit = if random.chance(70) { Edit::DeleteUnowned(random.next()) } else { Edit::Create };
        rules.push(rule("continuation_token", 1 + random.below(4), ListDisturbance::Shift(edit)));
    }
    rules
}

/// Chooses an outage at random. A cut-over may leave its name without a service for a limited time, and an outage may
/// last longer than that.
pub(super) fn outage(random: &mut SeededRandom) -> Outage {
    let length = Duration::from_secs(*random.pick(&[60, 170, 200, 400, 900, 2_700]));
    let answer = |status, retry_after: &str| Fault::Answer {
        status,
        processed: false,
        headers: [("retry-after".to_owned(), retry_after.to_owned())].into(),
        retry_after: None,
        body: r#"{"detail":"simulated"}"#.to_owned(),
    };
    let fault = match random.below(7) {
        0 => Fault::Refuse,
        1 => Fault::LoseRequest,
        2 => Fault::answer(503, "{}"),
        3 => answer(503, "20"),
        4 => answer(429, random.pick::<&str>(&["4", "45", "900"])),
        5 => Fault::SlowBody { millis: 20_000 + random.below(38_000) },
        _ => Fault::LoseAnswer,
    };
    Outage { length, fault, reads_only: random.chance(40) }
}

/// Chooses at random an edit after which plans can still be made.
fn harmless_edit(random: &mut SeededRandom) -> Edit {
    match random.below(5) {
        0 => Edit::Description(random.next()),
        1 => Edit::Tag(random.next()),
        2 => Edit::Pin(random.next()),
        3 => Edit::Deactivate,
        _ => Edit::Create,
    }
}

fn refusal(status: u16) -> Fault {
    Fault::answer(status, r#"{"detail":"simulated"}"#)
}

fn fault(random: &mut SeededRandom) -> Fault {
    let answer = |status, processed, headers: &[(&str, &str)], body: &str| Fault::Answer {
        status,
        processed,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        retry_after: None,
        body: body.to_owned(),
    };
    let detail = r#"{"detail":"simulated"}"#;
    let page = "<html><body>Bad Gateway</body></html>";
    match random.below(18) {
        0 => Fault::Refuse,
        1 | 2 => Fault::LoseRequest,
        3..=5 => Fault::LoseAnswer,
        6 => Fault::CutAnswer,
        7 => Fault::Garble,
        8 => Fault::Delay { millis: random.below(50_000) },
        9 => answer(429, false, &[], detail),
        10 => answer(429, false, &[("retry-after", "3")], detail),
        11 => answer(503, false, &[("retry-after", "5")], detail),
        12 => answer(401, false, &[], detail),
        13 => answer(200, random.chance(50), &[("content-type", "text/html")], page),
        14 => answer(*random.pick(&[500, 502, 504]), true, &[], page),
        15 => Fault::SlowBody { millis: random.below(50_000) },
        16 => Fault::Close,
        _ => answer(*random.pick(&[408, 500, 502, 503, 504]), false, &[], detail),
    }
}
