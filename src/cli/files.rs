//! Writing files of a project: whole or not at all, and never over a file that is somebody else's. May
//! import everything.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::checkout::{self, PathError};
use crate::error::Failure;

/// The loader reads no larger manifest.
const MAX_MANIFEST_BYTES: u64 = crate::manifest::MAX_BYTES;

/// Writes a new file; one that is there is left alone and is an error.
pub(super) fn create(path: &Path, text: &str) -> Result<(), Failure> {
    write(path, text, Over::Nothing).map_err(|error| failure(path, &error))
}

/// Writes a file that its owner alone may read, in the place of one that may be there.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || {
        if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
            return Err(io::Error::other("it is not a regular file"));
        }
        // Temporary files are their owner's alone.
        let mut file = temporary(path, tempfile::Builder::new().prefix(".amigops-"))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(|error: io::Error| failure(path, &error))
}

/// Replaces the text of a project's file and keeps its permissions. A link to another file of the project stays
/// one: the other file is written.
pub(super) fn replace(root: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let written = || {
        let real = checkout::resolve_file(root, Path::new(name))?;
        let permissions = fs::metadata(&real)?.permissions();
        Ok(write(&real, text, Over::Anything(Some(permissions)))?)
    };
    written().map_err(|error: PathError| Failure::other(format!("`{name}` can't be written: {error}")))
}

/// Reads a manifest that is about to be changed.
pub(super) fn read_manifest(root: &Path, name: &str) -> Result<String, PathError> {
    checkout::read_text(root, Path::new(name), MAX_MANIFEST_BYTES)
}

/// Makes a directory of a project, and gives its real path.
pub(super) fn make_directory(root: &Path, path: &Path) -> Result<PathBuf, Failure> {
    checkout::make_directory(root, path)
        .map_err(|error| Failure::other(format!("the directory `{}` can't be made: {error}", path.display())))
}

/// Puts a text where anybody may read it, over a file that is there: never half of it is seen.
pub(super) fn publish(path: &Path, text: &str) -> Result<(), Failure> {
    write(path, text, Over::Anything(readable())).map_err(|error| failure(path, &error))
}

#[cfg(unix)]
fn readable() -> Option<fs::Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable() -> Option<fs::Permissions> {
    None
}

/// What a file may be written over, and the permissions that it gets, if others than a new file's.
enum Over {
    Nothing,
    Anything(Option<fs::Permissions>),
}

fn write(path: &Path, text: &str, over: Over) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".amigops-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the process's mask takes away what it takes away.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = temporary(path, &builder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match over {
        Over::Anything(permissions) => {
            if let Some(permissions) = permissions {
                file.as_file().set_permissions(permissions)?;
            }
            file.persist(path)?;
        }
        Over::Nothing => {
            file.persist_noclobber(path)?;
        }
    }
    Ok(())
}

/// A file beside this one. Its name is nobody's business: where it can't be made, only the reason is told.
fn temporary(path: &Path, builder: &tempfile::Builder<'_, '_>) -> io::Result<tempfile::NamedTempFile> {
    if let Some(wrong) = lacks_directory(path) {
        return Err(io::Error::other(wrong));
    }
    builder.tempfile_in(directory_of(path)).map_err(|error| io::Error::from(error.kind()))
}

/// What is wrong with the directory that a file is to be written to; none where it is there.
fn lacks_directory(path: &Path) -> Option<String> {
    let directory = directory_of(path);
    let name = directory.display();
    match directory.metadata() {
        Ok(about) if about.is_dir() => None,
        Ok(_) => Some(format!("`{name}` is no directory")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("the directory `{name}` does not exist"))
        }
        Err(error) => Some(format!("the directory `{name}` can't be read: {error}")),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::other(format!("`{}` can't be written: {error}", path.display()))
}
