//! Draws the steps of a plan from left to right, in the order of their dependencies.
//!
//! Steps that are connected by dependencies form a group, and each group is drawn in an area of its own. The column of
//! a step in this area is the length of the longest path to the step. Steps without any dependencies fill a grid.

use std::collections::{BTreeMap, BTreeSet};

use super::super::progress::action_text;
use super::super::text::count;
use super::markup::{Markup, clip};
use super::steps;
use crate::plan::{Plan, Risk, Step};

/// The maximum number of steps in the drawing. A larger drawing would be unreadable.
const MOST_STEPS: usize = 300;
const WIDTH: usize = 216;
const HEIGHT: usize = 46;
const ACROSS: usize = 48;
const DOWN: usize = 12;
/// The number of columns in the grid of steps that have no dependencies.
const COLUMNS: usize = 4;

/// Writes the drawing of a plan's steps, and the same steps as a list.
pub(super) fn graph(page: &mut Markup, heading: &'static str, section: usize, plan: &Plan) {
    page.element("section", &[("class", "graph")], |page| {
        page.leaf(heading, &[], "Order of the steps");
        if plan.steps.len() > MOST_STEPS {
            let total = count(plan.steps.len(), "step");
            let words = format!(
                "The plan has {total}, too many to draw here. Each service above lists its own steps; "
            );
            page.element("p", &[("class", "note")], |page| {
                page.text(&words);
                page.raw("<code>amigops graph</code> prints the whole graph.");
            });
            return;
        }
        let places = places(&plan.steps);
        let list = format!("steps-{section}");
        page.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" ");
        page.raw("aria-label=\"Graph of the steps\">");
        svg(page, plan, &places);
        page.raw(
            "</div><p class=\"note\">From left to right. ▲ destructive · ◆ disruptive · no mark: safe.</p>",
        );
        page.element("details", &[("id", &list)], |page| {
            page.leaf("summary", &[], &format!("As a list: {}", count(plan.steps.len(), "step")));
            steps::list(page, plan.steps.iter(), steps::named);
        });
    });
}

/// The column and the row of a step in the drawing.
type Place = (usize, usize);

/// Returns the group of each step. A group is identified by the index of its first step.
fn groups(steps: &[Step]) -> Vec<usize> {
    let mut group: Vec<usize> = (0..steps.len()).collect();
    fn root(group: &mut [usize], mut at: usize) -> usize {
        while group[at] != at {
            group[at] = group[group[at]];
            at = group[at];
        }
        at
    }
    for (index, step) in steps.iter().enumerate() {
        for before in predecessors(step, steps.len()) {
            let (one, other) = (root(&mut group, index), root(&mut group, before));
            let (first, second) = (one.min(other), one.max(other));
            group[second] = first;
        }
    }
    (0..steps.len()).map(|index| root(&mut group, index)).collect()
}

/// Returns the indices of the steps that must end before `step` starts.
fn predecessors(step: &Step, total: usize) -> impl Iterator<Item = usize> {
    step.depends_on.iter().filter_map(|id| id.0.checked_sub(1)).filter(move |index| *index < total)
}

fn places(steps: &[Step]) -> Vec<Place> {
    let group = groups(steps);
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, group) in group.iter().enumerate() {
        members.entry(*group).or_default().push(index);
    }
    let mut places = vec![(0, 0); steps.len()];
    let mut top = 0;
    for block in members.values().filter(|block| block.len() > 1) {
        top = place_block(steps, block, &mut places, top);
    }
    let single = members.values().filter(|block| block.len() == 1).flatten();
    for (number, index) in single.enumerate() {
        places[*index] = (number % COLUMNS, top + number / COLUMNS);
    }
    places
}

/// Assigns places to a group's steps, below the previous groups. Returns the next free row.
fn place_block(steps: &[Step], block: &[usize], places: &mut [Place], top: usize) -> usize {
    // The next free row of each column. Steps are listed in an order in which they can be executed, so the places of a
    // step's predecessors are already known.
    let mut free: BTreeMap<usize, usize> = BTreeMap::new();
    for &index in block {
        let before: Vec<Place> =
            predecessors(&steps[index], steps.len()).map(|before| places[before]).collect();
        let column = before.iter().map(|(column, _)| column + 1).max().unwrap_or(0);
        let level = before.iter().map(|(_, row)| *row).min().unwrap_or(top);
        let row = free.get(&column).copied().unwrap_or(top).max(level);
        free.insert(column, row + 1);
        places[index] = (column, row);
    }
    free.into_values().max().unwrap_or(top)
}

