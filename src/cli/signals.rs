//! Catches the signals that ask a process to end, and waits for a deadline.

use tokio::time::Instant;

use crate::error::Failure;

/// A receiver of the signals that ask a process to end. On Unix, as soon as this value exists, the signals no longer
/// kill the process, so they can't interrupt a request.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Starts to catch the signals: SIGINT and SIGTERM on Unix.
    ///
    /// # Errors
    ///
    /// Fails if the operating system does not allow the process to catch the signals.
    pub(super) fn catch() -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let caught =
                |kind| signal(kind).map_err(|error| Failure::other(format!("can't catch signals: {error}")));
            Ok(Self {
                interrupt: caught(SignalKind::interrupt())?,
                terminate: caught(SignalKind::terminate())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // Signals can't be caught, which must not count as a signal, so wait forever.
            std::future::pending::<()>().await;
        }
    }
}

/// Waits until the deadline, or forever if there is none.
pub(super) async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
