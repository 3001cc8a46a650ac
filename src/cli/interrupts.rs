//! Handles Ctrl-C, SIGTERM and `--timeout`.
//!
//! Before the first step, a signal or the timeout ends the run at once. After that, the first signal or the timeout
//! cancels the run: the run stops waiting, but completes the requests in flight. One more signal ends the run at once.

use super::apply_record::ApplyRecord;
use super::context::Context;
use super::signals::{Signals, wait_until};
use crate::error::Failure;
use crate::remote::StopReason;

/// The handler of Ctrl-C and SIGTERM for one run.
pub(super) struct Interrupts {
    signals: Signals,
}

impl Interrupts {
    /// Starts to catch Ctrl-C and SIGTERM.
    ///
    /// # Errors
    ///
    /// Fails if signals can't be caught, because an apply that can't be stopped safely must not start.
    pub(super) fn catch() -> Result<Self, Failure> {
        Ok(Self { signals: Signals::catch()? })
    }

    /// Runs work that changes nothing live. A signal or the timeout ends the work at once.
    ///
    /// # Errors
    ///
    /// Returns the error of the work, or an error that says why the work was ended.
    pub(super) async fn run_until_stopped<T>(
        &mut self,
        context: &Context<'_>,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let work = async {
            let done = work.await?;
            // If a signal arrived while the work blocked the thread, it is handled here, before the first step starts.
            tokio::task::yield_now().await;
            Ok(done)
        };
        tokio::select! {
            biased;
            why = self.wait_for_first(context) => {
                if why == StopReason::Interrupt {
                    context.ui.error(&format!("{why}: nothing was changed\n"));
                }
                Err(context.stop_failure(why))
            }
            result = work => result,
        }
    }

    /// Cancels the run at the first signal or at the timeout. Then waits for one more signal, and returns the reason
    /// why the run was cancelled.
    pub(super) async fn wait_for_second(
        &mut self,
        context: &Context<'_>,
        record: &ApplyRecord,
    ) -> StopReason {
        let why = self.wait_for_first(context).await;
        // Print no note if no step is in progress, such as while the live state is read back.
        if record.report().counts().unknown > 0 {
            context.ui.note(&format!("{why}: finishing the requests in flight, starting no new steps"));
        }
        self.signals.next().await;
        why
    }

    /// Waits for the first signal or for the timeout, cancels the run, and returns the reason.
    async fn wait_for_first(&mut self, context: &Context<'_>) -> StopReason {
        let why = tokio::select! {
            biased;
            () = self.signals.next() => StopReason::Interrupt,
            () = wait_until(context.deadline) => StopReason::Timeout,
        };
        context.stop.cancel(why);
        why
    }
}
