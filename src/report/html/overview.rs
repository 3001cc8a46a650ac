//! The overview of a plan: its origin, totals and warnings, and the services that this project does not manage.

use super::super::text::count;
use super::super::{Mode, Section, drift, totals};
use super::markup::{Markup, clip};
use crate::model::{Api, ServiceId, ServiceName};
use crate::plan::{Finding, Plan};

/// Returns the id of an environment's part in the page, for links to it.
pub(super) fn anchor(section: usize) -> String {
    format!("environment-{section}")
}

/// Returns true if the environment has its own part in a report on several environments.
pub(super) fn has_part(section: &Section<'_>, mode: Mode) -> bool {
    !(mode.is_drift() && drift::is_clean(section))
}

/// Writes the origin of a plan: the API, the organization, the time, and the commits and services from which the plan
/// was made.
pub(super) fn origin(page: &mut Markup, section: &Section<'_>, mode: Mode) {
    let origin = section.origin;
    page.element("dl", &[("class", "origin")], |page| {
        let mut row = |name: &'static str, value: &str| {
            page.element("div", &[], |page| {
                page.leaf("dt", &[], name);
                page.leaf("dd", &[], value);
            });
        };
        row("API", origin.api.as_str());
        row("Organization", &origin.organization);
        row("Created", &origin.created_at);
        if let Some(commit) = &origin.commit {
            row("Commit", commit);
        }
        if let Some(base) = &origin.base {
            row("Base", &format!("{} ({})", base.reference, base.commit));
        }
        if let Ok(planned) = section.outcome {
            let plan = planned.plan;
            row("Live", &format!("{} active, {} inactive", plan.active, plan.inactive));
            row("Declared", &count(plan.declared, "service"));
            // A drift report can't be applied, so its fingerprint is of no use.
            if !planned.fingerprint.is_empty() && !mode.is_drift() {
                row("Fingerprint", planned.fingerprint);
            }
        }
    });
}

