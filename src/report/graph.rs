//! The order of a plan's steps as a graph: Mermaid and dot. May import `plan` and `model`.
//!
//! Data stands in quoted labels only. Of Mermaid's labels everything but letters, digits and a few harmless
//! marks is a numbered entity; of dot's, what would end a text or be an escape is escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::progress::words;
use super::text::{visible, width};
use crate::plan::{Plan, Risk, Step, StepId};

/// The most characters of a service's name in a label.
const NAME: usize = 48;
/// The most characters of what a step does in a label.
const WHAT: usize = 64;

/// The edges of a plan, without those that others imply: who is waited for, and who waits.
pub(super) fn edges(plan: &Plan) -> Vec<(StepId, StepId)> {
    plan.steps
        .iter()
        .flat_map(|step| needed(plan, step).into_iter().map(|before| (before, step.id)))
        .collect()
}

/// The steps that a step waits for and that no other of them waits for itself, in order.
fn needed(plan: &Plan, step: &Step) -> Vec<StepId> {
    let Some(first) = step.depends_on.first() else { return Vec::new() };
    let mut needed: Vec<StepId> = Vec::new();
    let mut implied = std::collections::BTreeSet::new();
    // A step's number is greater than those it waits for, so that nothing before the first is of interest.
    for before in step.depends_on.iter().rev() {
        if implied.contains(before) {
            continue;
        }
        needed.push(*before);
        let mut open = vec![*before];
        while let Some(id) = open.pop() {
            let waits = plan.step(id).into_iter().flat_map(|step| &step.depends_on);
            for &earlier in waits.filter(|earlier| *earlier >= first) {
                if implied.insert(earlier) {
                    open.push(earlier);
                }
            }
        }
    }
    needed.reverse();
    needed
}

/// The steps by service, in the order of each one's first step.
fn groups(plan: &Plan) -> Vec<Vec<&Step>> {
    let mut index = BTreeMap::new();
    let mut groups: Vec<Vec<&Step>> = Vec::new();
    for step in &plan.steps {
        let at = *index.entry(&step.service).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(step);
    }
    groups
}

fn cut(text: &str, most: usize) -> String {
    let text = visible(text);
    if width(&text) <= most {
        return text;
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn name(step: &Step) -> String {
    cut(step.service.as_str(), NAME)
}

fn what(step: &Step) -> String {
    cut(&words(step), WHAT)
}

/// The plan's steps as a Mermaid flowchart.
pub fn mermaid(plan: &Plan) -> String {
    let mut out = String::from("flowchart LR\n");
    if plan.is_empty() {
        out.push_str("  nothing[\"Nothing to do\"]\n");
        return out;
    }
    for (number, group) in groups(plan).into_iter().enumerate() {
        match group.as_slice() {
            [step] => mermaid_node(
                &mut out,
                "  ",
                step,
                &format!("{}: {}", entities(&name(step)), entities(&what(step))),
            ),
            steps => {
                let title = steps.first().map(|step| entities(&name(step))).unwrap_or_default();
                let _ = writeln!(out, "  subgraph s{}[\"{title}\"]", number + 1);
                for step in steps {
                    mermaid_node(&mut out, "    ", step, &entities(&what(step)));
                }
                out.push_str("  end\n");
            }
        }
    }
    for (before, after) in edges(plan) {
        let _ = writeln!(out, "  n{before} --> n{after}");
    }
    mermaid_colours(&mut out, plan);
    out
}

/// A node whose form says how bad its step could be: rectangle, rounded, hexagon.
fn mermaid_node(out: &mut String, indent: &str, step: &Step, label: &str) {
    let (open, close) = match step.risk {
        Risk::Safe => ("[", "]"),
        Risk::Disruptive => ("([", "])"),
        Risk::Destructive => ("{{", "}}"),
    };
    let _ = writeln!(out, "{indent}n{}{open}\"{label}\"{close}", step.id);
}

fn mermaid_colours(out: &mut String, plan: &Plan) {
    let styles = [
        (Risk::Disruptive, "disruptive", "fill:#fff3bf,stroke:#b08800,color:#3d2f00"),
        (Risk::Destructive, "destructive", "fill:#ffd7d5,stroke:#cf222e,color:#4c0b0f"),
    ];
    for (risk, class, style) in styles {
        let of = plan.steps.iter().filter(|step| step.risk == risk);
        let nodes: Vec<String> = of.map(|step| format!("n{}", step.id)).collect();
        if !nodes.is_empty() {
            let _ = writeln!(out, "  classDef {class} {style}\n  class {} {class}", nodes.join(","));
        }
    }
}

/// A text in which nothing means anything to Mermaid.
fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || " .,()-_…".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

/// The plan's steps in the language of Graphviz.
pub fn dot(plan: &Plan) -> String {
    let mut out = String::from(
        "digraph amigops {\n  rankdir=LR;\n  node [shape=box, style=filled, fillcolor=\"#ffffff\", fontname=\"sans-serif\"];\n",
    );
    if plan.is_empty() {
        out.push_str("  nothing [label=\"Nothing to do\"];\n");
    }
    for (number, group) in groups(plan).into_iter().enumerate() {
        match group.as_slice() {
            [step] => dot_node(&mut out, "  ", step, &format!("{}: {}", name(step), what(step))),
            steps => {
                let title = steps.first().map(|step| quoted(&name(step))).unwrap_or_default();
                let _ = writeln!(out, "  subgraph cluster_{} {{\n    label={title};", number + 1);
                for step in steps {
                    dot_node(&mut out, "    ", step, &what(step));
                }
                out.push_str("  }\n");
            }
        }
    }
    for (before, after) in edges(plan) {
        let _ = writeln!(out, "  n{before} -> n{after};");
    }
    out.push_str("}\n");
    out
}

fn dot_node(out: &mut String, indent: &str, step: &Step, label: &str) {
    let look = match step.risk {
        Risk::Safe => "",
        Risk::Disruptive => ", style=\"filled,rounded\", fillcolor=\"#fff3bf\"",
        Risk::Destructive => ", shape=hexagon, fillcolor=\"#ffd7d5\"",
    };
    let _ = writeln!(out, "{indent}n{} [label={}{look}];", step.id, quoted(label));
}

/// A text between quotes, for dot: `\N` and entities stand for other texts in labels.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;");
    format!("\"{text}\"")
}

#[cfg(test)]
pub(crate) mod tests;
