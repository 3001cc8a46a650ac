//! Tests of reports on very large plans: a report must stay within the limit, and count what it does not show.

use super::hostile_tests::check;
use super::tests::{everything, origin, report};
use super::*;
use crate::model::*;
use crate::plan::tests::build::*;
use crate::plan::{Options, Origin, Plan};
use crate::report::Planned;

/// Returns a plan for many services. Does not verify the plan, because that would be slow.
fn planned(live: Vec<LiveService>, wanted: Vec<DesiredService>) -> Plan {
    let options = Options { prune: true, ..options() };
    crate::plan::plan(&desired(wanted), &snapshot(live), &own_policy(), &options).unwrap()
}

fn many(agent: &str, change: impl Fn(&mut LiveService)) -> Plan {
    let names = (0..5_000).map(|number| format!("Service {number:04}"));
    let (lives, wishes) = names
        .map(|name| {
            let mut service = live(&format!("id-{name}"), &name, "A1");
            change(&mut service);
            (service, wanted(&name, agent))
        })
        .unzip();
    planned(lives, wishes)
}

#[track_caller]
fn checked(plan: &Plan) -> String {
    let text = report(plan);
    assert!(text.len() <= MOST, "{} bytes", text.len());
    check(&text);
    text
}

#[test]
fn thousands_of_changes_are_counted_and_as_many_as_fit_are_named() {
    let plan = many("A1", |service| service.description = "Another".to_owned());
    let text = checked(&plan);
    assert!(text.len() > MOST - 2_000, "the room is used: {}", text.len());
    let names = text.matches("`Service ").count();
    let more = format!(" and {} more, see `amigops plan`", 5_000 - names);
    assert!(text.contains("**Changed: 5000**") && text.contains(&more) && names > 2_000, "{names}");
    assert!(text.contains("Shortened to fit a comment") && !text.contains("CAUTION"));
}

#[test]
fn a_hundred_changes_have_at_least_a_line_each() {
    let long: String = (0..300).map(|number| format!("line {number}\n")).collect();
    let plan = many("A1", |service| {
        if service.name.as_str() < "Service 0900" {
            service.description = long.clone();
        }
    });
    let text = checked(&plan);
    assert_eq!(text.matches("- change `Service ").count(), 900);
    assert!(text.contains("graph of the 900 steps is not shown here: run `amigops graph`"));
    let plan = many("A1", |service| {
        if service.name.as_str() < "Service 0030" {
            service.description = long.clone();
        }
    });
    let text = checked(&plan);
    assert_eq!(text.matches("more lines not shown").count(), 30, "{text}");
    assert!(text.contains("```mermaid"), "a small graph is kept");
}

#[test]
fn hidden_replacements_and_removals_are_announced_at_the_top() {
    let replaced = checked(&many("A2", |_| {}));
    let gone = checked(&planned(
        (0..5_000)
            .map(|number| live(&format!("id{number}"), &format!("{number:04}{}", "x".repeat(252)), "A1"))
            .collect(),
        vec![wanted("Kept", "A1")],
    ));
    for (text, noun, title) in [(replaced, "replacement", "Replacements"), (gone, "removal", "Removals")] {
        let (_, list) = text.split_once(&format!("### {title}: 5000\n\n")).unwrap();
        let listed = list.lines().next().unwrap().matches("`").count() / 2;
        let unlisted = 5_000 - listed;
        assert!(listed > 150, "{title}: {listed}");
        assert!(list.contains(&format!("**and {unlisted} more not listed here**")), "{title}: {listed}");
        let loud = format!("> **5000 {noun}s**\n> **{unlisted} of them are not listed here");
        assert!(text.contains(&loud), "{}", &text[..1_000]);
    }
}

#[test]
fn hundreds_of_removals_are_all_listed() {
    let services =
        (0..700).map(|number| live(&format!("id{number}"), &format!("Service {number}"), "A1")).collect();
    let text = checked(&planned(services, vec![wanted("Kept", "A1")]));
    assert_eq!(text.matches(", is deactivated (owned by this project, not declared)\n").count(), 700);
    assert!(!text.contains("not listed"));
}

#[test]
fn a_very_long_text_is_shown_from_its_first_difference() {
    let mut service = live("s1", "One", "A1");
    service.description = format!("{}old{}", "x".repeat(100_000), "y".repeat(100_000));
    let mut wish = wanted("One", "A1");
    wish.description = Some(service.description.replace("old", "new"));
    let text = checked(&planned(vec![service], vec![wish]));
    let shown = |mark: &str, word: &str| {
        let line = text.lines().find(|line| line.starts_with(mark)).unwrap();
        assert!(
            line.starts_with(&format!("{mark} description: (99960 equal characters) …xxxx")),
            "{line:.200}"
        );
        assert!(line.contains(&format!("x{word}y")) && line.ends_with(" more characters)"), "{line:.200}");
    };
    shown("-", "old");
    shown("+", "new");
}

#[test]
fn environments_share_the_room() {
    let (large, small) = (many("A2", |_| {}), everything());
    let names: Vec<Origin> =
        (0..300).map(|number| Origin { environment: format!("`{number}`").repeat(20), ..origin() }).collect();
    for (count, whole) in [(3, true), (300, false)] {
        let plans = names.iter().take(count).enumerate().map(|(number, origin)| Section {
            origin,
            outcome: Ok(Planned { plan: if number == 1 { &large } else { &small }, fingerprint: "abc" }),
        });
        let text = render(Mode::Plan, &plans.collect::<Vec<_>>());
        assert!(text.len() <= MOST, "{count}: {}", text.len());
        check(&text);
        assert!(text.contains("replacements or conflicts are not listed here"), "{count}");
        assert_eq!(text.matches("```mermaid").count() == 2, whole, "{count}");
    }
}
