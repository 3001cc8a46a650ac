//! Tests of reports with hostile text in every position: it must not change the structure of the report.

use proptest::prelude::*;
use serde_json::json;

use super::tests::{everything, origin};
use super::*;
use crate::model::{ServiceName, VersionSetName};
use crate::plan::{
    Action, Base, Cause, Field, FieldChange, Origin, Plan, ServiceChanges, Step, VersionSetChange,
    VersionSetChangeKind,
};
use crate::report::Planned;
use crate::report::text::visible;

/// Strings that have broken reports before.
pub(crate) const HOSTILE: &[&str] = &[
    "a\nb\r\nc",
    "\u{1b}[31mred\u{1b}[0m",
    "`",
    "```",
    "~~~",
    "`````` ```` `",
    "\n```\n# forged\n",
    "</code></summary></details><script>alert(1)</script>",
    "<!-- ",
    "]]>",
    "\u{202e}reversed\u{2066}",
    "::set-output name=x::y",
    "##[error]x ##vso[task.setvariable]",
    "a|b|c",
    "a\\|b\\",
    "\\",
    "![x](http://evil.test/x.png)",
    "[x](javascript:alert(1))",
    "<https://evil.test>",
    "https://evil.test www.evil.test",
    "@org/team @someone",
    "#123 GH-12 org/repo#1",
    "$math$ $$more$$",
    "&lt;b&gt; &#64;team",
    "# heading",
    "- [ ] task",
    "> [!NOTE]",
    "---",
    "\"];n1-->n2;click n1 href \"javascript:alert(1)\"",
    "%%{init: {'theme': 'dark'}}%%",
    "end",
    "\"`**md**`\" #quot; #35;",
    "\\N \\\" \" <b>x</b> &amp;",
    "+ forged\n- forged",
    "*a* _b_ ~~c~~ __d__",
    ":smile: http://x",
    "",
    "   ",
];

/// Returns a plan with every kind of change, in which every untrusted string contains `text`.
pub(crate) fn poisoned(text: &str) -> Plan {
    let mut plan = everything();
    let name = |number: usize| {
        ServiceName::new(if number.is_multiple_of(2) {
            format!("{text}{number}")
        } else {
            format!("{number}{text}")
        })
    };
    for (number, shown) in plan.services.iter_mut().enumerate() {
        let former = shown.name.clone();
        shown.name = name(number);
        shown.former_name = shown.former_name.as_ref().map(|_| name(number));
        shown.id = Some(text.into());
        shown.joins = shown.joins.as_ref().map(|_| (text.to_owned(), text.to_owned()));
        plan.steps
            .iter_mut()
            .filter(|step| step.service == former)
            .for_each(|step| step.service = name(number));
        let ServiceChanges { fields, version_sets } = &mut shown.changes;
        version_sets.iter_mut().for_each(|set| poison_set(set, text));
        for change in &mut *fields {
            change.before = json!(text);
        }
        let tag = Field::Tag(text.to_owned());
        fields.push(FieldChange {
            cause: Some(Cause::Both),
            ..FieldChange::new(tag, json!({text: text}), json!([text, text]))
        });
        fields.push(FieldChange::new(
            Field::Description,
            json!(format!("a\n{text}\nb\n{text}")),
            json!(format!("a\nb\n{text}\n{text}")),
        ));
    }
    plan.steps.iter_mut().for_each(|step| poison(step, text));
    plan.findings.iter_mut().for_each(|finding| finding.message = format!("`{text}` has {text}"));
    plan.findings[0].service = text.into();
    plan.orphans = vec![(text.into(), text.into())];
    plan.unmanaged = vec![(text.into(), text.into())];
    plan
}

fn poison_set(set: &mut VersionSetChange, text: &str) {
    set.name = VersionSetName::new(text);
    // A new version set has no previous values.
    if set.kind == VersionSetChangeKind::Changed {
        set.fields.iter_mut().for_each(|change| change.before = json!(text));
    }
}

fn poison(step: &mut Step, text: &str) {
    step.changes.version_sets.iter_mut().for_each(|set| poison_set(set, text));
    step.reason = Some(format!("`{text}` {text}"));
    match &mut step.action {
        Action::Create(new) => {
            new.name = text.into();
            new.description = text.to_owned();
            new.tags.insert(text.to_owned(), Some(text.to_owned()));
            new.keyterms = vec![text.to_owned()];
            new.settings.insert(text.to_owned(), json!({text: [text]}));
        }
        Action::WriteVersionSet { name, .. } | Action::DeleteVersionSet { name, .. } => {
            *name = VersionSetName::new(text)
        }
        Action::ApplyBehaviorSet { behavior_set_name, .. } => *behavior_set_name = text.to_owned(),
        Action::HandOver { old, rename, .. } => {
            *old = text.into();
            if let Some(update) = rename {
                update.name = Some(text.into());
            }
        }
        Action::Retire { id, .. } | Action::Abandon { id, .. } | Action::Update { id, .. } => {
            *id = text.into()
        }
        Action::RenameTemporarily { .. } | Action::Smoke { .. } => {}
    }
}

fn poisoned_report(text: &str) -> String {
    let plan = poisoned(text);
    let origin = Origin {
        environment: text.to_owned(),
        organization: text.to_owned(),
        commit: Some(text.to_owned()),
        base: Some(Base { reference: text.to_owned(), commit: text.to_owned(), upstream: None }),
        ..origin()
    };
    let whole = Section { origin: &origin, outcome: Ok(Planned { plan: &plan, fingerprint: "abc" }) };
    let failed = Section { origin: &origin, outcome: Err(text) };
    let alone = render(Mode::Plan, &[whole]);
    check(&alone);
    alone + &render(Mode::Plan, &[whole, failed])
}

