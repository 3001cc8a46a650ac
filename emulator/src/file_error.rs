//! Errors in seeds and fault files, with their line and column.

/// An error in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct FileError {
    /// The line, from 1. 0 if it is not known.
    pub line: u64,
    /// The column, from 1. 0 if it is not known.
    pub column: u64,
    /// A description of the error.
    pub message: String,
}

impl FileError {
    /// Converts an error of the YAML parser.
    pub(super) fn of_yaml(error: &serde_saphyr::Error) -> Self {
        let place = error.location();
        let (line, column) = place.map_or((0, 0), |place| (place.line(), place.column()));
        let message = error.without_snippet().to_string();
        // `line` and `column` hold the location, so the message does not repeat it.
        let end = format!(" at line {line}, column {column}");
        let message = message.strip_suffix(&end).unwrap_or(&message).to_owned();
        Self { line, column, message }
    }
}
