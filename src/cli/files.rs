//! Writing files of a project: whole or not at all, and never over a file that is somebody else's. May
//! import everything.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::error::Failure;

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

/// Puts a text in the place of a file's, with its permissions. A link stays one: what it leads to is written.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || {
        let real = fs::canonicalize(path)?;
        let permissions = fs::metadata(&real)?.permissions();
        write(&real, text, Over::Anything(Some(permissions)))
    };
    written().map_err(|error: io::Error| failure(path, &error))
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
