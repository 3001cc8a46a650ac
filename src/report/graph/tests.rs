//! Tests of the graphs: their text, and that no service name can break their syntax.

use super::*;
use crate::plan::tests::build::*;
use crate::plan::{Action, Target};
use crate::report::markdown::{everything, poisoned};

/// Panics unless the line has the form of a line that [`mermaid`] writes.
pub(crate) fn check_mermaid(line: &str) {
    let line = line.trim_start();
    let known = ["flowchart LR", "end"].contains(&line)
        || line.starts_with("classDef ")
        || line.starts_with("class n");
    let edge = line.split_once(" --> ").is_some_and(|(from, to)| is_node(from) && is_node(to));
    if known || edge {
        return;
    }
    let rest = line.strip_prefix("subgraph s").or(line.strip_prefix('n')).unwrap_or_else(|| panic!("{line}"));
    let (open, rest) = rest.split_once('"').unwrap_or_else(|| panic!("{line}"));
    let (label, close) = rest.split_once('"').unwrap_or_else(|| panic!("{line}"));
    assert!(open.trim_end_matches(['[', '(', '{']).bytes().all(|byte| byte.is_ascii_digit()), "{line}");
    assert!(["]", "])", "}}"].contains(&close), "{line}");
    for part in label.split('#').skip(1) {
        let (code, _) = part.split_once(';').unwrap_or_else(|| panic!("{line}"));
        assert!(!code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()), "{line}");
    }
    assert!(!label.contains(['<', '>', '`', '%', '&', '[', ']', '{', '}', '\\']), "{line}");
}