/// Returns the indices of the steps that each step depends on. Omits a step if another one in the list already depends
/// on it.
fn direct(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut all: Vec<BTreeSet<usize>> = Vec::with_capacity(steps.len());
    let mut direct = Vec::with_capacity(steps.len());
    for step in steps {
        let before: Vec<usize> =
            predecessors(step, steps.len()).filter(|before| *before < all.len()).collect();
        let implied: BTreeSet<usize> = before.iter().flat_map(|before| &all[*before]).copied().collect();
        direct.push(before.iter().filter(|before| !implied.contains(before)).copied().collect());
        all.push(implied.into_iter().chain(before).collect());
    }
    direct
}

fn svg(page: &mut Markup, plan: &Plan, places: &[Place]) {
    let columns = places.iter().map(|(column, _)| column + 1).max().unwrap_or(0);
    let rows = places.iter().map(|(_, row)| row + 1).max().unwrap_or(0);
    let (width, height) = (columns * (WIDTH + ACROSS), rows * (HEIGHT + DOWN) + DOWN);
    let (width, height) = (width.to_string(), height.to_string());
    let words = format!("Graph of {}; the list below has the same content", count(plan.steps.len(), "step"));
    let attributes =
        [("role", "img"), ("aria-label", words.as_str()), ("width", &width), ("height", &height)];
    page.element("svg", &attributes, |page| {
        let way: Vec<String> = direct(&plan.steps)
            .iter()
            .zip(places)
            .flat_map(|(before, place)| before.iter().map(|before| line(places[*before], *place)))
            .collect();
        page.element("path", &[("class", "way"), ("d", &way.concat())], |_| {});
        for (step, place) in plan.steps.iter().zip(places) {
            node(page, step, *place);
        }
    });
}

/// Returns the coordinates of the upper left corner of a step's box in the drawing.
fn corner((column, row): Place) -> (usize, usize) {
    (column * (WIDTH + ACROSS) + ACROSS / 2, row * (HEIGHT + DOWN) + DOWN)
}

fn line(from: Place, to: Place) -> String {
    let ((x1, y1), (x2, y2)) = (corner(from), corner(to));
    let (x1, y1, y2) = (x1 + WIDTH, y1 + HEIGHT / 2, y2 + HEIGHT / 2);
    let bend = ACROSS / 2;
    format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + bend, x2.saturating_sub(bend))
}

fn node(page: &mut Markup, step: &Step, place: Place) {
    let (x, y) = corner(place);
    let mark = match step.risk {
        Risk::Safe => "",
        Risk::Disruptive => "◆ ",
        Risk::Destructive => "▲ ",
    };
    let after =
        if step.depends_on.is_empty() { String::new() } else { format!(", after {}", steps::numbers(step)) };
    let corner = [x, y, WIDTH, HEIGHT].map(|number| number.to_string());
    let [x, y, width, height] = corner.each_ref().map(String::as_str);
    // A nested SVG element clips its content, so long text can't leave the box.
    let attributes =
        [("class", steps::risk(step.risk)), ("x", x), ("y", y), ("width", width), ("height", height)];
    page.element("svg", &attributes, |page| {
        let whole = format!("{} {} ({}){after}", step.id, steps::named(step), steps::risk(step.risk));
        page.leaf("title", &[], &whole);
        page.raw("<rect x=\"1\" y=\"1\" width=\"214\" height=\"44\" rx=\"6\"></rect>");
        let name = format!("{} {}", step.id, step.service);
        page.leaf("text", &[("class", "name"), ("x", "10"), ("y", "19")], &clip(&name, 27));
        page.leaf("text", &[("x", "10"), ("y", "36")], &clip(&format!("{mark}{}", action_text(step)), 31));
    });
}
