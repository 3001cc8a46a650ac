//! Finds the symbolic links on the way to a file of the project.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The maximum number of symbolic links on the way to a file. Linux has the same limit.
const MAX_LINKS: usize = 40;

/// Resolves paths below a directory, and remembers which of its files are links.
pub(super) struct LinkResolver<'d> {
    directory: &'d Path,
    /// The target of each path that was checked so far, or `None` if the path is not a link.
    targets: BTreeMap<String, Option<PathBuf>>,
}

/// A path without links, and the links through which it was reached. All paths are relative to the directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) path: String,
    pub(super) links: Vec<String>,
}

impl<'d> LinkResolver<'d> {
    pub(super) fn new(directory: &'d Path) -> Self {
        Self { directory, targets: BTreeMap::new() }
    }

    /// Resolves a path. Returns `None` if a link leads out of the directory, in circles, or to a path that is not
    /// Unicode.
    pub(super) fn resolve(&mut self, path: &str) -> Option<Resolved> {
        let mut remaining: Vec<String> = parts_reversed(Path::new(path))?;
        let (mut so_far, mut links): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        while let Some(part) = remaining.pop() {
            match part.as_str() {
                "." => continue,
                ".." => {
                    so_far.pop()?;
                    continue;
                }
                _ => so_far.push(part),
            }
            let path = so_far.join("/");
            let Some(target) = self.target(&path) else { continue };
            if links.len() == MAX_LINKS {
                return None;
            }
            links.push(path);
            so_far.pop();
            if target.is_absolute() {
                so_far.clear();
            }
            remaining.extend(parts_reversed(target.strip_prefix(self.directory).unwrap_or(&target))?);
        }
        Some(Resolved { path: so_far.join("/"), links })
    }

    fn target(&mut self, path: &str) -> Option<PathBuf> {
        let directory = self.directory;
        self.targets
            .entry(path.to_owned())
            .or_insert_with(|| fs::read_link(directory.join(path)).ok())
            .clone()
    }
}

/// Returns the parts of a relative path, with the last part first. Returns `None` if the path is absolute or not
/// Unicode.
fn parts_reversed(path: &Path) -> Option<Vec<String>> {
    if path.has_root() {
        return None;
    }
    path.components().rev().map(|part| part.as_os_str().to_str().map(str::to_owned)).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_resolved_with_the_links_that_led_to_them() {
        let top = tempfile::tempdir().unwrap();
        let directory = fs::canonicalize(top.path()).unwrap();
        fs::create_dir_all(directory.join("real/in")).unwrap();
        for (target, link) in [
            ("../real/in", "real/around"),
            ("real", "services"),
            ("services/around", "chain"),
            ("..", "up"),
            ("round", "round"),
            ("/etc", "away"),
        ] {
            symlink(target, directory.join(link)).unwrap();
        }
        symlink(directory.join("real"), directory.join("absolute")).unwrap();
        let mut resolver = LinkResolver::new(&directory);
        let mut resolve =
            |path: &str| resolver.resolve(path).map(|found| (found.path, found.links.join(" ")));
        let found = |path: &str, links: &str| Some((path.to_owned(), links.to_owned()));
        assert_eq!(resolve("real/in/a.yaml"), found("real/in/a.yaml", ""));
        assert_eq!(resolve("services/a.yaml"), found("real/a.yaml", "services"));
        assert_eq!(resolve("chain/a.yaml"), found("real/in/a.yaml", "chain services real/around"));
        assert_eq!(resolve("absolute/a.yaml"), found("real/a.yaml", "absolute"));
        for path in ["up/a.yaml", "round/a.yaml", "away/a.yaml", "/etc/a.yaml"] {
            assert_eq!(resolve(path), None, "{path}");
        }
    }
}
