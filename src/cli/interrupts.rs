//! Ctrl-C, SIGTERM and the end of a run's time: the first of them ends waits and lets requests in flight come to
//! their end, a signal after that ends everything. May import everything.

use tokio::time::Instant;

use super::Context;
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

/// Hears the signals while a run is under way.
pub(super) struct Interrupts {
    second: tokio::sync::oneshot::Receiver<()>,
}

impl Interrupts {
    /// From now on the first signal, or the end of the run's time, wishes for a stop.
    ///
    /// # Errors
    ///
    /// When signals can't be caught: nothing may be begun that can't be brought to its end.
    pub(super) fn listen(context: &Context<'_>) -> Result<Self, Failure> {
        let mut signals = Signals::catch()?;
        let (stop, ui, deadline) = (context.stop.clone(), context.ui.clone(), context.deadline);
        let (sender, second) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let why = tokio::select! {
                () = signals.next() => StopReason::Interrupt,
                () = over(deadline) => StopReason::Timeout,
            };
            stop.wish(why);
            ui.note(&format!("{why}: requests in flight are brought to their end, nothing new is begun"));
            signals.next().await;
            let _ = sender.send(());
        });
        Ok(Self { second })
    }

    /// Waits for the signal that comes after the wish.
    pub(super) async fn second(&mut self) {
        if (&mut self.second).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for the end of the run's time.
pub(super) async fn over(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
