//! Files of a project: finding them by patterns, reading them within bounds, and never leaving the
//! project directory. Imports `checkout`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use walkdir::WalkDir;

use super::decode;
use super::diagnostic::Code;
use super::project::bad_glob;
use super::sink::{FileId, Problem, Sink, Span, end_of};
use super::tree::{Node, shortened};
use super::yaml::MAX_BYTES;
use crate::checkout::{self, PathError};

/// A file that the project file names to be read, absolute.
pub(super) fn inside(sink: &mut Sink, root: &Path, node: &Node) -> Option<PathBuf> {
    checked_path(sink, root, node, |path| match checkout::resolve(root, path) {
        // A file that isn't there is reported where it is needed.
        Err(PathError::Io(_)) => Ok(()),
        other => other.map(|_| ()),
    })
}

/// A file that the project file names for the tool itself to make, absolute. No part of its path may be a link.
pub(super) fn inside_without_links(sink: &mut Sink, root: &Path, node: &Node) -> Option<PathBuf> {
    checked_path(sink, root, node, |path| checkout::check_own(root, path))
}

fn checked_path(
    sink: &mut Sink,
    root: &Path,
    node: &Node,
    check: impl Fn(&Path) -> Result<(), PathError>,
) -> Option<PathBuf> {
    let text = decode::name(sink, node, "a path")?;
    let path: PathBuf = root.join(text).components().collect();
    let checked = if leaves(text) || path == root {
        Err(PathError::Outside)
    } else if checkout::names_git(Path::new(text)) {
        Err(PathError::InGitDirectory)
    } else {
        check(&path)
    };
    match checked {
        Ok(()) => return Some(path),
        Err(error) if error.leads_astray() => sink.push(astray(node.span, text, &error)),
        Err(error) => {
            let message = format!("can't use `{}`: {error}", shortened(text));
            sink.push(Problem::error(Code::Unreadable, node.span, message));
        }
    }
    None
}

fn leaves(text: &str) -> bool {
    let path = Path::new(text);
    path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
}

/// A path that leads to where no file of the project may be.
fn astray(span: Span, text: &str, error: &PathError) -> Problem {
    let text = shortened(text);
    let (message, label) = match error {
        PathError::Link(part) => (
            format!("`{text}` leads through a symbolic link"),
            format!(
                "`{}` is one: a file that the tool makes must not be reached through a link",
                part.display()
            ),
        ),
        PathError::InGitDirectory => (
            format!("`{text}` leads into a `.git` directory"),
            "nothing there is read or written: it may hold credentials".to_owned(),
        ),
        _ => (
            format!("`{text}` leads out of the project directory"),
            "a path below the directory of amigops.yaml is expected".to_owned(),
        ),
    };
    Problem::error(Code::OutsideProject, span, message).label(label)
}

/// The name of a path within the project, as people write it.
pub(super) fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// A pattern as amigops.yaml means it: `*` stays within a directory.
fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).build()
}

/// What the patterns of a project match; those that are none match nothing, and the loader reports them.
pub fn globs(patterns: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in patterns.iter().filter_map(|pattern| glob(pattern.trim_start_matches("./")).ok()) {
        set.add(glob);
    }
    set.build().unwrap_or_default()
}

struct Pattern<'a> {
    text: &'a str,
    span: Span,
    matcher: GlobMatcher,
    base: PathBuf,
    /// How many levels below the root it can match; none: any number.
    depth: Option<usize>,
    hits: usize,
}

/// The manifest files that the patterns match, in the order of their names. `except` are files of the
/// project that are no manifests.
pub(super) fn find(
    sink: &mut Sink,
    root: &Path,
    globs: &[(String, Span)],
    except: &[PathBuf],
) -> BTreeMap<String, PathBuf> {
    let mut patterns: Vec<_> =
        globs.iter().filter_map(|(text, span)| pattern(sink, root, text, *span)).collect();
    let mut bases: Vec<PathBuf> = patterns.iter().map(|pattern| pattern.base.clone()).collect();
    bases.sort();
    // A base below another is walked with it.
    bases.dedup_by(|below, above| below.starts_with(above));
    let mut found = BTreeMap::new();
    for base in bases.iter().filter(|base| fs::symlink_metadata(base).is_ok()) {
        walk(sink, root, base, &mut patterns, &mut |name, path| {
            if !except.contains(&path) {
                found.insert(name, path);
            }
        });
    }
    if patterns.iter().any(|pattern| pattern.hits > 0) {
        for pattern in patterns.iter().filter(|pattern| pattern.hits == 0) {
            let message = format!("`{}` matches no file", shortened(pattern.text));
            sink.push(Problem::warning(Code::EmptyGlob, pattern.span, message));
        }
    }
    found
}

fn pattern<'a>(sink: &mut Sink, root: &Path, text: &'a str, span: Span) -> Option<Pattern<'a>> {
    let wrong = match Path::new(text) {
        _ if leaves(text) => Some(PathError::Outside),
        path if checkout::names_git(path) => Some(PathError::InGitDirectory),
        _ => None,
    };
    if let Some(error) = wrong {
        sink.push(astray(span, text, &error));
        return None;
    }
    let plain = text.trim_start_matches("./");
    let glob = match glob(plain) {
        Ok(glob) => glob,
        Err(error) => {
            sink.push(bad_glob(span, text, &error));
            return None;
        }
    };
    let literal = plain.split('/').take_while(|part| !part.contains(['*', '?', '[', '{', '\\']));
    let base = root.join(literal.collect::<PathBuf>());
    let depth = (!plain.contains("**") && !plain.contains('{')).then(|| plain.split('/').count());
    Some(Pattern { text, span, matcher: glob.compile_matcher(), base, depth, hits: 0 })
}

