//! Writes to stdout and stderr. No other module does.
//!
//! Results go to stdout, everything else to stderr. The functions of `report` return coloured text. This module removes
//! the colours if they are not wanted, and masks every known secret. A pipe that is closed early (`| head`) is not an
//! error. If a result can't be written for another reason, [`Ui::is_broken`] returns true.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Failure;
use crate::model::{Endpoint, Secrets};
use crate::remote::{ApiError, RequestObserver};
use crate::report::{diagnostics, human, progress, text};

/// The amount of output on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only errors are printed.
    Quiet,
    /// Errors and progress are printed.
    Normal,
    /// Errors, progress and HTTP requests are printed.
    Verbose,
}

#[derive(Debug)]
struct Shared {
    color: ColorChoice,
    verbosity: Verbosity,
    bar: Mutex<Option<ProgressBar>>,
    broken: AtomicBool,
    secrets: Mutex<Secrets>,
}

/// The output of the process: a terminal, or the files and pipes to which it is redirected. Clones share one output.
#[derive(Clone, Debug)]
pub struct Ui {
    shared: Arc<Shared>,
}

impl Ui {
    /// Creates the output of this process, with a choice of colours and a verbosity.
    pub fn new(color: ColorChoice, verbosity: Verbosity) -> Self {
        Self {
            shared: Arc::new(Shared {
                color,
                verbosity,
                bar: Mutex::default(),
                broken: AtomicBool::new(false),
                secrets: Mutex::default(),
            }),
        }
    }

    /// Adds a secret to the secrets that are masked in all further output.
    pub fn hide(&self, secret: &str) {
        self.shared.secrets.lock().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    /// Returns the text with all known secrets masked, for files that contain the same text as the output.
    pub fn masked(&self, text: &str) -> String {
        self.shared.secrets.lock().unwrap_or_else(PoisonError::into_inner).mask(text).into_owned()
    }

    /// Writes a result for people to stdout. Changes lines that a CI system would run as workflow commands, so that
    /// they are harmless.
    pub fn result(&self, text: &str) {
        self.data(&text::without_commands(text));
    }

    /// Writes a result for programs to stdout. The result is unchanged, except that secrets are masked.
    pub fn data(&self, text: &str) {
        let text = self.masked(text);
        let write = || {
            let mut stdout = AutoStream::new(io::stdout().lock(), self.shared.color);
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
        };
        if let Err(error) = self.with_hidden_bar(write)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            // Report only the first error, because later writes will fail, too.
            if !self.shared.broken.swap(true, Ordering::Relaxed) {
                self.write_stderr(&format!("error: can't write to stdout: {error}\n"));
            }
        }
    }

    /// Writes progress or a note to stderr, unless `--quiet` is given.
    pub fn note(&self, line: &str) {
        if self.shared.verbosity >= Verbosity::Normal {
            self.write_stderr(&format!("{line}\n"));
        }
    }

    /// Writes an error to stderr.
    pub fn error(&self, text: &str) {
        self.write_stderr(text);
    }

