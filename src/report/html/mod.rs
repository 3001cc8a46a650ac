//! A plan as one HTML file that needs nothing else: no network, no other file. May import `plan` and `model`.
//!
//! Everything can be read without scripts; the script adds search and filters. The page's own policy lets
//! nothing run and nothing load but the style and the script that are written here.

mod card;
mod diff;
mod graph;
mod hazards;
mod markup;
mod overview;
mod steps;
mod values;

#[cfg(test)]
mod tests;

use super::text::count;
use super::{Planned, Section};
use card::Flags;
use markup::Markup;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// The policy holds the hashes of the style and the script: a test computes them anew, and browsers do.
const POLICY: &str = include_str!("page.policy");

/// How deep headings are: the parts of an environment, and the services in them.
#[derive(Clone, Copy)]
struct Headings {
    part: &'static str,
    service: &'static str,
}

/// Renders a report of one environment or of several as a page.
pub fn render(command: &str, sections: &[Section<'_>]) -> String {
    let mut page = Markup::default();
    let title = title(command, sections);
    page.raw("<!DOCTYPE html>\n");
    page.element("html", &[("lang", "en")], |page| {
        head(page, &title);
        page.element("body", &[], |page| {
            page.raw("<a class=\"skip\" href=\"#main\">Skip to the report</a>\n");
            page.element("header", &[("class", "top")], |page| {
                page.leaf("p", &[("class", "command")], &format!("amigops {command}"));
                page.leaf("h1", &[], &environments(sections));
                if let [section] = sections {
                    overview::origin(page, section);
                } else {
                    overview::table(page, sections);
                }
            });
            find(page, sections);
            page.element("main", &[("id", "main"), ("tabindex", "-1")], |page| parts(page, sections));
            page.element("footer", &[], |page| {
                page.text("Written by amigops ");
                page.raw(env!("CARGO_PKG_VERSION"));
                page.raw(". Nothing was changed by making this report.");
            });
            page.element("script", &[], |page| page.raw(SCRIPT));
        });
    });
    page.raw("\n");
    page.finish()
}

fn environments(sections: &[Section<'_>]) -> String {
    match sections {
        [section] => markup::clipped(&section.origin.environment, 120),
        _ => count(sections.len(), "environment"),
    }
}

fn title(command: &str, sections: &[Section<'_>]) -> String {
    format!("amigops {command} · {}", environments(sections))
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

/// Search and filters: the script shows them.
fn find(page: &mut Markup, sections: &[Section<'_>]) {
    let plans: Vec<Planned<'_>> = sections.iter().filter_map(|section| section.outcome.ok()).collect();
    let services =
        || plans.iter().flat_map(|one| one.plan.services.iter().map(move |service| (one.plan, service)));
    if services().next().is_none() {
        return;
    }
    let mut kinds = [("create", 0), ("change", 0), ("replace", 0), ("retire", 0)];
    let mut flags = [("destructive", 0), ("drift", 0), ("conflict", 0), ("adopted", 0)];
    for (plan, service) in services() {
        let word = card::kind(service.kind).0;
        kinds.iter_mut().filter(|(kind, _)| *kind == word).for_each(|(_, number)| *number += 1);
        for ((_, number), (_, is_set)) in flags.iter_mut().zip(Flags::of(plan, service).named()) {
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

/// Boxes to tick, for what occurs.
fn choices(page: &mut Markup, name: &'static str, legend: &'static str, all: &[(&'static str, usize)]) {
    let there: Vec<_> = all.iter().filter(|(_, number)| *number > 0).collect();
    if there.is_empty() {
        return;
    }
    page.element("fieldset", &[], |page| {
        page.leaf("legend", &[], legend);
        for (value, number) in there {
            page.element("label", &[], |page| {
                page.void("input", &[("type", "checkbox"), ("name", name), ("value", value)]);
                page.text(value);
                page.raw(" ");
                page.leaf("span", &[("class", "number")], &number.to_string());
            });
        }
    });
}

fn parts(page: &mut Markup, sections: &[Section<'_>]) {
    if let [section] = sections {
        return part(page, 0, section, Headings { part: "h2", service: "h3" });
    }
    for (number, section) in sections.iter().enumerate() {
        let id = overview::anchor(number);
        page.element("section", &[("class", "environment"), ("id", &id)], |page| {
            page.leaf("h2", &[], &section.origin.environment);
            overview::origin(page, section);
            part(page, number, section, Headings { part: "h3", service: "h4" });
        });
    }
}

/// One environment.
fn part(page: &mut Markup, number: usize, section: &Section<'_>, headings: Headings) {
    let plan = match section.outcome {
        Ok(planned) => planned.plan,
        Err(reason) => return overview::failed(page, headings.part, reason),
    };
    overview::tiles(page, plan, section.origin.api);
    hazards::hazards(page, headings.part, number, plan);
    overview::findings(page, headings.part, plan);
    if !plan.services.is_empty() {
        page.element("section", &[("class", "services")], |page| {
            page.leaf(headings.part, &[], "Services");
            let (api, heading) = (section.origin.api, headings.service);
            card::cards(page, card::Deck { plan, api, section: number, heading });
            page.raw("<p class=\"nothing\" hidden>No service here matches.</p>");
        });
    }
    if !plan.is_empty() {
        graph::graph(page, headings.part, number, plan);
    }
    overview::others(page, headings.part, plan);
}