/// Writes the table of environments, with one row of totals for each.
pub(super) fn table(page: &mut Markup, sections: &[Section<'_>], mode: Mode) {
    page.raw("<nav aria-label=\"Environments\"><div class=\"scroll\" tabindex=\"0\" role=\"region\" ");
    page.raw(
        "aria-label=\"Overview\"><table class=\"overview\"><thead><tr><th scope=\"col\">Environment</th>",
    );
    page.raw("<th scope=\"col\">API</th>");
    let heads: &[&str] = if mode.is_drift() {
        &["Verdict", "Missing", "Changed", "To be replaced", "Orphans", "As declared"]
    } else {
        &["Create", "Change", "Replace", "Retire", "Unchanged"]
    };
    for head in heads {
        page.leaf("th", &[("scope", "col")], head);
    }
    page.raw("</tr></thead>");
    page.element("tbody", &[], |page| {
        for (number, section) in sections.iter().enumerate() {
            page.element("tr", &[], |page| row(page, number, section, mode));
        }
    });
    page.raw("</table></div></nav>");
}

fn row(page: &mut Markup, number: usize, section: &Section<'_>, mode: Mode) {
    let origin = section.origin;
    page.element("th", &[("scope", "row")], |page| {
        let (name, link) = (clip(&origin.environment, 120), format!("#{}", anchor(number)));
        if has_part(section, mode) { page.leaf("a", &[("href", &link)], &name) } else { page.text(&name) }
    });
    page.leaf("td", &[], &format!("{}, {}", origin.api.as_str(), origin.organization));
    match section.outcome {
        Ok(planned) => {
            if mode.is_drift() {
                page.leaf("td", &[], &drift::cell(planned.plan));
            }
            let summary = &planned.plan.summary;
            let orphans = if mode.is_drift() { planned.plan.orphans.len() } else { 0 };
            let retired = summary.retire + orphans;
            for number in [summary.create, summary.update, summary.replace, retired, summary.unchanged] {
                page.leaf("td", &[("class", if number == 0 { "zero" } else { "some" })], &number.to_string());
            }
        }
        Err(_) if mode.is_drift() => {
            page.raw("<td colspan=\"6\" class=\"failed\">could not be compared: see below</td>");
        }
        Err(_) => page.raw("<td colspan=\"5\" class=\"failed\">no plan: see below</td>"),
    }
}

/// Writes the reason why an environment has no plan.
pub(super) fn failed(page: &mut Markup, heading: &'static str, reason: &str, mode: Mode) {
    page.element("section", &[("class", "hazards")], |page| {
        page.leaf(
            heading,
            &[],
            if mode.is_drift() { "This environment could not be compared" } else { "No plan could be made" },
        );
        page.element("p", &[("class", "reason")], |page| page.lines(reason.trim_end()));
    });
}

/// Writes the verdict of a drift report: no drift, or the number of differences.
pub(super) fn verdict(page: &mut Markup, plan: &Plan, api: Api) {
    if plan.is_empty() {
        page.element("p", &[("class", "done")], |page| {
            page.raw("<b>No drift.</b> ");
            page.text(&format!("{} as declared.", totals::services_are(plan.summary.unchanged)));
        });
        return;
    }
    for count in drift::counts(plan) {
        page.element("p", &[], |page| {
            page.leaf("b", &[], &format!("{}:", count.title));
            page.text(&format!(" {}", count.text()));
        });
    }
    page.element("p", &[("class", "estimate")], |page| {
        let cost = totals::estimate(&plan.estimate, api);
        let what = if plan.has_pending() { "An apply" } else { "Reverting this drift" };
        page.text(&format!("Values are shown as declared → live. {what} takes {cost}."));
    });
}

/// Writes the totals of a plan, and the number of requests and the time that an apply needs.
pub(super) fn tiles(page: &mut Markup, plan: &Plan, api: Api) {
    let summary = &plan.summary;
    if plan.is_empty() {
        page.element("p", &[("class", "done")], |page| {
            page.raw("<b>Nothing to do.</b> ");
            page.text(&format!("{} as declared.", count(summary.unchanged, "service")));
        });
        return;
    }
    let written = summary.version_sets_created + summary.version_sets_updated;
    let tiles = [
        ("tile create", "to create", summary.create),
        ("tile change", "to change", summary.update),
        ("tile replace", "to replace", summary.replace),
        ("tile retire", "to retire", summary.retire),
        ("tile change", "to reactivate", summary.reactivate),
        ("tile", "to adopt", summary.adopt),
        ("tile", "version sets to write", written),
        ("tile retire", "version sets to delete", summary.version_sets_deleted),
        ("tile", "unchanged", summary.unchanged),
    ];
    page.element("dl", &[("class", "tiles")], |page| {
        for (class, words, number) in tiles {
            let class = if number == 0 { "tile zero" } else { class };
            page.element("div", &[("class", class)], |page| {
                page.leaf("dt", &[], words);
                page.leaf("dd", &[], &number.to_string());
            });
        }
    });
    page.element("p", &[("class", "estimate")], |page| {
        page.text(&format!("{}: {}", count(plan.steps.len(), "step"), totals::estimate(&plan.estimate, api)));
    });
}

/// Writes the warnings and the orphans.
pub(super) fn findings(page: &mut Markup, heading: &'static str, plan: &Plan, mode: Mode) {
    // Refusals are not repeated here, because the section `Review first` lists them.
    let findings: Vec<&Finding> = plan.findings.iter().filter(|finding| !finding.is_refusal()).collect();
    if findings.is_empty() && plan.orphans.is_empty() {
        return;
    }
    page.element("section", &[("class", "warnings")], |page| {
        page.leaf(heading, &[], "Warnings");
        if !findings.is_empty() {
            page.element("ul", &[], |page| {
                for finding in findings {
                    page.element("li", &[], |page| {
                        page.leaf("b", &[], &clip(finding.service.as_str(), 120));
                        page.raw(" ");
                        page.text(&finding.message);
                    });
                }
            });
        }
        if !plan.orphans.is_empty() {
            let total = count(plan.orphans.len(), "orphan");
            let what = match mode.is_drift() {
                true => "drift with --prune",
                false => "retired with --prune, or with prune: true in amigops.yaml",
            };
            services(page, &format!("{total} (owned, but in no manifest): {what}"), &plan.orphans);
        }
    });
}

/// Writes the live services that this project does not manage.
pub(super) fn others(page: &mut Markup, heading: &'static str, plan: &Plan) {
    if plan.unmanaged.is_empty() {
        return;
    }
    page.element("section", &[("class", "others")], |page| {
        page.leaf(heading, &[], "Not managed here");
        let total = count(plan.unmanaged.len(), "live service");
        services(
            page,
            &format!("{total}, neither declared nor owned by this project and not changed"),
            &plan.unmanaged,
        );
    });
}

fn services(page: &mut Markup, words: &str, services: &[(ServiceName, ServiceId)]) {
    page.element("details", &[], |page| {
        page.leaf("summary", &[], words);
        page.element("ul", &[], |page| {
            for (name, id) in services {
                page.element("li", &[], |page| {
                    page.text(name.as_str());
                    page.raw(" ");
                    page.leaf("code", &[("class", "id")], id.as_str());
                });
            }
        });
    });
}
