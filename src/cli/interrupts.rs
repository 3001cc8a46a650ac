//! Ctrl-C and SIGTERM: the first ends waits and lets requests in flight come to their end, the second ends
//! everything. May import everything.

use super::Context;
use crate::error::Failure;
use crate::remote::Why;

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
    /// From now on the first signal wishes for a stop.
    ///
    /// # Errors
    ///
    /// When signals can't be caught: nothing may be begun that can't be brought to its end.
    pub(super) fn listen(context: &Context<'_>) -> Result<Self, Failure> {
        let mut signals = Signals::catch()?;
        let (stop, ui) = (context.stop.clone(), context.ui.clone());
        let (sender, second) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            signals.next().await;
            stop.wish(Why::Interrupt);
            ui.note("interrupted: requests in flight are brought to their end, nothing new is begun");
            signals.next().await;
            let _ = sender.send(());
        });
        Ok(Self { second })
    }

    /// Waits for the second signal.
    pub(super) async fn second(&mut self) {
        if (&mut self.second).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