    fn write_stderr(&self, text: &str) {
        let text = text::without_commands(&self.masked(text));
        let write = || {
            let mut stderr = AutoStream::new(io::stderr().lock(), self.shared.color);
            stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush())
        };
        // If stderr can't be written, the error can't be reported either.
        let _ = self.with_hidden_bar(write);
    }

    /// Returns a writer for logs, which writes each log event as a whole to stderr.
    pub fn log_writer(&self) -> impl Write + use<> {
        LogWriter(self.clone())
    }

    fn with_hidden_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.bar() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn bar(&self) -> Option<ProgressBar> {
        self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns true if a result could not be written to stdout. The process must then exit with an error code.
    pub fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Relaxed)
    }

    /// Returns true if errors are shown in colour.
    pub fn colors_errors(&self) -> bool {
        AutoStream::new(io::stderr(), self.shared.color).current_choice() != ColorChoice::Never
    }

    /// Starts a progress bar with `steps` steps, if stderr is a terminal and the verbosity is `Normal`.
    pub fn begin_progress(&self, steps: usize) {
        if self.shared.verbosity != Verbosity::Normal || !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {bar:32} {pos}/{len} {elapsed} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(120));
        *self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    /// Shows a message next to the progress bar.
    pub fn progress_message(&self, message: &str) {
        if let Some(bar) = self.bar() {
            bar.set_message(self.masked(message));
        }
    }

    /// Advances the progress bar by one finished step.
    pub fn advance_progress(&self) {
        if let Some(bar) = self.bar() {
            bar.inc(1);
        }
    }

    /// Removes the progress bar, if there is one.
    pub fn end_progress(&self) {
        let bar = self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }

    /// Asks the user a question, and returns a future for the answer. The answer is true only if the user enters `yes`.
    /// Returns `None` if stdin is not a terminal.
    ///
    /// The returned future can be dropped, and the process can end, without waiting for input.
    pub fn ask(&self, question: &str) -> Option<impl Future<Output = bool> + use<>> {
        if !io::stdin().is_terminal() {
            return None;
        }
        self.write_stderr(&format!("{question} Only `yes` is accepted: "));
        let (sender, answer) = tokio::sync::oneshot::channel();
        let open = OpenLine(Some(self.clone()));
        std::thread::spawn(move || {
            let mut answer = String::new();
            let read = io::stdin().lock().read_line(&mut answer).is_ok();
            let _ = sender.send(read && answer.trim() == "yes");
        });
        Some(async move {
            let answer = answer.await.unwrap_or_default();
            open.was_ended();
            answer
        })
    }

    /// Prints the reason why a command failed to stderr.
    pub fn failure(&self, failure: &Failure) {
        let message = message(failure, self.colors_errors());
        if !message.is_empty() {
            self.write_stderr(&message);
        }
    }
}

/// A log writer that writes each log event as a whole. A secret that is split between two writes could not be masked.
struct LogWriter(Ui);

impl Write for LogWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = self.0.masked(&String::from_utf8_lossy(event));
        io::stderr().lock().write_all(text.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The unfinished terminal line of a question. The user's answer ends the line. If the user does not answer, the line
/// is ended when this value is dropped.
struct OpenLine(Option<Ui>);

impl OpenLine {
    /// Records that the user's answer has ended the line.
    fn was_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for OpenLine {
    fn drop(&mut self) {
        if let Some(ui) = &self.0 {
            ui.write_stderr("\n");
        }
    }
}

/// Returns the message of a failure. It is empty if the message was already printed.
fn message(failure: &Failure, colors: bool) -> String {
    match failure {
        Failure::Manifests(problems) | Failure::NotAllowed(problems) => {
            diagnostics::render_problems(problems, colors)
        }
        Failure::Plan(error) => human::plan_error(error),
        Failure::Conflicts(error) => human::plan_conflicts(error),
        Failure::Request(error) => text::error(&error.to_string(), &error.hints),
        Failure::Other { message, hints } => text::error(message, hints),
        Failure::OutOfTime { timeout } => text::error(
            &format!("the run did not finish within --timeout ({} s)", timeout.as_secs_f64()),
            &["use a longer --timeout, or use --only to change fewer services; finished steps are kept"
                .to_owned()],
        ),
        Failure::Declined => "Nothing was changed.\n".to_owned(),
        Failure::Refused { message, details, hints } => text::refusal(message, details, hints),
        Failure::Invalid { .. } | Failure::InPart | Failure::NotConverged | Failure::Interrupted => {
            String::new()
        }
    }
}

/// Returns the message of a failure, without colours. It is empty if the message was already printed.
pub fn plain_message(failure: &Failure) -> String {
    anstream::adapter::strip_str(&message(failure, false)).to_string()
}

impl RequestObserver for Ui {
    fn on_limit_wait(&self, endpoint: Endpoint, wait: Duration, limit: Option<u32>) {
        self.note(&progress::waiting(endpoint, wait, limit));
    }

    fn on_retry(&self, endpoint: Endpoint, wait: Duration, error: &ApiError) {
        self.note(&progress::retrying(endpoint, wait, &error.to_string()));
    }

    fn on_ambiguous(&self, endpoint: Endpoint, error: &ApiError) {
        self.note(&progress::looking(endpoint, &error.to_string()));
    }

    fn on_answer(&self, method: &str, path: &str, status: u16, took: Duration) {
        tracing::debug!(method, path, status, milliseconds = took.as_millis() as u64, "answered");
    }
}