/// Whether a file of this name within the project would be a manifest. Bad patterns were reported.
pub(super) fn matches(globs: &[(String, Span)], name: &str) -> bool {
    globs.iter().any(|(text, _)| {
        glob(text.trim_start_matches("./")).is_ok_and(|glob| glob.compile_matcher().is_match(name))
    })
}

fn walk(
    sink: &mut Sink,
    root: &Path,
    base: &Path,
    patterns: &mut [Pattern<'_>],
    found: &mut dyn FnMut(String, PathBuf),
) {
    // `*.yaml` at the root must not walk through everything below it.
    let above = base.strip_prefix(root).map_or(0, |base| base.components().count());
    let depths =
        patterns.iter().filter(|pattern| pattern.base.starts_with(base)).map(|pattern| pattern.depth);
    let depth = depths
        .reduce(|a, b| Some(a?.max(b?)))
        .flatten()
        .map_or(usize::MAX, |depth| depth.saturating_sub(above));
    let mut entries = WalkDir::new(base).max_depth(depth).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let path = match &entry {
            Ok(entry) => entry.path(),
            Err(error) => error.path().unwrap_or(base),
        };
        let name = relative(root, path);
        let hidden =
            path != base && path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_dir = entry.as_ref().is_ok_and(|entry| entry.file_type().is_dir());
        if hidden && is_dir {
            entries.skip_current_dir();
            continue;
        }
        let matched = count_hits(patterns, &name, is_dir);
        match &entry {
            Ok(entry) => match leads_astray(root, entry, base) {
                Some(error) => {
                    if is_dir {
                        entries.skip_current_dir();
                    }
                    let file = sink.add_file(name.clone(), Arc::from(""));
                    sink.push(astray(Span::whole(file), &name, &error));
                }
                None if matched => found(name, path.to_owned()),
                None => {}
            },
            // A broken link that no pattern means, or one that leads back up, is nobody's business; a
            // closed directory may hold manifests.
            Err(error)
                if matched || error.io_error().is_some_and(|io| io.kind() != io::ErrorKind::NotFound) =>
            {
                unreadable(sink, &name, &reason(error));
            }
            Err(_) => {}
        }
    }
}

/// Whether a pattern means this path; a directory only when it is named as a file would be.
fn count_hits(patterns: &mut [Pattern<'_>], name: &str, is_dir: bool) -> bool {
    if is_dir && !(name.ends_with(".yaml") || name.ends_with(".yml")) {
        return false;
    }
    let mut matched = false;
    for pattern in patterns {
        if pattern.matcher.is_match(name) {
            pattern.hits += 1;
            matched = true;
        }
    }
    matched
}

/// Why an entry must not be followed; only a link, or the way to where the walk begins, can lead astray.
fn leads_astray(root: &Path, entry: &walkdir::DirEntry, base: &Path) -> Option<PathError> {
    if !entry.path_is_symlink() && entry.path() != base {
        return None;
    }
    checkout::resolve(root, entry.path()).err().filter(PathError::leads_astray)
}

fn reason(error: &walkdir::Error) -> String {
    match (error.io_error(), error.loop_ancestor()) {
        (Some(io), _) => io.to_string(),
        (None, Some(_)) => "a symbolic link leads back to a directory above it".to_owned(),
        (None, None) => "it can't be read".to_owned(),
    }
}

/// Reports a file or directory that can't be read.
pub(super) fn unreadable(sink: &mut Sink, name: &str, reason: &str) {
    let file = sink.add_file(name, Arc::from(""));
    sink.push(Problem::error(Code::Unreadable, Span::whole(file), format!("can't read `{name}`: {reason}")));
}

/// Reads a file of the project within bounds, without its byte-order mark. None, and a problem, where that fails.
pub(super) fn read(sink: &mut Sink, root: &Path, name: &str, path: &Path) -> Option<(FileId, Arc<str>)> {
    let bytes = match checkout::read(root, path, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.leads_astray() => {
            let file = sink.add_file(name, Arc::from(""));
            sink.push(astray(Span::whole(file), name, &error));
            return None;
        }
        Err(error) => {
            unreadable(sink, name, &error.to_string());
            return None;
        }
    };
    if bytes.len() as u64 > MAX_BYTES {
        let file = sink.add_file(name, Arc::from(""));
        let message =
            format!("`{name}` is larger than {} MB, the most that is read", MAX_BYTES / (1024 * 1024));
        sink.push(
            Problem::error(Code::TooLarge, Span::whole(file), message).help("split it into several files"),
        );
        return None;
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let text: Arc<str> = Arc::from(text);
            Some((sink.add_file(name, Arc::clone(&text)), text))
        }
        Err(error) => {
            not_utf8(sink, name, bytes, error.valid_up_to());
            None
        }
    }
}

fn not_utf8(sink: &mut Sink, name: &str, bytes: &[u8], valid: usize) {
    let good = bytes.get(..valid).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or_default();
    let (line, column) = end_of(good, 1, 1);
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let file = sink.add_file(name, Arc::from(String::from_utf8_lossy(bytes)));
    let span = Span {
        file,
        start: small(valid),
        end: small(valid + char::REPLACEMENT_CHARACTER.len_utf8()),
        line: small(line),
        column: small(column),
    };
    let byte = bytes.get(valid).copied().unwrap_or_default();
    let problem =
        Problem::error(Code::NotUtf8, span, format!("not UTF-8: byte 0x{byte:02X} at offset {valid}"));
    let utf16 = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
    sink.push(if utf16 { problem.help("this looks like UTF-16: save the file as UTF-8") } else { problem });
}
