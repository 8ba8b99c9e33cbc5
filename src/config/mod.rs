//! The configuration, as the daemon uses it.
use serde::Deserialize;
use std::path::{Path, PathBuf};
use url::Url;
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    pub device: Device,
    pub provider: ProviderS,
    pub state: StateS,
    pub vault: VaultS,
    pub queue: QueueS,
    pub log: Log,
}
#[derive(Clone, Debug, Deserialize)]
pub struct Device {
    pub client_id: Option<String>,
}
impl Device {
    pub fn client_id(&self) -> std::io::Result<Option<String>> {
        Ok(self.client_id.clone())
    }
}
#[derive(Clone, Debug, Deserialize)]
pub struct ProviderS {
    pub base_url: Url,
    pub client_version: String,
    pub url_pairing: bool,
    pub secret_on_poll: bool,
    pub ca_file: Option<PathBuf>,
}
#[derive(Clone, Debug, Deserialize)]
pub struct StateS {
    pub dir: PathBuf,
}
#[derive(Clone, Debug, Deserialize)]
pub struct VaultS {
    pub key_file: PathBuf,
}
#[derive(Clone, Debug, Deserialize)]
pub struct QueueS {
    pub media_dirs: Vec<PathBuf>,
    pub max_items: u64,
    pub parallel_parts: usize,
}
#[derive(Clone, Debug, Deserialize)]
pub struct Log {
    pub level: LogLevel,
}
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}
pub fn load(p: &Path) -> Result<Settings, String> {
    toml::from_str(&std::fs::read_to_string(p).map_err(|e| e.to_string())?).map_err(|e| e.to_string())
}