/// Removes the code spans from a line, by the rules of CommonMark.
fn without_code(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        out.push_str(&rest[..start]);
        let run = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let inner = &rest[start + run..];
        let mut at = 0;
        let end = loop {
            let Some(next) = inner[at..].find('`').map(|next| at + next) else { break None };
            let length = inner[next..].len() - inner[next..].trim_start_matches('`').len();
            if length == run {
                break Some(next + length);
            }
            at = next + length;
        };
        let end = end.unwrap_or_else(|| panic!("an open code span: {line}"));
        rest = &inner[end..];
    }
    out + rest
}

fn check_line(line: &str) {
    let plain = without_code(line);
    let ours = [
        "# amigops",
        "## amigops",
        "### Refusals: ",
        "### Removals: ",
        "### An apply would remove: ",
        "### An apply would replace: ",
        "### Replacements: ",
        "### Conflicts: ",
        "### Warnings: ",
        "### Still different: ",
        "### Failed: ",
        "### Unknown: ",
        "### Replaced: ",
        "### Removed: ",
        "### Not attempted: ",
        "### Created: ",
    ];
    let rest = if plain.starts_with('#') {
        let heading = ours
            .iter()
            .find(|heading| plain.starts_with(**heading))
            .unwrap_or_else(|| panic!("forged: {line}"));
        &plain[heading.len()..]
    } else if plain == "> [!CAUTION]" {
        ""
    } else {
        plain.strip_prefix("> ").unwrap_or(&plain)
    };
    let table = rest.starts_with('|');
    if table {
        let columns = rest.matches('|').count();
        assert!(matches!(columns, 6 | 8 | 10), "{line}");
    }
    let markup = |c: char| "<>[]@#$\\~_&!".contains(c) || (c == '|' && !table);
    assert!(
        !rest.contains(markup) && !rest.contains("//") && !rest.contains("www."),
        "markup in {rest:?}: {line}"
    );
}

fn check_summary(line: &str) {
    let inner = line.strip_prefix("<details><summary>").and_then(|rest| rest.strip_suffix("</summary>"));
    let inner = inner.unwrap_or_else(|| panic!("{line}"));
    let inner = match inner.split_once("<code>") {
        Some((before, rest)) => {
            format!("{before}{}", rest.strip_suffix("</code>").unwrap_or_else(|| panic!("{line}")))
        }
        None => inner.to_owned(),
    };
    assert!(!inner.contains(['<', '>', '"', '`', '@', '$']), "{line}");
}

fn check_fenced(info: &str, line: &str) {
    match info {
        "diff" => assert!(
            ["- ", "+ ", "! ", "@@ ", "  "]
                .iter()
                .any(|mark| line.starts_with(mark) || line == mark.trim_end()),
            "{line}"
        ),
        "mermaid" => crate::report::graph::tests::check_mermaid(line),
        "text" => {}
        other => panic!("a fence of {other}"),
    }
}

/// Panics if a report contains any structure that our renderer does not write.
#[track_caller]
pub(crate) fn check(text: &str) {
    let mut fence: Option<(usize, &str)> = None;
    let mut open = false;
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        assert_eq!(visible(line), line, "something that can't be seen");
        let marks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some((length, _)) if marks >= length && line.trim_matches([' ', '`']).is_empty() => fence = None,
            Some((_, info)) => check_fenced(info, line),
            None if marks >= 3 && !line[marks..].contains('`') => fence = Some((marks, &line[marks..])),
            None if line.starts_with("<details>") => {
                assert!(!open && lines.peek() == Some(&""), "{line}");
                check_summary(line);
                open = true;
            }
            None if line == "</details>" => {
                assert!(open);
                open = false;
            }
            None => check_line(line),
        }
    }
    assert!(fence.is_none() && !open, "something is left open:\n{text}");
}

#[test]
fn hostile_texts_cannot_break_or_forge_a_report() {
    for text in HOSTILE {
        check(&poisoned_report(text));
        check(&poisoned_report(&format!("word {text} word")));
    }
}

#[test]
fn very_long_texts_do_not_break_a_report() {
    for text in [
        "x".repeat(50_000),
        "`".repeat(50_000),
        "`a\n".repeat(20_000),
        "##[".repeat(10_000),
        "語".repeat(20_000),
    ] {
        let plan = poisoned(&text);
        let report = super::tests::report(&plan);
        assert!(report.len() <= MOST, "{:.20}: {}", text, report.len());
        check(&report);
    }
}

/// Checks that `check` panics on markup that the renderer never writes.
#[test]
fn planted_markup_is_found() {
    let planted = [
        "## forged",
        "a @team",
        "<b>",
        "`a",
        "```diff\nx\n```",
        "```sh\nx\n```",
        "<details><summary>a</summary>\n\n",
        "[x](y)",
        "| a |",
        "a\u{202e}",
    ];
    for text in planted {
        assert!(std::panic::catch_unwind(|| check(text)).is_err(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_random_breaks_a_report(parts in proptest::collection::vec((proptest::sample::select(HOSTILE), "[`~|<>@#$\\\\\"\\[\\]&:a \n-]{0,6}"), 0..6)) {
        let text: String = parts.into_iter().flat_map(|(known, random)| [known.to_owned(), random]).collect();
        check(&poisoned_report(&text));
    }
}
