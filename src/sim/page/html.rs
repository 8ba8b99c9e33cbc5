//! The page's HTML. Every value that came from outside goes through [`escape`].

use std::fmt::Write as _;

use crate::model::ProjectView;
use crate::model::asset::AssetView;
use crate::model::channel::ChannelView;
use crate::model::code::CodeView;
use crate::model::comment::CommentView;
use crate::model::device::{DeviceView, PauseView};

/// Clips shown; the page is for looking, the control interface for counting.
const MOST_CLIPS: usize = 100;
/// Pauses shown of each device, the latest.
const MOST_PAUSES: usize = 5;

/// What the upper half of the page asks.
pub(super) enum Step<'a> {
    /// Type the code.
    Ask { typed: &'a str, said: Option<&'a str>, wrong: Option<&'a str> },
    /// Pick a project and answer.
    Choose { code: &'a str, device: &'a str, projects: &'a [ProjectView], wrong: Option<&'a str> },
}

/// Text for HTML, between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

/// The whole page.
pub(super) fn page(step: &Step<'_>, lists: &str) -> String {
    let (title, form) = match step {
        Step::Ask { typed, said, wrong } => ("Connect a device", ask(typed, *said, *wrong)),
        Step::Choose { code, device, projects, wrong } => {
            ("Approve a device", choose(code, device, projects, *wrong))
        }
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} - rigpost-sim</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header><a href=\"/\">rigpost-sim</a><span>simulated cloud</span></header>\n<main>\n{form}\
         <div id=\"lists\">{lists}</div>\n\
         <noscript><p class=\"note\"><a href=\"/\">Refresh the lists</a></p></noscript>\n</main>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn notices(said: Option<&str>, wrong: Option<&str>) -> String {
    let mut notices = String::new();
    if let Some(said) = said {
        let _ = writeln!(notices, "<p class=\"said\" role=\"status\">{}</p>", escape(said));
    }
    if let Some(wrong) = wrong {
        let _ = writeln!(notices, "<p class=\"wrong\" role=\"alert\" id=\"wrong\">{}</p>", escape(wrong));
    }
    notices
}

fn ask(typed: &str, said: Option<&str>, wrong: Option<&str>) -> String {
    // After a success there is nothing to type, and a phone's keyboard would hide the lists.
    let focus = if said.is_some() { "" } else { " autofocus" };
    let described = if wrong.is_some() { " aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" };
    format!(
        "<section class=\"card\"><h1>Connect a device</h1>\n{}\
         <form action=\"/device\" method=\"get\">\n\
         <label for=\"code\">Six-digit code on the device</label>\n\
         <input id=\"code\" name=\"code\" value=\"{}\" inputmode=\"numeric\" autocomplete=\"one-time-code\" \
         pattern=\"[0-9 \\-]*\" maxlength=\"12\" placeholder=\"000000\" required{focus}{described}>\n\
         <button class=\"primary\" id=\"continue\">Continue</button>\n</form></section>\n",
        notices(said, wrong),
        escape(typed),
    )
}

fn choose(code: &str, device: &str, projects: &[ProjectView], wrong: Option<&str>) -> String {
    let mut choices = String::new();
    for (number, project) in projects.iter().enumerate() {
        let checked = if number == 0 { " checked" } else { "" };
        let name = escape(&project.name);
        let _ = writeln!(
            choices,
            "<label class=\"choice\"><input type=\"radio\" name=\"project\" value=\"{name}\" required{checked}>\
             <span>{name}</span></label>"
        );
    }
    format!(
        "<section class=\"card\"><h1>Approve this device?</h1>\n{}\
         <p class=\"device\"><strong id=\"device\">{}</strong> wants to upload clips.</p>\n\
         <p class=\"code\" aria-label=\"Code {code}\">{code}</p>\n\
         <form action=\"/answer\" method=\"post\">\n<input type=\"hidden\" name=\"code\" value=\"{code}\">\n\
         <fieldset><legend>Into which project?</legend>\n{choices}</fieldset>\n\
         <button class=\"primary\" id=\"approve\" name=\"decision\" value=\"approve\">Approve</button>\n\
         <button class=\"danger\" id=\"deny\" name=\"decision\" value=\"deny\" formnovalidate>Deny</button>\n\
         </form>\n<p class=\"note\"><a href=\"/\">Another code</a></p></section>\n",
        notices(None, wrong),
        escape(device),
        code = escape(code),
    )
}

