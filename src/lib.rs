//! rigpost: a camera rig's post office. Pairs the rig with a cloud project by the device flow (RFC 8628), keeps the
//! grant alive, and carries clips from a durable queue to the cloud.
//!
//! # The way of the data
//!
//! ```text
//!  screen, rigpost          bus           link            tasks                http        provider's cloud
//!  ───────────────► D-Bus ──────► command ──────► keeper, uploader ──────────► request ──────────────────►
//!  ◄─────────────── signal ◄──────snapshot ◄────── │  events in, actions out ◄─ answer ◄─────────────────
//!                                                  ▼
//!                                              domain (pure machines)   provider (words of the dialect)
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
//! | module | may use |
//! | --- | --- |
//! | [`domain`] | nothing of this crate |
//! | [`network`] | `domain`, `clock` |
//! | [`provider`], [`vault`], [`link`], [`clock`] | `domain` |
//! | [`media`] | `domain`, `clock` |
//! | [`watch`] | nothing of this crate |
//! | [`store`] | `domain`, `vault` |
//! | [`http`] | `domain`, `provider`, `clock`, `media` |
//! | [`bus`] | `domain`, `link`, `clock` |
//! | [`tasks`] | `domain`, `provider`, `http`, `store`, `vault`, `clock`, `link`, `media`, `watch` |
//! | [`config`] | `domain` |
//! | [`daemon`] | everything above |
//! | [`cli`] | `config`; it speaks to the daemon over the bus like any other client |
//! | [`sim`] | nothing: a simulator that shared our code would share our misreadings |
//!
//! # Architecture invariants
//!
//! - The domain never asks what time it is, and nobody but [`clock`] reads a clock.
//! - Only the keeper writes tokens; only the store knows SQL; only `bus::announce` emits signals
//!   (after a `Set`, zbus says the new value too).
//! - No device code, refresh token or client secret crosses D-Bus. A user code crosses it as a reply to a person's
//!   question, an access token as a reply to a program that a maker has let in (`bus::tokens`); neither in a signal.
//! - Nothing on the bus waits for the network, but `Start` and `GetAccessToken`, which the machine bounds.
//! - Whatever is killed at any point comes back right; an orderly stop only saves time.
pub mod bus;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod http;
pub mod link;
pub mod media;
pub mod network;
pub mod provider;
pub mod sim;
pub mod store;
pub mod tasks;
pub mod vault;
pub mod watch;
