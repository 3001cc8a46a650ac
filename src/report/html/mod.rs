//! Renders a plan as one self-contained HTML page, which needs no network and no other file.
//!
//! The page can be read without scripts; its script only adds search and filters. The page's Content-Security-Policy
//! allows only the style and the script that are built in here.

mod card;
mod diff;
mod graph;
mod hazards;
mod markup;
mod new_service;
mod overview;
mod steps;
mod values;

#[cfg(test)]
mod tests;

use super::direction::directed;
use super::text::count;
use super::{Mode, Planned, Section};
use card::Flags;
use markup::Markup;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// The Content-Security-Policy of the page, with the hashes of the style and the script. A test checks the hashes.
const POLICY: &str = include_str!("page.policy");

/// The heading levels in the part of the page for one environment, and the kind of the report.
#[derive(Clone, Copy)]
struct Layout {
    /// The heading element of the sections in an environment's part, such as `h2`.
    part: &'static str,
    /// The heading element of the services, such as `h3`.
    service: &'static str,
    /// The kind of the report.
    mode: Mode,
}

/// Renders a report on one or more environments as an HTML page.
pub fn render(mode: Mode, sections: &[Section<'_>]) -> String {
    directed(mode, sections, |sections| page(mode, sections))
}

fn page(mode: Mode, sections: &[Section<'_>]) -> String {
    let mut page = Markup::default();
    let title = title(mode, sections);
    page.raw("<!DOCTYPE html>\n");
    page.element("html", &[("lang", "en")], |page| {
        head(page, &title);
        page.element("body", &[], |page| {
            page.raw("<a class=\"skip\" href=\"#main\">Skip to the report</a>\n");
            page.element("header", &[("class", "top")], |page| {
                page.leaf("p", &[("class", "command")], &format!("amigops {}", mode.command()));
                page.leaf("h1", &[], &environments(sections));
                if let [section] = sections {
                    overview::origin(page, section, mode);
                } else {
                    overview::table(page, sections, mode);
                }
            });
            find(page, sections, mode);
            page.element("main", &[("id", "main"), ("tabindex", "-1")], |page| parts(page, sections, mode));
            page.element("footer", &[], |page| {
                page.text("Written by amigops ");
                page.raw(env!("CARGO_PKG_VERSION"));
                page.raw(". Making this report changed nothing.");
            });
            page.element("script", &[], |page| page.raw(SCRIPT));
        });
    });
    page.raw("\n");
    page.finish()
}

fn environments(sections: &[Section<'_>]) -> String {
    match sections {
        [section] => markup::clip(&section.origin.environment, 120),
        _ => count(sections.len(), "environment"),
    }
}

fn title(mode: Mode, sections: &[Section<'_>]) -> String {
    format!("amigops {} · {}", mode.command(), environments(sections))
}

fn head(page: &mut Markup, title: &str) {
    page.element("head", &[], |page| {
        page.raw("<meta charset=\"utf-8\">");
        page.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY.trim_end())]);
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        page.raw("<meta name=\"color-scheme\" content=\"light dark\">");
        page.raw("<meta name=\"referrer\" content=\"no-referrer\">");
        page.leaf("title", &[], title);
        page.element("style", &[], |page| page.raw(STYLE));
    });
    page.raw("\n");
}

/// Writes the search field and the filters. They are hidden until the page's script shows them.
fn find(page: &mut Markup, sections: &[Section<'_>], mode: Mode) {
    let plans: Vec<Planned<'_>> = sections.iter().filter_map(|section| section.outcome.ok()).collect();
    let services =
        || plans.iter().flat_map(|one| one.plan.services.iter().map(move |service| (one.plan, service)));
    if services().next().is_none() {
        return;
    }
    let mut kinds = card::KINDS.map(|kind| (card::kind(kind), card::word(kind, mode), 0));
    let mut flags = ["destructive", "drift", "pending", "conflict", "adopted"].map(|flag| (flag, flag, 0));
    for (plan, service) in services() {
        let word = card::kind(service.kind);
        kinds.iter_mut().filter(|(kind, ..)| *kind == word).for_each(|(_, _, number)| *number += 1);
        for ((_, _, number), (_, is_set)) in flags.iter_mut().zip(Flags::of(plan, service, mode).named()) {
            *number += usize::from(is_set);
        }
    }
    page.raw("<form id=\"find\" role=\"search\" hidden><div class=\"query\"><label for=\"q\">Search</label>");
    page.raw(
        "<input id=\"q\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" aria-keyshortcuts=\"/\" ",
    );
    page.raw("placeholder=\"name, path or text — press /\">");
    page.raw("<output id=\"found\" role=\"status\"></output></div>");
    choices(page, "kind", "Kind", &kinds);
    choices(page, "only", "Only", &flags);
    page.raw("<button type=\"reset\">Clear</button></form>\n");
}

/// A checkbox of a filter: its value, its label, and the number of services that it matches.
type Choice = (&'static str, &'static str, usize);

/// Writes a checkbox for each choice that matches at least one service.
fn choices(page: &mut Markup, name: &'static str, legend: &'static str, all: &[Choice]) {
    let there: Vec<_> = all.iter().filter(|(_, _, number)| *number > 0).collect();
    if there.is_empty() {
        return;
    }
    page.element("fieldset", &[], |page| {
        page.leaf("legend", &[], legend);
        for (value, word, number) in there {
            page.element("label", &[], |page| {
                page.void("input", &[("type", "checkbox"), ("name", name), ("value", value)]);
                page.text(word);
                page.raw(" ");
                page.leaf("span", &[("class", "number")], &number.to_string());
            });
        }
    });
}

fn parts(page: &mut Markup, sections: &[Section<'_>], mode: Mode) {
    if let [section] = sections {
        return part(page, 0, section, Layout { part: "h2", service: "h3", mode });
    }
    let detailed = sections.iter().enumerate().filter(|(_, section)| overview::has_part(section, mode));
    for (number, section) in detailed {
        let id = overview::anchor(number);
        page.element("section", &[("class", "environment"), ("id", &id)], |page| {
            page.leaf("h2", &[], &section.origin.environment);
            overview::origin(page, section, mode);
            part(page, number, section, Layout { part: "h3", service: "h4", mode });
        });
    }
}

/// Writes the part of the page for one environment. `number` is the index of the environment in the report.
fn part(page: &mut Markup, number: usize, section: &Section<'_>, manner: Layout) {
    let Layout { part: heading, mode, .. } = manner;
    let plan = match section.outcome {
        Ok(planned) => planned.plan,
        Err(reason) => return overview::failed(page, heading, reason, mode),
    };
    if mode.is_drift() {
        overview::verdict(page, plan, section.origin.api);
    } else {
        overview::tiles(page, plan, section.origin.api);
    }
    hazards::hazards(page, heading, number, plan, mode);
    overview::findings(page, heading, plan, mode);
    if !plan.services.is_empty() {
        page.element("section", &[("class", "services")], |page| {
            page.leaf(heading, &[], "Services");
            let (api, heading) = (section.origin.api, manner.service);
            card::cards(page, card::Deck { plan, api, section: number, heading, mode });
            page.raw("<p class=\"nothing\" hidden>No matching services.</p>");
        });
    }
    if !plan.is_empty() && !mode.is_drift() {
        graph::graph(page, heading, number, plan);
    }
    overview::others(page, heading, plan);
}
