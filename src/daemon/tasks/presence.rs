//! Holds the socket over which the project sees the rig, as long as the rig's task wants one.
//!
//! # Decisions
//! - A task of its own, because a socket has news as long as it lives: the rig's task gets them with everything else that it
//!   is told, and decides.
//! - That the provider takes no socket is said once for each word of its: it is asked again every few hours.
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::clock::Clock;
use crate::http::{Socket, Transport};
use crate::link::ToRig;
use crate::tasks::deps::Deps;
use rigpost_core::identity::socket::SocketNews;
use rigpost_core::oauth::{AccessToken, Cause};
use rigpost_core::provider::wire::trouble;
use rigpost_core::provider::{Provider, Said, Session, SocketEnd};
use rigpost_core::seq::Seq;

/// The socket that there is to be.
#[derive(Clone, Debug)]
pub struct SocketWish {
    /// Its number: what is told of it carries that.
    pub seq: Seq,
    /// What it is opened with.
    pub token: AccessToken,
    /// What the provider calls the device, the likelier name first.
    pub names: Vec<String>,
}

/// Everything it needs is given to it.
pub struct PresenceTask<T> {
    provider: Provider,
    transport: Arc<T>,
    clock: Clock,
    wishes: watch::Receiver<Option<SocketWish>>,
    to_rig: mpsc::Sender<ToRig>,
    /// The last refusal that was said.
    refused: String,
}

impl<T: Transport> PresenceTask<T> {
    /// Nothing happens before [`PresenceTask::run`].
    pub fn new(
        deps: Deps<T>,
        wishes: watch::Receiver<Option<SocketWish>>,
        to_rig: mpsc::Sender<ToRig>,
    ) -> PresenceTask<T> {
        let Deps { provider, transport, clock, .. } = deps;
        PresenceTask { provider, transport, clock, wishes, to_rig, refused: String::new() }
    }

    /// Runs until `stop`; a socket that is open is closed within a second.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut wishes = self.wishes.clone();
        loop {
            let wish = wishes.borrow_and_update().clone();
            if let Some(wish) = wish {
                let mut next = wishes.clone();
                let over = async {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        _ = next.changed() => {}
                    }
                };
                // On the heap, and only as long as there is one: a handshake is large.
                if let Some(end) = Box::pin(self.hold(&wish, over)).await {
                    self.ended(wish.seq, end).await;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = wishes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// From the handshake to the end: why it came, or `None` where it is `over`.
    async fn hold(&self, wish: &SocketWish, over: impl Future<Output = ()>) -> Option<SocketEnd> {
        let Some(request) = self.provider.socket(&wish.token) else {
            return Some(SocketEnd::Refused("this provider has none".to_owned()));
        };
        let mut over = pin!(over);
        let opened = tokio::select! {
            biased;
            () = &mut over => return None,
            opened = self.transport.socket(request) => opened,
        };
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(end) => return Some(end),
        };
        let end = tokio::select! {
            biased;
            () = over => None,
            end = self.talk(&mut socket, wish) => Some(end),
        };
        if !matches!(end, Some(SocketEnd::Trouble(_))) {
            socket.close().await;
        }
        end
    }

    async fn talk(&self, socket: &mut Socket, wish: &SocketWish) -> SocketEnd {
        let (mut session, join) = Session::begin(&wish.names, &wish.token, self.clock.now());
        let mut due = vec![Said::Send(join)];
        loop {
            for said in due {
                match said {
                    Said::Send(text) => {
                        if let Err(end) = socket.send(text).await {
                            return end;
                        }
                    }
                    Said::Joined => {
                        debug!("the project sees this rig by a socket");
                        self.tell(wish.seq, SocketNews::Joined).await;
                    }
                    Said::Updated => self.tell(wish.seq, SocketNews::Updated).await,
                    Said::Refused(word) => return SocketEnd::Refused(word),
                    Said::Dead(why) => return SocketEnd::Trouble(trouble(Cause::Network, why, None)),
                }
            }
            due = tokio::select! {
                text = socket.next() => match text {
                    Ok(text) => session.heard(&text, self.clock.now()),
                    Err(end) => return end,
                },
                () = self.clock.sleep_until(session.deadline()) => session.timer(self.clock.now()),
            };
        }
    }

    async fn ended(&mut self, seq: Seq, end: SocketEnd) {
        match &end {
            SocketEnd::Refused(word) if *word != self.refused => {
                info!("the provider takes no socket from this rig: {word}");
                self.refused.clone_from(word);
            }
            SocketEnd::Refused(_) => {}
            SocketEnd::Trouble(t) => debug!("the socket to the provider is over: {}", t.why),
        }
        self.tell(seq, SocketNews::Over(end)).await;
    }

    /// The rig's task takes everything as long as it runs.
    async fn tell(&self, seq: Seq, news: SocketNews) {
        let _ = self.to_rig.send(ToRig::Socket(seq, news)).await;
    }
}
