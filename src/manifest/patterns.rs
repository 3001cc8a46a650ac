//! The patterns for manifests in `amigops.yaml`: which files they match, and why a pattern may match none.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobMatcher};

/// A glob pattern for manifests. As in a shell, a wildcard does not match the dot at the start of a hidden name: the
/// pattern must contain that dot.
pub(super) struct ManifestPattern {
    matcher: GlobMatcher,
    /// The parts of the pattern between slashes that name hidden files or directories. `None` stands for a part that is
    /// not a valid pattern by itself, such as `{.a` in `{.a/x,b/y}.yaml`. That part allows every hidden name.
    hidden: Vec<Option<GlobMatcher>>,
}

impl ManifestPattern {
    /// Compiles a pattern, in which `*` does not match `/`.
    pub(super) fn new(text: &str) -> Result<Self, globset::Error> {
        let text = text.trim_start_matches("./");
        let names_dot = |part: &&str| {
            part.starts_with('.') || (part.contains('{') && (part.contains("{.") || part.contains(",.")))
        };
        let hidden = text.split('/').filter(names_dot);
        let hidden = hidden.map(|part| compile(part).ok().map(|glob| glob.compile_matcher())).collect();
        Ok(Self { matcher: compile(text)?.compile_matcher(), hidden })
    }

    /// Returns true if the pattern matches a path. The path is relative to the project's directory.
    pub(super) fn is_match(&self, path: &Path) -> bool {
        let is_visible = |part: &std::ffi::OsStr| {
            !part.as_encoded_bytes().starts_with(b".") || self.names_hidden(Path::new(part))
        };
        self.matcher.is_match(path) && path.iter().all(is_visible)
    }

    /// Returns true if a part of the pattern names the hidden file or directory with this name.
    pub(super) fn names_hidden(&self, name: &Path) -> bool {
        self.hidden.iter().any(|part| part.as_ref().is_none_or(|part| part.is_match(name)))
    }
}

fn compile(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).build()
}

/// All patterns for manifests of a project.
pub struct ManifestPatterns(Vec<ManifestPattern>);

impl ManifestPatterns {
    /// Compiles the patterns. Ignores invalid ones, because the loader reports them.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Self {
        Self(patterns.into_iter().filter_map(|text| ManifestPattern::new(text.as_ref()).ok()).collect())
    }

    /// Returns true if at least one pattern matches a path. The path is relative to the project's directory.
    pub fn is_match(&self, path: impl AsRef<Path>) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(path.as_ref()))
    }
}

/// Returns a hint on how to correct a pattern that matches no file, or `None` if the pattern itself is correct.
pub(super) fn help_for_unmatched(root: &Path, text: &str) -> Option<String> {
    let plain = text.trim_start_matches("./");
    let has_wildcard = plain.contains(['*', '?', '[', '{']);
    if plain.starts_with('!') {
        return Some("patterns can't exclude files: write patterns that match only the manifests".to_owned());
    }
    if plain.contains('\\') {
        let forward = plain.replace('\\', "/");
        let example = if has_wildcard { forward.trim_start_matches('/') } else { "services/**/*.yaml" };
        return Some(format!("write `/` between directories, on Windows too: `{example}`"));
    }
    if plain.contains(", ") {
        return Some("write each pattern as its own item of the list: `[a/*.yaml, b/*.yaml]`".to_owned());
    }
    let directory = plain.trim_end_matches('/');
    let last = directory.rsplit('/').next().unwrap_or_default();
    let is_directory = root.join(directory).is_dir() || plain.ends_with('/') || !last.contains('.');
    if has_wildcard || !is_directory {
        return None;
    }
    let start = if matches!(directory, "" | ".") { String::new() } else { format!("{directory}/") };
    Some(format!(
        "a pattern matches files, not directories: `{start}**/*.yaml` matches all files in the directory that end \
         with `.yaml`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_matched_only_if_the_pattern_names_the_dot() {
        for (pattern, matched, other) in [
            ("services/*.yaml", "services/a.yaml", "services/._a.yaml"),
            ("services/*.yaml", "services/a#.yaml", "services/.#a.yaml"),
            ("./**/*.yaml", "a/b/c.yaml", "a/.b/c.yaml"),
            ("**/*.yaml", "a.yaml", ".a.yaml"),
            (".services/*.yaml", ".services/a.yaml", ".services/.a.yaml"),
            ("services/.*.yaml", "services/.a.yaml", "services/a.yaml"),
            ("services/.#a.yaml", "services/.#a.yaml", "services/.#b.yaml"),
            ("services/{.a,b}.yaml", "services/.a.yaml", "services/.b.yaml"),
            ("{.a/x,b/y}.yaml", ".a/x.yaml", ".b/y.yaml"),
        ] {
            let patterns = ManifestPatterns::new([pattern]);
            assert!(patterns.is_match(matched), "{pattern} {matched}");
            assert!(!patterns.is_match(other), "{pattern} {other}");
        }
        assert!(!ManifestPatterns::new(["[", "a"]).is_match("b"), "an invalid pattern matches nothing");
    }

    #[test]
    fn a_pattern_that_cant_match_has_a_help() {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir(top.path().join("my.services")).unwrap();
        for (text, words) in [
            ("services", "`services/**/*.yaml`"),
            ("./services/", "`services/**/*.yaml`"),
            ("my.services", "`my.services/**/*.yaml`"),
            (".", "`**/*.yaml`"),
            ("!services/old.yaml", "can't exclude"),
            ("\\", "write `/` between directories, on Windows too: `services/**/*.yaml`"),
            ("services\\*.yaml", "`services/*.yaml`"),
            ("a/*.yaml, b/*.yaml", "its own item"),
        ] {
            let help = help_for_unmatched(top.path(), text).unwrap_or_default();
            assert!(help.contains(words), "{text}: {help}");
        }
        for text in ["services/*.yaml", "services/*", "services/one.yaml"] {
            assert_eq!(help_for_unmatched(top.path(), text), None, "{text}");
        }
    }
}
