//! How long a light call on the bus takes, so that `tests/measure upload` can say what sending costs who looks at the screen.
//!
//! ```text
//! answers COUNT
//! ```
//!
//! Asks the daemon on the system bus for `Queue.Paused` COUNT times, one call after the other, and prints the median and the
//! 99th percentile in microseconds.

#![expect(clippy::disallowed_methods, reason = "a stop-watch for a minute needs no suspend")]
#![expect(clippy::print_stdout, reason = "what it is for")]

use std::error::Error;
use std::time::{Duration, Instant};

use rigpost_contract::interface::{BUS_NAME, OBJECT_PATH};
use zbus::Connection;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).ok_or("how many?")?.parse()?;
    let bus = Connection::system().await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        let call = bus.call_method(
            Some(BUS_NAME),
            OBJECT_PATH,
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &("org.rigpost.Rigpost1.Queue", "Paused"),
        );
        tokio::time::timeout(Duration::from_secs(30), call).await??;
        times.push(begun.elapsed());
    }
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0, |time| time.as_micros());
    println!("{} {}", at(50), at(99));
    Ok(())
}
