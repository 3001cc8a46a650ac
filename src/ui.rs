//! The only owner of stdout and stderr: colour, progress, broken pipes. May import `error`, `report`,
//! `remote` and `model`.
//!
//! Results go to stdout, everything else to stderr. Renderers give coloured text; the colours are taken
//! out here where they aren't wanted, and every secret that the run knows is masked. A pipe that is closed early (`| head`) is no error; anything else
//! that keeps a result from being written is, and [`Ui::is_broken`] tells.

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

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// Errors only.
    Quiet,
    /// Progress, too.
    Normal,
    /// Every request, too.
    Verbose,
}

#[derive(Debug)]
struct Shared {
    color: ColorChoice,
    loudness: Loudness,
    bar: Mutex<Option<ProgressBar>>,
    broken: AtomicBool,
    secrets: Mutex<Secrets>,
}

/// The terminal, or what stands in its place; clones share it.
#[derive(Clone, Debug)]
pub struct Ui {
    shared: Arc<Shared>,
}

impl Ui {
    /// Takes hold of stdout and stderr.
    pub fn new(color: ColorChoice, loudness: Loudness) -> Self {
        Self {
            shared: Arc::new(Shared {
                color,
                loudness,
                bar: Mutex::default(),
                broken: AtomicBool::new(false),
                secrets: Mutex::default(),
            }),
        }
    }

    /// Masks a secret in all that is written from now on.
    pub fn hide(&self, secret: &str) {
        self.shared.secrets.lock().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    /// A text with all known secrets masked, for files that show what is written here.
    pub fn masked(&self, text: &str) -> String {
        self.shared.secrets.lock().unwrap_or_else(PoisonError::into_inner).mask(text).into_owned()
    }

    /// Writes a result for people to stdout.
    pub fn result(&self, text: &str) {
        self.data(&text::without_commands(text));
    }

    /// Writes a result for programs to stdout, to the letter but for secrets.
    pub fn data(&self, text: &str) {
        let text = self.masked(text);
        let write = || {
            let mut stdout = AutoStream::new(io::stdout().lock(), self.shared.color);
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
        };
        if let Err(error) = self.around_bar(write)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            // Once is enough: what follows can't be written either.
            if !self.shared.broken.swap(true, Ordering::Relaxed) {
                self.say(&format!("error: stdout can't be written: {error}\n"));
            }
        }
    }

    /// Writes progress or a remark to stderr; nothing when quiet.
    pub fn note(&self, line: &str) {
        if self.shared.loudness >= Loudness::Normal {
            self.say(&format!("{line}\n"));
        }
    }

    /// Writes an error to stderr.
    pub fn error(&self, text: &str) {
        self.say(text);
    }

    fn say(&self, text: &str) {
        let text = text::without_commands(&self.masked(text));
        let write = || {
            let mut stderr = AutoStream::new(io::stderr().lock(), self.shared.color);
            stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush())
        };
        // Where stderr can't be written, there is nobody to tell.
        let _ = self.around_bar(write);
    }

    /// Where logs are written: to stderr, an event at a time.
    pub fn log_writer(&self) -> impl Write + use<> {
        LogWriter(self.clone())
    }

    fn around_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.bar() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn bar(&self) -> Option<ProgressBar> {
        self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a result could not be written: no exit code may say that all is well.
    pub fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Relaxed)
    }

    /// Whether errors are shown in colour.
    pub fn colors_errors(&self) -> bool {
        AutoStream::new(io::stderr(), self.shared.color).current_choice() != ColorChoice::Never
    }

    /// Begins to show how many of so many steps are done; a bar on a terminal, nothing elsewhere.
    pub fn begin_progress(&self, steps: usize) {
        if self.shared.loudness != Loudness::Normal || !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {bar:32} {pos}/{len} {elapsed} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(120));
        *self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    /// Says what is being done just now, beside the bar.
    pub fn progress_message(&self, message: &str) {
        if let Some(bar) = self.bar() {
            bar.set_message(self.masked(message));
        }
    }

    /// One more step has ended.
    pub fn advance_progress(&self) {
        if let Some(bar) = self.bar() {
            bar.inc(1);
        }
    }

    /// Takes the bar away.
    pub fn end_progress(&self) {
        let bar = self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }

    /// Asks a question that only `yes` answers with yes; none where nobody can be asked. Whoever waits for the answer
    /// may stop to: neither that nor the process's end waits for somebody to type.
    pub fn ask(&self, question: &str) -> Option<impl Future<Output = bool> + use<>> {
        if !io::stdin().is_terminal() {
            return None;
        }
        self.say(&format!("{question} Only `yes` is accepted: "));
        let (sender, answer) = tokio::sync::oneshot::channel();
        let open = OpenLine(Some(self.clone()));
        std::thread::spawn(move || {
            let mut answer = String::new();
            let read = io::stdin().lock().read_line(&mut answer).is_ok();
            let _ = sender.send(read && answer.trim() == "yes");
        });
        Some(async move {
            let answer = answer.await.unwrap_or_default();
            open.ends();
            answer
        })
    }

    /// Shows why a command failed.
    pub fn failure(&self, failure: &Failure) {
        let words = words(failure, self.colors_errors());
        if !words.is_empty() {
            self.say(&words);
        }
    }
}

/// Writes each event of the log as a whole, so that no secret is split between two writes.
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

/// The line of a question, which its answer ends, and if there is none, we.
struct OpenLine(Option<Ui>);

impl OpenLine {
    /// The answer has ended it.
    fn ends(mut self) {
        self.0 = None;
    }
}

impl Drop for OpenLine {
    fn drop(&mut self) {
        if let Some(ui) = &self.0 {
            ui.say("\n");
        }
    }
}

/// Why a command failed; nothing where everything has been said.
fn words(failure: &Failure, colors: bool) -> String {
    match failure {
        Failure::Manifests(problems) | Failure::NotAllowed(problems) => {
            diagnostics::render_problems(problems, colors)
        }
        Failure::Plan(error) => human::plan_error(error),
        Failure::Request(error) => text::error(&error.to_string(), &error.hints),
        Failure::Other { message, hints } => text::error(message, hints),
        Failure::OutOfTime { timeout } => text::error(
            &format!("out of time: the {} s of --timeout are over", timeout.as_secs_f64()),
            &["give the run more time, or less to do; what is done is kept".to_owned()],
        ),
        Failure::Declined => "Nothing was changed.\n".to_owned(),
        Failure::Refused { message, details, hints } => text::refusal(message, details, hints),
        Failure::Invalid { .. } | Failure::InPart | Failure::NotConverged | Failure::Interrupted => {
            String::new()
        }
    }
}

/// The same as a part of a report, without colours.
pub fn plain_words(failure: &Failure) -> String {
    anstream::adapter::strip_str(&words(failure, false)).to_string()
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
