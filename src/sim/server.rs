//! The accept loop: one task per connection, HTTP/1.1 on TCP or TLS.
//!
//! # Decisions
//! axum's own `serve` hides the connection; the rules here need it (a second pairing-code request on one
//! connection, resets in the middle of an answer). So hyper serves each connection with the router, and the
//! connection travels with its requests as an extension. Keep-alive has no idle limit: a connection that the
//! server drops at a moment nobody chose makes tests flaky.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::app::App;
use super::connection::{Connection, Socket};
use super::{clock, control, origin, page, wire};

/// Connections served at once; more wait in the listener's queue.
const MOST_CONNECTIONS: usize = 1024;

fn router(app: Arc<App>) -> Router {
    let people = page::routes().merge(control::routes());
    let people = people.layer(middleware::from_fn(origin::guard)).layer(DefaultBodyLimit::max(1 << 20));
    people.fallback(wire::serve).with_state(app)
}

/// Accepts until the task is aborted; that ends all connections with it.
pub(crate) async fn run(listener: TcpListener, tls: Option<TlsAcceptor>, app: Arc<App>) {
    let router = router(app);
    let mut connections = JoinSet::new();
    let mut count = 0;
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _peer)) => {
                count += 1;
                let connection = Arc::new(Connection::new(count));
                let router = router.clone().layer(Extension(Arc::clone(&connection)));
                connections.spawn(serve(stream, tls.clone(), router, connection));
            }
            // Out of file descriptors, or a connection that died in the queue: neither ends the simulator.
            Err(_) => clock::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, connection: Arc<Connection>) {
    // Small answers must not wait for more to come; without it they are only slower.
    let _slower = stream.set_nodelay(true);
    let socket = Socket::new(stream, Arc::clone(&connection));
    let served = async {
        let ended = match tls {
            None => http(socket, router).await,
            // A failed handshake is the client's to report.
            Some(acceptor) => match acceptor.accept(socket).await {
                Ok(stream) => http(stream, router).await,
                Err(_) => Ok(()),
            },
        };
        if let (Ok(()), Some(upgraded)) = (&ended, connection.upgraded()) {
            upgraded.await;
        }
        ended
    };
    tokio::select! {
        _ended = served => {}
        () = connection.cut_asked() => {}
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
) -> io::Result<()> {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    served.map_err(io::Error::other)
}
