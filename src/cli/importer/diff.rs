//! Unified diffs of the files that an import would write.

use similar::TextDiff;

use super::draft::Draft;
use crate::report::text::visible;

/// Returns the changes of every file of a draft as unified diffs.
pub(super) fn of_files(draft: &Draft) -> String {
    let new = draft.files.iter().map(|file| {
        let path = draft.path_of(file);
        of_texts("/dev/null", &format!("b/{path}"), "", &file.text)
    });
    let changed = draft.edits.iter().map(|edit| {
        of_texts(&format!("a/{}", edit.file), &format!("b/{}", edit.file), &edit.before, &edit.text)
    });
    new.chain(changed).collect()
}

/// Returns the difference between two texts as a unified diff. Characters that could control a terminal are replaced by
/// visible ones. Tabs stay, because a reader may apply the diff.
fn of_texts(old_name: &str, new_name: &str, before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let diff = diff.unified_diff().header(old_name, new_name).to_string();
    let shown = |line: &str| line.split('\t').map(visible).collect::<Vec<_>>().join("\t") + "\n";
    diff.lines().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::of_texts;

    #[test]
    fn a_diff_shows_context_and_no_control_characters() {
        let before = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: \u{1b}[31m\n";
        let after = before.replace("e: 5", "e:\t6");
        assert_snapshot!(of_texts("a/x.yaml", "b/x.yaml", before, &after), @r"
        --- a/x.yaml
        +++ b/x.yaml
        @@ -2,5 +2,5 @@
         b: 2
         c: 3
         d: 4
        -e: 5
        +e:	6
         f: ␛[31m
        ");
    }
}
