//! A rig in a few lines: what the tests use to talk to the simulator.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Body, Method, StatusCode};
use rigpost_sim::{Sim, SimOptions};
use serde_json::{Value, json};

pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Short lives, so that no test waits for long.
pub(crate) fn quick() -> SimOptions {
    SimOptions { interval: 0.0, ..SimOptions::default() }
}

pub(crate) fn http() -> reqwest::ClientBuilder {
    // Another test of this process may have been first; any ring provider will do.
    let _first = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none())
}

/// Lets real time pass: the rules under test are about it.
#[expect(clippy::disallowed_methods, reason = "the simulator's clock is the machine's")]
pub(crate) async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    pub(crate) fn text_of(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.text)).to_owned()
    }

    /// The error word of the simple shape, with its status.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    /// The title of the detailed shape, with its status, after a check of the whole shape.
    pub(crate) fn title(&self) -> (u16, String) {
        let (body, status) = (self.json(), self.status.as_u16());
        assert_eq!(body["code"], status, "{body}");
        assert_eq!(body["errors"][0]["status"], status, "{body}");
        assert_eq!(body["errors"][0]["title"], body["message"], "{body}");
        (status, body["message"].as_str().unwrap().to_owned())
    }
}

/// A rig that talks to one simulator.
pub(crate) struct Rig<'a> {
    pub(crate) sim: &'a Sim,
    pub(crate) http: reqwest::Client,
    pub(crate) client_id: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl<'a> Rig<'a> {
    pub(crate) fn new(sim: &'a Sim) -> Self {
        let http = http().build().unwrap();
        Self { sim, http, client_id: "rig-1".into(), access: String::new(), refresh: String::new() }
    }

    /// A rig that has been through the whole pairing.
    pub(crate) async fn paired(sim: &'a Sim) -> Self {
        let mut rig = Self::new(sim);
        rig.pair("Testbed").await;
        rig
    }

    pub(crate) async fn pair(&mut self, project: &str) {
        let code = self.request_code().await;
        assert_eq!(code.status, 200, "{}", code.text);
        self.sim.approve(&code.text_of("user_code"), project).unwrap();
        let tokens = self.poll(&code.text_of("device_code")).await;
        self.take(&tokens);
    }

    /// Takes over the tokens of an answer.
    pub(crate) fn take(&mut self, tokens: &Answer) {
        self.access = tokens.text_of("access_token");
        self.refresh = tokens.text_of("refresh_token");
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.header("x-client-version", "1.2.3").send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    pub(crate) fn at(&self, path: &str) -> String {
        self.sim.url().join(path).unwrap().to_string()
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::Result<Answer> {
        self.send(self.http.post(self.at(path)).form(fields)).await
    }

    /// Asks for a code the way the papers demand: with a connection of its own.
    pub(crate) async fn request_code(&self) -> Answer {
        let fresh = http().pool_max_idle_per_host(0).build().unwrap();
        let fields = [
            ("client_id", self.client_id.as_str()),
            ("client_secret", "sim-client-secret"),
            ("scope", "asset_create offline"),
        ];
        let request = fresh.post(self.at("/v2/auth/device/code")).form(&fields);
        self.send(request.header("x-client-platypus-enabled", "true")).await.unwrap()
    }

    pub(crate) async fn poll(&self, device_code: &str) -> Answer {
        let id = self.client_id.as_str();
        let fields = [("client_id", id), ("device_code", device_code), ("grant_type", DEVICE_GRANT)];
        self.form("/v2/auth/token", &fields).await.unwrap()
    }

    pub(crate) async fn try_refresh(&self, token: &str) -> reqwest::Result<Answer> {
        let fields = [
            ("client_id", self.client_id.as_str()),
            ("client_secret", "sim-client-secret"),
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
        ];
        self.form("/v2/auth/token", &fields).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.try_refresh(token).await.unwrap()
    }

    pub(crate) async fn me(&self) -> Answer {
        self.send(self.http.get(self.at("/v2/devices/me")).bearer_auth(&self.access)).await.unwrap()
    }

    pub(crate) async fn create(&self, body: Value) -> Answer {
        self.post("/v2/devices/assets", &body).await
    }

    /// Creates a clip of `size` bytes in `parts` parts; answers its id and upload addresses.
    pub(crate) async fn clip(&self, size: usize, parts: usize) -> (String, Vec<String>) {
        let body = json!({
            "name": "A001.mov", "filetype": "video/quicktime", "filesize": size, "offset": 0, "parts": parts,
        });
        let answer = self.create(body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        (answer.text_of("id"), addresses(&answer))
    }

    pub(crate) fn part(&self, url: &str, body: impl Into<Body>) -> reqwest::RequestBuilder {
        let request = self.http.request(Method::PUT, url).body(body);
        request.header("content-type", "video/quicktime").header("x-amz-acl", "private")
    }

    pub(crate) async fn put(&self, url: &str, body: impl Into<Body>) -> Answer {
        self.send(self.part(url, body)).await.unwrap()
    }

    /// Calls the API without a body.
    pub(crate) async fn call(&self, path: &str) -> Answer {
        self.send(self.http.post(self.at(path)).bearer_auth(&self.access)).await.unwrap()
    }

    /// Calls the API with JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.http.post(self.at(path)).bearer_auth(&self.access);
        let request = request.header("content-type", "application/json").body(body.to_string());
        self.send(request).await.unwrap()
    }

    /// Creates a clip that grows; answers its id.
    pub(crate) async fn grow(&self, name: &str) -> String {
        let body =
            json!({"name": name, "filetype": "video/quicktime", "is_realtime_upload": true, "offset": 0});
        let answer = self.create(body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.text_of("id")
    }

    pub(crate) async fn register(&self, id: &str, body: Value) -> Answer {
        self.post(&format!("/v2/devices/assets/{id}/realtime_upload/parts"), &body).await
    }

    /// Registers one part that is not the final one; answers where it goes.
    pub(crate) async fn place(&self, id: &str, number: u64, size: usize) -> String {
        let answer = self.register(id, json!({"parts": [{"number": number, "size": size}]})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        addresses(&answer).remove(0)
    }
}

pub(crate) fn addresses(answer: &Answer) -> Vec<String> {
    let urls = answer.json()["upload_urls"].as_array().unwrap().clone();
    urls.iter().map(|url| url.as_str().unwrap().to_owned()).collect()
}