/// The part of the page that refreshes itself.
pub(super) fn lists(codes: &[CodeView], devices: &[DeviceView], assets: &[AssetView]) -> String {
    let mut html = String::new();
    let waiting: Vec<&CodeView> = codes.iter().filter(|code| code.state == "pending").collect();
    if !waiting.is_empty() {
        html.push_str(
            "<section class=\"card\" id=\"waiting\"><h2>Waiting for their code</h2>\n<ul class=\"plain\">\n",
        );
        for code in waiting {
            let _ = writeln!(
                html,
                "<li><span>{}</span> <span class=\"note\">{} s left</span></li>",
                escape(&code.name),
                code.expires_in
            );
        }
        html.push_str("</ul></section>\n");
    }
    html.push_str("<section class=\"card\" id=\"devices\"><h2>Devices</h2>\n");
    let connecting: Vec<&CodeView> = codes.iter().filter(|code| code.state == "approved").collect();
    if devices.is_empty() && connecting.is_empty() {
        html.push_str("<p class=\"note\">No device is connected yet.</p>\n");
    }
    for code in connecting {
        let _ = writeln!(
            html,
            "<article><h3>{} <span class=\"state\">connecting</span></h3></article>",
            escape(&code.name)
        );
    }
    devices.iter().for_each(|device| html.push_str(&device_html(device)));
    html.push_str("</section>\n<section class=\"card\" id=\"clips\"><h2>Clips</h2>\n");
    if assets.is_empty() {
        html.push_str("<p class=\"note\">No clip has arrived yet.</p>\n");
    }
    assets.iter().rev().take(MOST_CLIPS).for_each(|asset| html.push_str(&clip_html(asset)));
    if assets.len() > MOST_CLIPS {
        let _ = writeln!(html, "<p class=\"note\">and {} older ones</p>", assets.len() - MOST_CLIPS);
    }
    html.push_str("</section>\n");
    html
}

/// "2026-08-22T12:00:05.123456Z" as people read it.
fn time(stamp: &str) -> String {
    let (date, rest) = stamp.split_once('T').unwrap_or((stamp, ""));
    format!("{date} {} UTC", rest.get(..8).unwrap_or_default())
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match UNITS.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10)),
        None => format!("{bytes} bytes"),
    }
}

/// A span of time as people read it. It moves in steps, so that the page need not be drawn again each second.
fn ago(seconds: u64) -> String {
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{} s ago", seconds / 10 * 10),
        60..3600 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3600),
    }
}

fn presence(device: &DeviceView) -> String {
    let version =
        device.client_version.as_deref().map_or(String::new(), |v| format!(", version {}", escape(v)));
    let beats = match (device.heartbeats, device.heartbeats_too_soon) {
        (0, _) => String::new(),
        (1, _) => ", 1 heartbeat".to_owned(),
        (count, 0) => format!(", {count} heartbeats"),
        (count, soon) => format!(", {count} heartbeats, <strong>{soon} too soon</strong>"),
    };
    let socket = if device.sockets > 0 { ", socket open" } else { "" };
    // The badge says it already, unless it says "paused".
    let away = device.status == "paused" && device.presence == "offline";
    let away = if away { "offline, " } else { "" };
    format!("<p class=\"note\">{away}last call {}{socket}{beats}{version}</p>\n", ago(device.quiet_seconds))
}

fn pauses(pauses: &[PauseView]) -> String {
    let mut html = String::new();
    for pause in pauses.iter().rev().take(MOST_PAUSES) {
        let until = pause.until.as_deref().map_or_else(|| "now".to_owned(), time);
        let _ = writeln!(html, "<p class=\"note pause\">paused {} to {until}</p>", time(&pause.from));
    }
    html
}

