//! Waiting in front of a person: a progress bar on a terminal, one line anywhere else, and Ctrl-C heard in either case.

use super::interrupt::Interrupt;
use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(50);

/// How much longer than expected is waited, so that what comes late is shown as late and not as missing.
const GRACE: Duration = Duration::from_secs(5);

/// What the person sees and what they may say.
pub(super) struct Watch {
    pub(super) interrupt: Interrupt,
}

impl Watch {
    /// Writes text to the terminal, or to whoever reads instead of one.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(super) fn say(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Looks until `look` finds something, which may take as long as `budget`; gives up a little later.
    ///
    /// # Errors
    /// If `look` fails or the demo is to end.
    pub(super) fn until<T>(
        &self,
        what: &str,
        budget: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        self.with_bar(what, &format!("at most {budget:?}"), budget, |elapsed| match look()? {
            None if elapsed < budget + GRACE => Ok(None),
            found => Ok(Some(found)),
        })
    }

    /// Waits this long.
    ///
    /// # Errors
    /// If the demo is to end.
    pub(super) fn spend(&self, what: &str, time: Duration) -> Result<()> {
        self.with_bar(what, &format!("{time:?}"), time, |elapsed| Ok((elapsed >= time).then_some(())))
    }

    /// Asks `done`, and moves the bar, until there is an answer.
    fn with_bar<T>(
        &self,
        what: &str,
        takes: &str,
        length: Duration,
        mut done: impl FnMut(Duration) -> Result<Option<T>>,
    ) -> Result<T> {
        let bar = bar(what, takes, length)?;
        if bar.is_hidden() {
            self.say(&format!("   … {what}, {takes}"))?;
        }
        let start = Instant::now();
        let outcome = loop {
            let elapsed = start.elapsed();
            bar.set_position(elapsed.min(length).as_millis() as u64);
            match done(elapsed) {
                Ok(None) => {}
                Ok(Some(value)) => break Ok(value),
                Err(error) => break Err(error),
            }
            if let Err(interrupted) = self.interrupt.pause(POLL) {
                break Err(interrupted.into());
            }
        };
        bar.finish_and_clear();
        outcome
    }
}

fn bar(what: &str, takes: &str, length: Duration) -> Result<ProgressBar> {
    let bar = ProgressBar::with_draw_target(Some(length.as_millis() as u64), ProgressDrawTarget::stdout());
    let style = ProgressStyle::with_template("   {msg:<44} [{bar:36}] {prefix}")?;
    Ok(bar.with_style(style.progress_chars("=> ")).with_message(what.to_owned()).with_prefix(takes.to_owned()))
}
