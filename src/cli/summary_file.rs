//! The file that `apply --summary` adds to: what became of the run, for the page of a CI job. May import everything.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Context;
use super::story::Story;
use crate::apply::StopReason;
use crate::error::{Failure, Success, exit_code};
use crate::report::markdown::summary::{self, Ended, Verdict};
use crate::ui;

/// A file that is open for what is added to its end: what others wrote stays.
pub(super) struct SummaryFile {
    path: PathBuf,
    file: File,
}

impl SummaryFile {
    /// Opens the file, or makes it, as the process's mask has it: it is there for others to read.
    ///
    /// # Errors
    ///
    /// A file that nothing can be added to.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Ok(Self { path: path.to_owned(), file }),
            Err(error) => Err(Failure::other(format!(
                "the summary `{}` can't be written: {error}; nothing was sent",
                path.display()
            ))
            .hint("name a file in a directory that is there and can be written to, or leave --summary out")),
        }
    }

    /// Adds what became of a run that ended like this, and gives what the process ends with: a summary that can't
    /// be written makes an error of a run that went well, and nothing else of any other.
    pub(super) fn add(
        &mut self,
        context: &Context<'_>,
        story: &Story,
        result: Result<Success, Failure>,
    ) -> Result<Success, Failure> {
        let result = result.and_then(|done| if context.ui.is_broken() { Err(untold()) } else { Ok(done) });
        let Err(error) = self.write(&context.ui.masked(&text(story, &result))) else { return result };
        let failure = Failure::other(format!(
            "the summary `{}` can't be written: {error}; the run itself has ended, as told above",
            self.path.display()
        ))
        .hint("`amigops plan` shows whether anything is left to do");
        if result.is_ok() {
            return Err(failure);
        }
        context.ui.failure(&failure);
        result
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        // Whatever others wrote, a heading of ours is one.
        let apart = if self.file.metadata()?.len() > 0 { "\n\n" } else { "" };
        self.file.write_all(format!("{apart}{text}").as_bytes())
    }
}

fn untold() -> Failure {
    Failure::other("stdout can't be written, so that what was done could not be told there")
}

fn text(story: &Story, result: &Result<Success, Failure>) -> String {
    let error = result.as_ref().err().map(ui::plain_words).filter(|words| !words.is_empty());
    story.ended(|ended| {
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
