//! Ctrl-C, SIGTERM and the end of a run's time. Before the first step any of them ends the run at once; after it, the
//! first of them ends waits and lets requests in flight come to their end, and a signal after that ends everything.
//! May import everything.

use tokio::time::Instant;

use super::Context;
use super::story::Story;
use crate::error::Failure;
use crate::remote::StopReason;

/// The signals that ask a process to end. They are caught from the moment this is made: nothing that is sent
/// afterwards can be cut off by one.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    ///
    /// When the system does not let us.
    pub(super) fn catch() -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let caught = |kind| {
                signal(kind).map_err(|error| Failure::other(format!("signals can't be heard: {error}")))
            };
            Ok(Self {
                interrupt: caught(SignalKind::interrupt())?,
                terminate: caught(SignalKind::terminate())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // Nothing is to be heard, and that is no interrupt.
            std::future::pending::<()>().await;
        }
    }
}

/// Hears the signals of a run, from its beginning to its end.
pub(super) struct Interrupts {
    signals: Signals,
}

impl Interrupts {
    /// Begins to hear them.
    ///
    /// # Errors
    ///
    /// When signals can't be caught: nothing may be begun that can't be brought to its end.
    pub(super) fn catch() -> Result<Self, Failure> {
        Ok(Self { signals: Signals::catch()? })
    }

    /// Does something that changes nothing live: a signal, or the end of the run's time, ends it at once.
    ///
    /// # Errors
    ///
    /// Its own, and that it was ended.
    pub(super) async fn unless_stopped<T>(
        &mut self,
        context: &Context<'_>,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let work = async {
            let done = work.await?;
            // What came while nobody could listen is heard now, before anything is begun.
            tokio::task::yield_now().await;
            Ok(done)
        };
        tokio::select! {
            biased;
            why = self.first(context) => {
                if why == StopReason::Interrupt {
                    context.ui.error(&format!("{why}: nothing was changed\n"));
                }
                Err(context.stopped(why))
            }
            result = work => result,
        }
    }

    /// While steps run: the first signal, or the end of the run's time, wishes for a stop; this waits for the signal
    /// after that, and tells why the stop was wished for.
    pub(super) async fn second(&mut self, context: &Context<'_>, story: &Story) -> StopReason {
        let why = self.first(context).await;
        // While the live state is read back there is nothing to bring to its end.
        if story.report().counts().unknown > 0 {
            context
                .ui
                .note(&format!("{why}: requests in flight are brought to their end, nothing new is begun"));
        }
        self.signals.next().await;
        why
    }

    /// Waits for what stops the run first, and wishes for the stop.
    async fn first(&mut self, context: &Context<'_>) -> StopReason {
        let why = tokio::select! {
            biased;
            () = self.signals.next() => StopReason::Interrupt,
            () = over(context.deadline) => StopReason::Timeout,
        };
        context.stop.cancel(why);
        why
    }
}

/// Waits for the end of the run's time.
pub(super) async fn over(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
