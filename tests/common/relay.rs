//! A line to a server that breaks when a test says so: TCP from a port of its own to the server's, byte for byte.
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The line. It ends with this.
pub(crate) struct Relay {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    task: JoinHandle<()>,
}

/// What goes wrong.
#[derive(Default)]
struct Plan {
    /// The line breaks once so many bytes have gone to the server.
    cut: Option<u64>,
    /// What the server says to the next request that begins like this is lost, and the line with it.
    lost: Option<String>,
    /// The next requests that begin like this are answered so, on new connections; how many are.
    refused: Option<(String, String, u32)>,
}

impl Relay {
    pub(crate) async fn start(to: SocketAddr) -> Relay {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, plan) = (listener.local_addr().unwrap(), Arc::<Mutex<Plan>>::default());
        let shared = plan.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, to, shared.clone()));
            }
        });
        Relay { address, plan, task }
    }

    /// The same address as this one, at the line's own port.
    pub(crate) fn url(&self, url: &str) -> String {
        let mut url: url::Url = url.parse().unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// Breaks once, after so many more bytes.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.plan.lock().unwrap().cut = Some(bytes);
    }

    /// Loses the answer to the next request that begins like this.
    pub(crate) fn lose_answer(&self, to: &str) {
        self.plan.lock().unwrap().lost = Some(to.to_owned());
    }

    /// It has happened.
    pub(crate) fn has_struck(&self) -> bool {
        let plan = self.plan.lock().unwrap();
        plan.cut.is_none() && plan.lost.is_none() && plan.refused.as_ref().is_none_or(|(.., left)| *left == 0)
    }

    /// Answers the next `times` requests that begin like this, and that are the first of their connections, in the
    /// server's place.
    pub(crate) fn refuse(&self, to: &str, times: u32, status: u16, body: &str) {
        let answer = format!(
            "HTTP/1.1 {status} No\r\nconnection: close\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.plan.lock().unwrap().refused = Some((to.to_owned(), answer, times));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, to: SocketAddr, plan: Arc<Mutex<Plan>>) {
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut first, mut is_lost) = (true, false);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(n @ 1..) = read else { return };
                let head = String::from_utf8_lossy(&up[..n.min(200)]).into_owned();
                let mut answer = None;
                {
                    let mut plan = plan.lock().unwrap();
                    if plan.lost.as_ref().is_some_and(|begins| head.starts_with(begins)) {
                        (plan.lost, is_lost) = (None, true);
                    }
                    if let Some((begins, said, left)) = &mut plan.refused
                        && first && *left > 0 && head.starts_with(begins.as_str())
                    {
                        *left -= 1;
                        answer = Some(said.clone());
                    }
                    if let Some(left) = &mut plan.cut {
                        *left = left.saturating_sub(n as u64);
                        if *left == 0 {
                            plan.cut = None;
                            return;
                        }
                    }
                }
                first = false;
                if let Some(answer) = answer {
                    let _ = client.write_all(answer.as_bytes()).await;
                    let _ = client.shutdown().await;
                    // Or what is unread would reset the line before the answer is heard.
                    while let Ok(1..) = client.read(&mut up).await {}
                    return;
                }
                if server.write_all(&up[..n]).await.is_err() { return }
            }
            read = server.read(&mut down) => {
                let Ok(n @ 1..) = read else { return };
                // That it may begin is no answer.
                let may_go_on = down[..n].starts_with(b"HTTP/1.1 100");
                if is_lost && !may_go_on { return }
                if client.write_all(&down[..n]).await.is_err() { return }
            }
        }
    }
}
