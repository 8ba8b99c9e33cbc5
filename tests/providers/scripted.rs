//! A provider that answers in a test's own words: a bare HTTP/1.1 server with a list of answers for each question.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::common::*;

/// What a rig asks. Everything else is its path.
pub(crate) const POLL: &str = "poll";
pub(crate) const REFRESH: &str = "refresh";
pub(crate) const CODE: &str = "/code";

pub(crate) const A_CODE: &str = r#"{"device_code":"dc-1","user_code":"WDJB-MJHT","verification_uri":"https://idp.example/d",
    "expires_in":900,"interval":1}"#;

/// No answer, on a connection that stays open.
pub(crate) const SILENCE: String = String::new();

#[derive(Default)]
struct Script {
    /// The last of a list is given again and again.
    answers: HashMap<String, Vec<String>>,
    asked: Vec<(String, String)>,
}

pub(crate) struct Scripted {
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
    /// Changes with each question.
    heard: watch::Sender<()>,
    serving: JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An answer in JSON.
pub(crate) fn json(status: u16, body: &str) -> String {
    raw(status, "content-type: application/json\r\n", body)
}

/// An answer with these lines in its head.
pub(crate) fn raw(status: u16, head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\n{head}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Tokens that live for so many seconds; number `n`.
pub(crate) fn tokens(n: u32, seconds: u32) -> String {
    let body = format!(
        r#"{{"access_token":"at-{n}-SIMSECRET","refresh_token":"rt-{n}-SIMSECRET","token_type":"Bearer","expires_in":{seconds}}}"#
    );
    json(200, &body)
}

impl Scripted {
    /// One that gives a code and has nothing else to say.
    pub(crate) async fn start() -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::<Mutex<Script>>::default();
        let (told, heard) = (script.clone(), watch::Sender::new(()));
        let tell = heard.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, told.clone(), tell.clone()));
            }
        });
        let scripted = Scripted { url, script, heard, serving };
        scripted.says(CODE, [json(200, A_CODE)]);
        scripted
    }

    /// From now on, one after the other; the last again and again.
    pub(crate) fn says(&self, to: &str, answers: impl IntoIterator<Item = String>) {
        let mut answers: Vec<String> = answers.into_iter().collect();
        answers.reverse();
        self.script.lock().unwrap().answers.insert(to.to_owned(), answers);
    }

    /// The bodies that came with this question.
    pub(crate) fn asked(&self, what: &str) -> Vec<String> {
        let script = self.script.lock().unwrap();
        script.asked.iter().filter(|(to, _)| to == what).map(|(_, body)| body.clone()).collect()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn wait_asked(&self, what: &str, times: usize) {
        let mut heard = self.heard.subscribe();
        soon(what, heard.wait_for(|_| self.asked(what).len() >= times)).await.unwrap();
    }

    /// A rig whose public client knows the endpoints.
    pub(crate) fn rig(&self) -> Setup {
        let at = &self.url;
        let section = format!(
            "kind = \"oauth\"\nclient_id = \"app-1\"\nclient_auth = \"none\"\n\
             device_authorization_endpoint = \"{at}/code\"\ntoken_endpoint = \"{at}/token\"\n\
             revocation_endpoint = \"{at}/revoke\"\n"
        );
        Setup { provider: Some(section), ..Setup::new() }
    }

    /// A rig that finds them by the issuer.
    pub(crate) fn found(&self) -> Setup {
        let section = format!(
            "kind = \"oauth\"\nclient_id = \"app-1\"\nclient_auth = \"none\"\nissuer = \"{}\"\n",
            self.url
        );
        Setup { provider: Some(section), ..Setup::new() }
    }

    /// What the issuer publishes.
    pub(crate) fn metadata(&self) -> String {
        let at = &self.url;
        format!(
            r#"{{"issuer":"{at}","device_authorization_endpoint":"{at}/code","token_endpoint":"{at}/token","jwks_uri":"{at}/keys"}}"#
        )
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>, heard: watch::Sender<()>) {
    let Some((path, body)) = request(&mut stream).await else { return };
    let what = match path.as_str() {
        "/token" if body.contains("device_code") => POLL.to_owned(),
        "/token" => REFRESH.to_owned(),
        _ => path,
    };
    let answer = {
        let mut script = script.lock().unwrap();
        script.asked.push((what.clone(), body));
        match script.answers.get_mut(&what) {
            Some(answers) if answers.len() > 1 => answers.pop().unwrap(),
            Some(answers) => answers[0].clone(),
            None => raw(404, "", ""),
        }
    };
    heard.send_replace(());
    if answer == SILENCE {
        return std::future::pending().await;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_ascii_lowercase()
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
            if body.len() >= length {
                return Some((head.split(' ').nth(1)?.to_owned(), body.to_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
