//! Tests with strings that try to break out of the page or to forge parts of it.

use proptest::prelude::*;
use serde_json::json;

use super::tokens::{tokens, words};
use super::*;
use crate::plan::{
    Action, Field, FieldChange, Finding, VersionSetChange, VersionSetChangeKind, VersionSetField,
};

const HOSTILE: &[&str] = &[
    "<script>window.__x=1</script>",
    "</script><script>alert(1)</script>",
    "</style></title></textarea><img src=x onerror=alert(1)>",
    "<!-- --> <!DOCTYPE <![CDATA[ ]]> <?php",
    "\" onmouseover=\"alert(1)\" x=\"",
    "' onfocus='alert(1)' autofocus='",
    "`${alert(1)}` javascript:alert(1) &lt;b&gt; &#60;b&#62; &amp",
    "<svg><a xlink:href=javascript:alert(1)>",
    "</li></ul></section></main><main id=main>",
    "\u{1b}[31mred\u{1b}]8;;http://evil\u{7} \u{9b}2J \0 \r\n ::add-mask::x ##[error]",
    "\u{202e}gnp.exe\u{202c} \u{2066}\u{200b}\u{feff}\u{e0041}\u{ad}",
    "",
    "\n\n\n",
];

/// Returns a changed version set in which every string is `text`.
fn changed_set(text: &str) -> VersionSetChange {
    let field = VersionSetField::Other(text.to_owned());
    VersionSetChange {
        name: text.into(),
        kind: VersionSetChangeKind::Changed,
        fields: vec![FieldChange::new(field, json!(text), json!(format!("{text}\nx")))],
    }
}

/// Returns a plan in which every string that a user could choose is `text`.
fn spoiled(text: &str) -> Plan {
    let mut plan = every_kind();
    let name = ServiceName::new(text);
    for service in &mut plan.services {
        service.name = name.clone();
        service.id = Some(text.into());
        service.former_name = Some(name.clone());
        service.joins = Some((text.to_owned(), text.to_owned()));
        for change in &mut service.changes.fields {
            change.field = Field::Tag(text.to_owned());
        }
        let setting = Field::Setting(vec![text.to_owned()]);
        service.changes.fields.push(FieldChange::new(setting, json!([text]), json!([text, "x"])));
        service.changes.version_sets.push(changed_set(text));
    }
    for step in &mut plan.steps {
        step.changes.version_sets.iter_mut().for_each(|set| *set = changed_set(text));
        step.service = name.clone();
        step.reason = Some(text.to_owned());
        match &mut step.action {
            Action::Create(new) => {
                new.description = text.to_owned();
                new.keyterms = vec![text.to_owned()];
                new.tags = [(text.to_owned(), Some(text.to_owned()))].into();
                new.settings.insert(text.to_owned(), json!([{text: text}]));
            }
            Action::WriteVersionSet { name, .. } | Action::DeleteVersionSet { name, .. } => {
                *name = text.into()
            }
            Action::HandOver { rename: Some(update), .. } => update.name = Some(name.clone()),
            _ => {}
        }
    }
    plan.findings = vec![Finding::note(name.clone(), text)];
    plan.orphans = vec![(name.clone(), text.into())];
    plan.unmanaged = vec![(name, text.into())];
    plan
}

/// Returns a page about two environments, in which every string that a user could choose is `text`.
fn spoiled_page(text: &str) -> String {
    let plan = spoiled(text);
    let mut origin = origin(text);
    origin.organization = text.to_owned();
    origin.created_at = text.to_owned();
    origin.commit = Some(text.to_owned());
    origin.base = Some(Base { reference: text.to_owned(), commit: text.to_owned(), upstream: None });
    let outcomes = [Ok(Planned { plan: &plan, fingerprint: text }), Err(text)];
    let sections = outcomes.map(|outcome| Section { origin: &origin, outcome });
    crate::report::html::render(Mode::Plan, &sections)
}

/// Returns the name and the class of each element of a page, in order.
fn skeleton(page: &str) -> Vec<String> {
    let tags = tokens(page).tags;
    tags.iter().map(|tag| format!("{} {:?}", tag.name, tag.attributes.get("class"))).collect()
}

#[test]
fn hostile_texts_stay_text() {
    for text in HOSTILE {
        let page = spoiled_page(text);
        let found = tokens(&page);
        assert_eq!(found.count("article"), 4, "{text}");
        let shown = words(&crate::report::text::visible(text));
        assert!(found.text.contains(&shown), "{text:?} can be read as {shown:?}");
        let hidden =
            |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{200b}' | '\u{e0041}');
        assert_eq!(page.find(hidden), None, "{text:?}");
    }
}

#[test]
fn texts_do_not_change_the_structure_of_a_page() {
    // Replaces each character that has a meaning in HTML by a similar character that has none.
    let plain = |text: &str| {
        let pairs = [('<', '‹'), ('>', '›'), ('&', '+'), ('"', '\\'), ('\'', '’')];
        pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, &to.to_string()))
    };
    for text in HOSTILE {
        assert!(skeleton(&spoiled_page(text)) == skeleton(&spoiled_page(&plain(text))), "{text}");
    }
}

#[test]
fn very_long_texts_are_shown_in_full_once_and_clipped_elsewhere() {
    let text = "<é>".repeat(50_000);
    let mut service = wanted(&text, "A1");
    service.description = Some(text.clone());
    let plan = crate::plan::plan(&desired([service]), &snapshot([]), &own_policy(), &options());
    let page = page(&plan.expect("a plan can be made"));
    tokens(&page);
    let escaped = text.len() / 4 * 10;
    assert!(page.len() > 2 * escaped && page.len() < 3 * escaped, "{} bytes", page.len());
    let heading = part(&page, "<h3>", "</h3>");
    assert!(heading.len() < 2_000, "{} bytes", heading.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_text_stays_text(text in "(<|>|&|\"|'|/|!|-|=|;|#| |\\n|[a-z]|script|style|\\PC|\\pC){0,40}") {
        let page = spoiled_page(&text);
        prop_assert_eq!(tokens(&page).count("article"), 4);
    }
}
