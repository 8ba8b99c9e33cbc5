//! The daemon `rigpostd`: performs what the core decides, on a bus, a disk and a network.
//!
//! # The way of the data
//!
//! ```text
//!  screen, rigpost          bus           link            tasks                http        provider's cloud
//!  ───────────────► D-Bus ──────► command ──────► rig, uploads ──────────────► request ──────────────────►
//!  ◄─────────────── signal ◄──────snapshot ◄────── │  events in, actions out ◄─ answer ◄─────────────────
//!                                                  ▼
//!                                              core (pure machines, words of the dialect)
//!                                                  │
//!                                                  ▼
//!                                         store + vault (SQLite, sealed)          media (clips)
//! ```
//!
//! A command enters at the bus, becomes an event of a machine, the machine answers with actions, a task performs them
//! and brings back their outcomes as events; what the machine then is becomes the one snapshot that everybody sees.
//!
//! # Who may import whom (a test enforces it)
//!
//! | module | may use, besides the core |
//! | --- | --- |
//! | [`egress`], [`vault`], [`link`], [`clock`] | nothing of this crate |
//! | [`config`] | `egress` |
//! | [`watch`] | `clock` |
//! | [`media`] | `clock`, `watch` (the table of mounts) |
//! | [`store`] | `clock`, `vault` |
//! | [`http`] | `clock`, `media`, `egress` |
//! | [`bus`] | `link`, `clock` |
//! | [`tasks`] | `http`, `store`, `vault`, `clock`, `link`, `media`, `watch` |
//! | [`run`] | everything above |
//!
//! # Invariants
//!
//! - Nobody but [`clock`] reads a clock.
//! - Only the rig's task writes tokens; only the store knows SQL; only `bus::announce` emits signals
//!   (after a `Set`, zbus says the new value too).
//! - No device code, refresh token or client secret crosses D-Bus. A user code crosses it as a reply to a person's
//!   question, an access token as a reply to a program that a maker has let in (`bus::tokens`); neither in a signal.
//! - Nothing on the bus waits for the network, but `Start` and `GetAccessToken`, which the machine bounds.
//! - Whatever is killed at any point comes back right; an orderly stop only saves time.
/// The D-Bus objects.
pub mod bus;
/// The only reader of clocks.
pub mod clock;
/// The configuration files.
pub mod config;
/// Certificates and proxies that people name.
pub mod egress;
/// The only speaker of HTTP.
pub mod http;
/// Channels between the bus and the tasks.
pub mod link;
/// The only opener of clips.
pub mod media;
/// Wires, supervises, stops.
pub mod run;
/// The only speaker of SQL.
pub mod store;
/// Drives the machines.
pub mod tasks;
/// The key, and what it seals.
pub mod vault;
/// Directories, mounts and networks that change.
pub mod watch;
