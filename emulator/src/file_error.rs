//! What is wrong with a file that people write for an emulator, and where. Imports nothing of ours.

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct FileError {
    /// From 1; 0 where the place is unknown.
    pub line: u64,
    /// From 1; 0 where the place is unknown.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

impl FileError {
    /// What the reader of YAML says.
    pub(super) fn of_yaml(error: &serde_saphyr::Error) -> Self {
        let place = error.location();
        let (line, column) = place.map_or((0, 0), |place| (place.line(), place.column()));
        let message = error.without_snippet().to_string();
        // The place is said once.
        let end = format!(" at line {line}, column {column}");
        let message = message.strip_suffix(&end).unwrap_or(&message).to_owned();
        Self { line, column, message }
    }
}
