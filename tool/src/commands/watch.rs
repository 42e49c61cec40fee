// SPDX-License-Identifier: GPL-2.0

//! `ctsync watch`: the status again and again, with the rates of the counters.

use std::io::{self, IsTerminal, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ct_sync_module::stats::Counter;
use serde_json::{json, Map, Value};

use super::{heartbeat_ms, status, Context};
use crate::error::{Error, Outcome};
use crate::procfile::Snapshot;
use crate::style::grouped;
use crate::verdict::judge;

/// How much each counter that moved grew in a second.
fn rates(before: &Snapshot, now: &Snapshot, seconds: f64) -> Vec<(Counter, f64)> {
    let grown = Counter::ALL.iter().filter_map(|&counter| {
        // A counter starts again at 0 when the module is loaded again.
        let growth = now.counter(counter).checked_sub(before.counter(counter))?;
        #[allow(clippy::cast_precision_loss)] // people read it
        (growth != 0 && seconds > 0.0).then(|| (counter, growth as f64 / seconds))
    });
    grown.collect()
}

/// The lines of the rates.
fn rate_lines(rates: &[(Counter, f64)]) -> String {
    let line = |&(counter, rate): &(Counter, f64)| {
        let number = match rate < 10.0 {
            true => format!("{rate:.1}"),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rate of counters
            false => grouped(rate.round() as u64),
        };
        format!("  {number:>12}/s  {}\n", counter.name())
    };
    rates.iter().map(line).collect()
}

/// Shows the status every `seconds`, `count` times or until it is ended.
pub fn run(context: &Context, seconds: f64, count: Option<u64>) -> Outcome {
    let period = Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|period| !period.is_zero());
    let period = period.ok_or_else(|| Error::new("the period is a number of seconds above 0"))?;
    let mut output = io::stdout().lock();
    let clear = if output.is_terminal() {
        "\x1b[H\x1b[J"
    } else {
        ""
    };
    let mut before: Option<(Snapshot, Instant)> = None;
    let mut shown = 0;
    loop {
        let now = context.system.snapshot()?;
        let heartbeat_ms = heartbeat_ms(&context.system);
        let verdict = judge(&now, heartbeat_ms);
        let rates = before
            .as_ref()
            .map(|(before, at)| rates(before, &now, at.elapsed().as_secs_f64()))
            .unwrap_or_default();
        let text = match context.json {
            true => format!("{}\n", with_rates(status::to_json(&now, &verdict), &rates)),
            false => format!(
                "{clear}{}{}",
                status::text(&now, &verdict, heartbeat_ms, context.style),
                rate_lines(&rates)
            ),
        };
        shown += 1;
        let written = output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush());
        if written.is_err() || count.is_some_and(|count| shown >= count) {
            return Ok(verdict.health.status());
        }
        before = Some((now, Instant::now()));
        sleep(period);
    }
}

/// The status with an object of rates.
fn with_rates(mut status: Value, rates: &[(Counter, f64)]) -> Value {
    let rates: Map<_, _> = rates
        .iter()
        .map(|(counter, rate)| (counter.name().to_owned(), json!(rate)))
        .collect();
    status["rates"] = Value::Object(rates);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfile::tests::PRIMARY;

    #[test]
    fn only_what_moves_has_a_rate() {
        let before = Snapshot::parse(PRIMARY).unwrap();
        let now =
            Snapshot::parse(&PRIMARY.replace("frames_sent 2000", "frames_sent 5000")).unwrap();
        assert_eq!(rates(&before, &now, 2.0), [(Counter::FramesSent, 1500.0)]);
        assert_eq!(rates(&now, &before, 2.0), []);
        assert_eq!(rates(&before, &now, 0.0), []);
        assert_eq!(
            rate_lines(&[(Counter::FramesSent, 1500.0)]),
            "         1 500/s  frames_sent\n"
        );
    }
}
