//! Errors in seed files and fault files, with their line and column.

/// An error in a seed file or a fault file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct FileError {
    /// The line, counted from 1. 0 if the line is unknown.
    pub line: u64,
    /// The column, counted from 1. 0 if the column is unknown.
    pub column: u64,
    /// A description of the error.
    pub message: String,
}

impl FileError {
    /// Converts an error of the YAML parser to a [`FileError`].
    pub(super) fn of_yaml(error: &serde_saphyr::Error) -> Self {
        let place = error.location();
        let (line, column) = place.map_or((0, 0), |place| (place.line(), place.column()));
        let message = error.without_snippet().to_string();
        // The message must not repeat the location, because the fields `line` and `column` contain it.
        let end = format!(" at line {line}, column {column}");
        let message = message.strip_suffix(&end).unwrap_or(&message).to_owned();
        Self { line, column, message }
    }
}