/// The device's own channel goes without saying.
fn channels(channels: &[ChannelView]) -> String {
    let mut html = String::new();
    for channel in channels.iter().filter(|channel| channel.external_index > 0) {
        let state = if channel.connected { "connected" } else { "disconnected" };
        let (index, name) = (channel.external_index, escape(&channel.name));
        let _ = writeln!(html, "<p class=\"note channel\">channel {index}: {name}, {state}</p>");
    }
    html
}

fn comments(comments: &[CommentView]) -> String {
    let mut html = String::new();
    for comment in comments {
        let frame = comment.timestamp.map_or(String::new(), |frame| format!("frame {frame}: "));
        let _ = writeln!(html, "<p class=\"note comment\">{frame}{}</p>", escape(&comment.text));
    }
    html
}

fn device_html(device: &DeviceView) -> String {
    let button = |action: &str, label: &str| {
        format!(
            "<button name=\"action\" value=\"{action}\" aria-label=\"{label} {}\">{label}</button>",
            escape(&device.name)
        )
    };
    let buttons = match device.status.as_str() {
        "forgotten" => String::new(),
        "paused" => format!("{}{}", button("resume", "Resume"), button("forget", "Forget")),
        _ => format!("{}{}", button("pause", "Pause"), button("forget", "Forget")),
    };
    let status = escape(&device.status);
    let id = escape(&device.client_id);
    format!(
        "<article><h3>{name} <span class=\"state {status}\">{status}</span></h3>\n\
         <p>{project}</p>{presence}{channels}{pauses}\
         <form class=\"row\" action=\"/devices\" method=\"post\">\
         <input type=\"hidden\" name=\"client_id\" value=\"{id}\">{buttons}</form></article>\n",
        name = escape(&device.name),
        project = escape(&device.project.name),
        presence = presence(device),
        channels = channels(&device.channels),
        pauses = pauses(&device.pauses),
    )
}

fn clip_html(asset: &AssetView) -> String {
    let (done, total) = (asset.parts_done, asset.parts_total);
    let grows = asset.realtime.as_ref().is_some_and(|growth| !growth.ended);
    let arrived = match &asset.sha256 {
        // Of how much it will be nobody knows.
        None if grows => format!(
            "</p>\n<p><progress aria-label=\"Bytes arrived\"></progress> \
             <span class=\"note\">{} arrived, {done} of {total} parts so far</span></p>",
            size(asset.bytes_done),
        ),
        Some(sha256) => format!(
            ", {total} {}</p>\n<p class=\"hash\"><span class=\"note\">SHA-256</span> <code>{sha256}</code></p>",
            if total == 1 { "part" } else { "parts" }
        ),
        None => format!(
            "</p>\n<p><progress max=\"{}\" value=\"{}\" aria-label=\"Bytes arrived\"></progress> \
             <span class=\"note\">{} of {}, {done} of {total} parts</span></p>",
            asset.size.max(1),
            asset.bytes_done,
            size(asset.bytes_done),
            size(asset.size),
        ),
    };
    let state = match (&asset.sha256, grows) {
        (Some(_), _) => ("arrived", "arrived"),
        (None, true) => ("", "growing"),
        (None, false) => ("", "arriving"),
    };
    let length = if grows { format!("{} so far", size(asset.size)) } else { size(asset.size) };
    let version = if asset.version > 1 { format!(", version {}", asset.version) } else { String::new() };
    format!(
        "<article><h3>{name} <span class=\"state {}\">{}</span></h3>\n<p>{project}, {length}{version}</p>\n\
         <p class=\"note\">{created}{arrived}\n{comments}</article>\n",
        state.0,
        state.1,
        name = escape(&asset.name),
        project = escape(&asset.project),
        created = time(&asset.created),
        comments = comments(&asset.comments),
    )
}

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_become_markup() {
        assert_eq!(escape("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
        let html = ask("\"><script>", None, Some("<b>"));
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
    }

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(21_136_250), "21.1 MB");
        assert_eq!(size(1_000_000_000), "1.0 GB");
        assert_eq!(time("2026-08-22T12:00:05.123456Z"), "2026-08-22 12:00:05 UTC");
        assert_eq!([ago(3), ago(59), ago(61), ago(7200)], ["just now", "50 s ago", "1 min ago", "2 h ago"]);
    }
}
