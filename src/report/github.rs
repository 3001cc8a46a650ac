//! Renders problems as GitHub Actions workflow commands, which GitHub shows as annotations.
//!
//! Text from files can't forge a command. Hidden characters are replaced by visible ones, and the rest is escaped as in
//! GitHub's own toolkit. So each problem is one line, and text from files never begins a line with `::`.

use super::text::visible;
use crate::manifest::{Code, Diagnostic, Severity, Validation};

/// Renders each problem as one command. `directory` is the project's path in the repository, such as `infra/agents`. It
/// is empty if the project is at the root of the repository.
pub fn render(validation: &Validation, directory: &str) -> String {
    validation.problems.diagnostics.iter().map(|one| command(one, directory)).collect()
}

fn command(problem: &Diagnostic, directory: &str) -> String {
    let level = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = Vec::new();
    if is_of_project(problem.code) {
        properties.push(("file", in_repository(directory, &problem.location.file)));
    }
    if let Some(spot) = problem.location.spot {
        properties.push(("line", spot.line.to_string()));
        // GitHub accepts columns only if the problem is within one line.
        if spot.end_line == spot.line {
            properties.push(("col", spot.column.to_string()));
            properties.push(("endColumn", spot.end_column.to_string()));
        } else {
            properties.push(("endLine", spot.end_line.to_string()));
        }
    }
    properties.push(("title", problem.code.to_string()));
    let properties: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
    format!("::{level} {}::{}\n", properties.join(","), data(&problem_text(problem)))
}

/// Returns true if problems with this code are about a file of the project. Otherwise, they are about a path from the
/// command line.
pub(super) fn is_of_project(code: Code) -> bool {
    !matches!(code, Code::ProjectNotFound | Code::NotOfProject)
}

/// Returns a project file's path relative to the root of the repository. `directory` is the project's path in the
/// repository.
pub(super) fn in_repository(directory: &str, file: &str) -> String {
    if directory.is_empty() { file.to_owned() } else { format!("{directory}/{file}") }
}

/// Returns a problem's message, label, related locations and help, one per line.
pub(super) fn problem_text(problem: &Diagnostic) -> String {
    let mut lines = vec![visible(&problem.message)];
    if !problem.label.is_empty() {
        lines.push(visible(&problem.label));
    }
    let related = problem.related.iter();
    lines.extend(related.map(|other| visible(&format!("{}: {}", other.location, other.label))));
    lines.extend(problem.help.iter().map(|help| format!("help: {}", visible(help))));
    lines.join("\n")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(&visible(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{data, property};

    /// Checks that the escapes are those of `@actions/core`, GitHub's own toolkit. `%` must be escaped first, because
    /// the other escapes contain it.
    #[test]
    fn escapes_match_the_toolkit() {
        assert_eq!(data("100%\r\n%0A::x,y"), "100%25%0D%0A%250A::x,y");
        assert_eq!(property("a:b,c%\u{1b}\nd"), "a%3Ab%2Cc%25␛ d");
    }
}