fn is_node(text: &str) -> bool {
    text.strip_prefix('n').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Panics unless the line, without the text of its labels, has the form of a line that [`dot`] writes.
fn check_dot(line: &str) {
    let mut plain = String::new();
    let mut characters = line.trim_start().chars();
    while let Some(c) = characters.next() {
        plain.push(c);
        if c != '"' {
            continue;
        }
        loop {
            match characters.next() {
                Some('\\') => assert!(matches!(characters.next(), Some('\\' | '"')), "{line}"),
                Some('"') => break,
                Some(_) => {}
                None => panic!("an open text: {line}"),
            }
        }
        plain.push('"');
    }
    let known = ["digraph amigops {", "rankdir=LR;", "label=\"\";", "}"].contains(&plain.as_str());
    let node = plain.starts_with('n') && plain.ends_with("];") && plain.contains("label=\"\"");
    let edge = plain.strip_suffix(';').and_then(|edge| edge.split_once(" -> "));
    let edge = edge.is_some_and(|(from, to)| is_node(from) && is_node(to));
    let cluster = plain.starts_with("subgraph cluster_") && plain.ends_with(" {");
    assert!(known || node || edge || cluster || plain.starts_with("node [shape=box"), "{line}");
}

#[test]
fn dot_groups_steps_by_service() {
    insta::assert_snapshot!(dot(&everything()), @r##"
    digraph amigops {
      rankdir=LR;
      node [shape=box, style=filled, fillcolor="#ffffff", fontname="sans-serif"];
      subgraph cluster_1 {
        label="Health Coach";
        n1 [label="create, inactive"];
        n7 [label="write version set staging"];
        n8 [label="apply behavior set Emergency"];
        n10 [label="cut over", style="filled,rounded", fillcolor="#fff3bf"];
        n14 [label="deactivate", shape=hexagon, fillcolor="#ffd7d5"];
      }
      subgraph cluster_2 {
        label="Adaptive Support";
        n2 [label="change"];
        n6 [label="write version set release", style="filled,rounded", fillcolor="#fff3bf"];
        n16 [label="delete version set old", shape=hexagon, fillcolor="#ffd7d5"];
      }
      n3 [label="Foreign: change"];
      n4 [label="New Name: change and rename", style="filled,rounded", fillcolor="#fff3bf"];
      n5 [label="Switched Off: change", shape=hexagon, fillcolor="#ffd7d5"];
      subgraph cluster_6 {
        label="Half Done";
        n9 [label="cut over", style="filled,rounded", fillcolor="#fff3bf"];
        n13 [label="deactivate", shape=hexagon, fillcolor="#ffd7d5"];
      }
      subgraph cluster_7 {
        label="Meet &amp; Greet";
        n11 [label="create"];
        n12 [label="write version set staging"];
      }
      n15 [label="Summer Campaign: deactivate", shape=hexagon, fillcolor="#ffd7d5"];
      n1 -> n7;
      n1 -> n8;
      n7 -> n10;
      n8 -> n10;
      n10 -> n11;
      n11 -> n12;
      n9 -> n13;
      n10 -> n14;
      n2 -> n16;
      n6 -> n16;
    }
    "##);
}

#[test]
fn an_empty_plan_has_a_graph() {
    insta::assert_snapshot!(mermaid(&Plan::default()), @r#"
    flowchart LR
      nothing["Nothing to do"]
    "#);
    assert!(dot(&Plan::default()).contains("  nothing [label=\"Nothing to do\"];\n}\n"));
}

#[test]
fn labels_are_only_text() {
    let hostile = "a\"];n1-->n2 %%{init}%% `b` <b> #quot; \\N &amp;\nclick \u{202e}{{ end";
    let plan = poisoned(hostile);
    let text = mermaid(&plan);
    text.lines().for_each(check_mermaid);
    assert!(text.contains("a#34;#93;#59;n1--#62;n2 #37;#37;#123;init#125;"), "{text}");
    let text = dot(&plan);
    text.lines().for_each(check_dot);
    assert!(text.contains("`b` <b> #quot; \\\\N &amp;amp;…") || text.contains("a\\\"];n1-->n2"), "{text}");
    let long = mermaid(&poisoned(&"x".repeat(200_000)));
    assert!(long.lines().all(|line| line.len() < 300), "labels are short");
}

/// Returns a plan with one step for each item of `waits`. An item lists the numbers of the steps that the step depends
/// on.
fn waiting(waits: &[Vec<usize>]) -> Plan {
    let step = |(index, waits): (usize, &Vec<usize>)| Step {
        id: StepId(index + 1),
        service: format!("S{}", index % 3).as_str().into(),
        action: Action::DeleteVersionSet { id: "s".into(), name: "old".into() },
        depends_on: waits.iter().map(|&before| StepId(before)).collect(),
        risk: Risk::Safe,
        changes: Default::default(),
        reason: None,
    };
    Plan { steps: waits.iter().enumerate().map(step).collect(), ..Plan::default() }
}

/// Returns all pairs of steps where the second can be reached from the first along the edges.
fn reach(edges: &[(StepId, StepId)]) -> std::collections::BTreeSet<(StepId, StepId)> {
    let mut all: std::collections::BTreeSet<_> = edges.iter().copied().collect();
    loop {
        let next: Vec<_> = all
            .iter()
            .flat_map(|(a, b)| all.iter().filter(move |(c, _)| b == c).map(move |(_, d)| (*a, *d)))
            .filter(|pair| !all.contains(pair))
            .collect();
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

#[test]
fn implied_edges_are_omitted() {
    let plan = waiting(&[vec![], vec![1], vec![1, 2], vec![1, 3], vec![1, 2, 4]]);
    let short: Vec<(usize, usize)> = edges(&plan).iter().map(|(from, to)| (from.0, to.0)).collect();
    assert_eq!(short, [(1, 2), (2, 3), (3, 4), (4, 5)]);
}

proptest::proptest! {
    #[test]
    fn edges_say_the_same_with_as_few_as_can_be(bits in proptest::collection::vec(proptest::prelude::any::<u16>(), 1..9)) {
        let waits: Vec<Vec<usize>> = bits
            .iter()
            .enumerate()
            .map(|(index, bits)| (1..=index).filter(|before| bits >> before & 1 == 1).collect())
            .collect();
        let plan = waiting(&waits);
        let all: Vec<_> = plan.steps.iter().flat_map(|step| step.depends_on.iter().map(|before| (*before, step.id))).collect();
        let few = edges(&plan);
        assert_eq!(reach(&few), reach(&all));
        for left_out in 0..few.len() {
            let mut fewer = few.clone();
            fewer.remove(left_out);
            assert_ne!(reach(&fewer), reach(&all));
        }
    }
}

#[test]
fn thousands_of_steps_are_rendered_quickly() {
    let waits: Vec<Vec<usize>> =
        (0_usize..2_000).map(|index| (index.saturating_sub(40).max(1)..=index).collect()).collect();
    assert_eq!(edges(&waiting(&waits)).len(), 1_999);
}

/// Checks that a step on a new service has the same label as a step on an existing service. The label does not name the
/// step that creates the new service.
#[test]
fn steps_of_new_services_are_labelled_alike() {
    let mut plan = waiting(&[vec![]]);
    plan.steps[0].action = Action::WriteVersionSet {
        target: Target::Created(StepId(1)),
        name: "staging".into(),
        content: Box::new(live_set(1, 1)),
        creates: true,
    };
    assert!(mermaid(&plan).contains("n1[\"S0: write version set staging\"]"));
}
