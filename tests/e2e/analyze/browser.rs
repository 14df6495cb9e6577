//! A real browser, driven by the W3C WebDriver protocol.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::program;

/// How the page is looked at.
#[derive(Clone, Copy)]
pub struct Window {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

/// A browser with one window, and the driver it belongs to; both end with it.
pub struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
    _profile: TempDir,
}

impl Browser {
    /// Opens a file in a window.
    pub fn open(file: &Path, window: Window) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new(program("chromedriver", "chromium-driver"))
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port: u16 = lines
            .find_map(|line| {
                let line = line.unwrap();
                let (_, port) = line.split_once("started successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            })
            .unwrap();
        // The rest is nobody's concern, but somebody must read it.
        std::thread::spawn(move || lines.for_each(drop));
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .proxy(None)
            .build()
            .into();
        let mut browser = Browser {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            agent,
            _profile: profile,
        };
        browser.begin(window);
        browser.post("/url", json!({"url": format!("file://{}", file.display())}));
        browser
    }

    fn begin(&mut self, window: Window) {
        let Window { width, height, .. } = window;
        let mut args = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--force-prefers-reduced-motion".to_owned(),
            format!(
                "--user-data-dir={}",
                self._profile.path().join("p").display()
            ),
        ];
        if window.dark {
            args.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let answer = self.post(
            "",
            json!({"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": {
                    "binary": program("chromium", "chromium"),
                    "args": args,
                },
                "goog:loggingPrefs": {"browser": "ALL"},
            }}}),
        );
        let id = answer["sessionId"].as_str().unwrap().to_owned();
        self.session = format!("{}/{id}", self.session);
        // The inside of the window, unlike its outside, can be as narrow as a telephone.
        self.post(
            "/goog/cdp/execute",
            json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": {
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}}),
        );
    }

    fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.session);
        let sent = self
            .agent
            .post(&url)
            .content_type("application/json")
            .send(body.to_string());
        Browser::value(&url, sent)
    }

    fn value(url: &str, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
        let mut response = sent.unwrap_or_else(|e| panic!("{url}: {e}"));
        let body = response.body_mut().with_config().limit(64 << 20);
        let answer: Value = serde_json::from_str(&body.read_to_string().unwrap()).unwrap();
        assert!(response.status().is_success(), "{url}: {answer}");
        answer["value"].clone()
    }

    /// Runs a function body in the page.
    #[track_caller]
    pub fn script(&self, body: &str, args: Value) -> Value {
        self.post("/execute/sync", json!({"script": body, "args": args}))
    }

    /// The text of what a selector finds first.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let text = self.script(
            "return document.querySelector(arguments[0])?.innerText ?? null",
            json!([selector]),
        );
        let text = text.as_str();
        text.unwrap_or_else(|| panic!("no {selector}")).to_owned()
    }

    /// The texts of all that a selector finds.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let all = self.script(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)",
            json!([selector]),
        );
        let all = all.as_array().unwrap();
        all.iter().map(|t| t.as_str().unwrap().to_owned()).collect()
    }

    /// A click of the mouse near the upper left corner of what a selector finds first: where a
    /// tile has its name, and no other tile in it.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let place = self.script(
            "const e = document.querySelector(arguments[0]);
            if (!e) return null;
            e.scrollIntoView({block: 'nearest'});
            const r = e.getBoundingClientRect();
            return [Math.round(r.left + Math.min(12, r.width / 2)),
                Math.round(r.top + Math.min(9, r.height / 2))]",
            json!([selector]),
        );
        assert!(place.is_array(), "no {selector}");
        self.post(
            "/actions",
            json!({"actions": [{"type": "pointer", "id": "mouse", "actions": [
                {"type": "pointerMove", "duration": 0, "x": place[0], "y": place[1]},
                {"type": "pointerDown", "button": 0},
                {"type": "pointerUp", "button": 0},
            ]}]}),
        );
    }

    /// Keys pressed on whatever has the focus.
    pub fn keys(&self, keys: &str) {
        let both = |key: char| {
            ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
        };
        let actions: Vec<Value> = keys.chars().flat_map(both).collect();
        self.post(
            "/actions",
            json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}),
        );
    }

    /// What the window shows, as a PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        let url = format!("{}/screenshot", self.session);
        let shot = Browser::value(&url, self.agent.get(&url).call());
        STANDARD.decode(shot.as_str().unwrap()).unwrap()
    }

    /// What the page complained of.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({"type": "browser"}));
        let log = log.as_array().unwrap();
        log.iter().map(|l| l["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session.
        let _ = self.agent.delete(&self.session).call();
        let began = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.driver);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        while began.elapsed() < Duration::from_secs(5) {
            if matches!(self.driver.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
