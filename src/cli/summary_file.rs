//! Appends a report of the run to the file that `apply --summary` names, such as the job summary of GitHub Actions.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::apply_record::ApplyRecord;
use super::context::Context;
use super::user_file;
use crate::apply::StopReason;
use crate::error::{Failure, Success, exit_code};
use crate::report::markdown::summary::{self, Ended, Verdict};
use crate::ui;

/// The summary file, which is open for appending. The existing text of the file is kept.
pub(super) struct SummaryFile {
    path: PathBuf,
    file: File,
}

impl SummaryFile {
    /// Opens the file, or creates it with the usual permissions of a new file.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be opened for appending.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        match user_file::open_to_append(path) {
            Ok(file) => Ok(Self { path: path.to_owned(), file }),
            Err(error) => Err(Failure::other(format!(
                "can't write the summary `{}`: {error}; nothing was sent",
                path.display()
            ))
            .hint("choose a file in an existing, writable directory, or omit --summary")),
        }
    }

    /// Appends the summary of a run, and returns the result of the command. If the summary can't be written, a
    /// successful run becomes an error, and a failed run keeps its own failure.
    pub(super) fn append(
        &mut self,
        context: &Context<'_>,
        record: &ApplyRecord,
        result: Result<Success, Failure>,
    ) -> Result<Success, Failure> {
        let result =
            result.and_then(|done| if context.ui.is_broken() { Err(stdout_failure()) } else { Ok(done) });
        let Err(error) = self.write(&context.ui.masked(&text(record, &result))) else { return result };
        let failure = Failure::other(format!(
            "can't write the summary `{}`: {error}; the run itself ended as shown above",
            self.path.display()
        ))
        .hint("run `amigops plan` to see if anything is left to do");
        if result.is_ok() {
            return Err(failure);
        }
        context.ui.failure(&failure);
        result
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        // Blank lines make sure that our heading is shown as a heading, whatever text comes before it.
        let separator = if self.file.metadata()?.len() > 0 { "\n\n" } else { "" };
        self.file.write_all(format!("{separator}{text}").as_bytes())
    }
}

fn stdout_failure() -> Failure {
    Failure::other("can't write to stdout, so the result of the run was not shown there")
}

fn text(record: &ApplyRecord, result: &Result<Success, Failure>) -> String {
    let error = result.as_ref().err().map(ui::plain_message).filter(|words| !words.is_empty());
    record.summarize(|ended| {
        summary::render(&Ended {
            verdict: verdict(result, &ended),
            exit_code: crate::error::exit_code(result),
            reason: error.as_deref().or(ended.reason),
            ..ended
        })
    })
}

fn verdict(result: &Result<Success, Failure>, ended: &Ended<'_>) -> Verdict {
    let is_empty = ended.planned.is_some_and(|(plan, _)| plan.is_empty());
    match result {
        Ok(_) if is_empty => Verdict::NothingToDo,
        Ok(_) => Verdict::Applied,
        Err(Failure::InPart) if ended.report.stopped == Some(StopReason::Timeout) => Verdict::OutOfTime,
        Err(Failure::InPart) => Verdict::InPart,
        Err(Failure::OutOfTime { .. }) => Verdict::OutOfTime,
        Err(Failure::Interrupted) => Verdict::Interrupted,
        Err(Failure::NotConverged) => Verdict::NotConverged,
        Err(Failure::Declined) => Verdict::Declined,
        Err(_) if crate::error::exit_code(result) == exit_code::REFUSED => Verdict::Refused,
        Err(_) => Verdict::Failed,
    }
}
