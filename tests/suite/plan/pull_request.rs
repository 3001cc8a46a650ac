//! Tests of reports for pull requests: the plan as Markdown, and its steps as a graph.

use crate::apply::replacement::lab;
use crate::on_both_apis;

on_both_apis! {
    fn a_plan_is_rendered_as_markdown(api: Api) {
        let lab = lab(api, "Coach Noor", "");
        let before = lab.comparable_state();
        let run = lab.run(&["plan", "--format", "markdown", "--detailed-exitcode"]).expect(2);
        let id = lab.active("Health Coach").id;
        let text = run.stdout;
        assert!(text.starts_with("## amigops plan · `lab`\n"), "{text}");
        assert!(text.contains(&format!("- `Health Coach`, `{id}` → a new id: the changed agent `Coach Maya` → `Coach Noor`")), "{text}");
        let removal = text.find("### Replacements: 1").unwrap();
        assert!(removal < text.find("<details><summary>replace <code>Health Coach</code></summary>").unwrap());
        assert!(text.contains("```mermaid\nflowchart LR\n") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(lab.comparable_state(), before);
        assert!(lab.writes().is_empty());
    }

    fn steps_are_rendered_as_a_graph(api: Api) {
        let lab = lab(api, "Coach Noor", "");
        let mermaid = lab.run(&["graph"]).expect(0).stdout;
        assert_eq!(lab.run(&["graph", "--format", "mermaid"]).expect(0).stdout, mermaid);
        assert!(mermaid.starts_with("flowchart LR\n  subgraph s1[\"Health Coach\"]\n    n1[\"create, inactive\"]\n"), "{mermaid}");
        assert!(mermaid.contains("([\"cut over\"])") && mermaid.contains(" --> "), "{mermaid}");
        let dot = lab.run(&["graph", "--format", "dot"]).expect(0).stdout;
        assert!(dot.starts_with("digraph amigops {\n") && dot.ends_with("}\n"), "{dot}");
        assert_eq!(dot.matches(" -> ").count(), mermaid.matches(" --> ").count());
        assert!(lab.writes().is_empty());
        assert_eq!(lab.run(&["graph", "--format", "svg"]).code, Some(1));
    }

    fn a_plan_with_nothing_to_do_is_short(api: Api) {
        let lab = lab(api, "Coach Maya", "");
        let text = lab.run(&["plan", "--format", "markdown", "--detailed-exitcode"]).expect(0).stdout;
        assert!(text.contains("**Nothing to do:** 1 service is as declared.") && text.lines().count() < 8, "{text}");
        assert!(lab.run(&["graph"]).expect(0).stdout.contains("Nothing to do"));
    }
}
