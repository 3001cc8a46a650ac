//! Renders the order of a plan's steps as a Mermaid or DOT graph.
//!
//! Untrusted text appears only in quoted labels. In Mermaid labels, all characters except letters, digits and a few
//! safe characters are written as numeric entities. In DOT labels, quotes and escapes are escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::progress::action_text;
use super::text::{clipped, visible};
use crate::plan::{Plan, Risk, Step, StepId};

/// The maximum length of a service's name in a label, in characters.
const NAME: usize = 48;
/// The maximum length of a step's action in a label, in characters.
const WHAT: usize = 64;

/// Returns the edges of a plan's graph. Each edge leads from a step to a step that depends on it. Omits an edge if
/// other edges already form a path between its two steps.
pub(super) fn edges(plan: &Plan) -> Vec<(StepId, StepId)> {
    plan.steps
        .iter()
        .flat_map(|step| needed(plan, step).into_iter().map(|before| (before, step.id)))
        .collect()
}

/// Returns the steps that a step depends on, in order. Omits a step if another one in the list already depends on it.
fn needed(plan: &Plan, step: &Step) -> Vec<StepId> {
    let Some(first) = step.depends_on.first() else { return Vec::new() };
    let mut needed: Vec<StepId> = Vec::new();
    let mut implied = std::collections::BTreeSet::new();
    // A step has a greater number than the steps it depends on, so steps before `first` can be skipped.
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

/// Groups the steps by service, in the order of each service's first step.
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
    clipped(&visible(text), most)
}

fn name(step: &Step) -> String {
    cut(step.service.as_str(), NAME)
}

fn what(step: &Step) -> String {
    cut(&action_text(step), WHAT)
}

/// Renders the plan's steps as a Mermaid flowchart.
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

/// Writes a step as a node of the flowchart. Its shape shows the step's risk: a rectangle is safe, a rounded shape is
/// disruptive, and a hexagon is destructive.
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

/// Returns the text with every character that could be Mermaid syntax written as a numeric entity.
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

/// Renders the plan's steps as a DOT graph.
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

/// Quotes a string for DOT. Escapes backslashes and `&`, because DOT gives `\N` and entities a meaning in labels.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;");
    format!("\"{text}\"")
}

#[cfg(test)]
pub(crate) mod tests;
