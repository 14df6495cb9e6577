//! `/events`: what has happened, now and lately.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::error::ApiError;
use crate::query::Params;
use crate::state::App;
use crate::stream::feed;

/// How many events are remembered, and how many a slow client may be behind.
const REMEMBERED: usize = 256;

/// Tells of what happens.
pub struct Bus {
    sender: broadcast::Sender<Value>,
    past: Mutex<VecDeque<Value>>,
}

impl Default for Bus {
    fn default() -> Bus {
        Bus {
            sender: broadcast::channel(REMEMBERED).0,
            past: Mutex::default(),
        }
    }
}

impl Bus {
    /// Something happened to an image: its id or name, and what it is called.
    pub fn image(&self, action: &str, id: &str, name: &str) {
        let mut event = event("image", action, id, &[("name", name)]);
        // What clients of old look at.
        event["status"] = action.into();
        event["id"] = id.into();
        self.tell(event);
    }

    /// Something happened to a container.
    pub fn container(&self, action: &str, id: &str, image: &str) {
        let mut event = event("container", action, id, &[("image", image)]);
        event["status"] = action.into();
        event["id"] = id.into();
        event["from"] = image.into();
        self.tell(event);
    }

    /// Something was pruned.
    pub fn pruned(&self, kind: &str, bytes: u64) {
        self.tell(event(
            kind,
            "prune",
            "",
            &[("reclaimed", &bytes.to_string())],
        ));
    }

    fn tell(&self, event: Value) {
        let mut past = self.past.lock().unwrap_or_else(|e| e.into_inner());
        if past.len() == REMEMBERED {
            past.pop_front();
        }
        past.push_back(event.clone());
        // Nobody may be listening.
        let _ = self.sender.send(event);
    }

    /// What was, and what will be.
    fn listen(&self) -> (Vec<Value>, broadcast::Receiver<Value>) {
        let past = self.past.lock().unwrap_or_else(|e| e.into_inner());
        (past.iter().cloned().collect(), self.sender.subscribe())
    }
}

fn event(kind: &str, action: &str, id: &str, attributes: &[(&str, &str)]) -> Value {
    let now = Timestamp::now();
    let attributes: Map<String, Value> = attributes
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).into()))
        .collect();
    json!({
        "Type": kind,
        "Action": action,
        "Actor": { "ID": id, "Attributes": attributes },
        "scope": "local",
        "time": now.as_second(),
        "timeNano": i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX),
    })
}

/// A point in time: seconds since 1970 with an optional fraction, or RFC 3339.
fn point(text: &str) -> Result<i64, ApiError> {
    let bad = || ApiError::invalid(format!("{text:?}: expected seconds since 1970 or RFC 3339"));
    let nanoseconds = |t: Timestamp| i64::try_from(t.as_nanosecond()).map_err(|_| bad());
    if let Ok(time) = text.parse::<Timestamp>() {
        return nanoseconds(time);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().map_err(|_| bad())?;
    let digits: String = format!("{fraction:0<9}").chars().take(9).collect();
    let fraction: i64 = digits.parse().map_err(|_| bad())?;
    let whole = seconds.checked_mul(1_000_000_000).ok_or_else(bad)?;
    whole.checked_add(fraction).ok_or_else(bad)
}

/// Whether an event passes: any value of each filter.
fn passes(event: &Value, filters: &[(String, String)]) -> bool {
    let matches = |name: &str, value: &str| {
        let actor = &event["Actor"];
        match name {
            "type" => event["Type"] == *value,
            "event" => event["Action"] == *value,
            "scope" => event["scope"] == *value,
            "image" => {
                let name = actor["Attributes"]["name"].as_str().unwrap_or_default();
                event["Type"] == "image"
                    && (actor["ID"] == *value
                        || name == value
                        || name.split(':').next() == Some(value))
            }
            "label" => {
                let (key, wanted) = value.split_once('=').unwrap_or((value, ""));
                let found = actor["Attributes"].get(key);
                found.is_some_and(|f| !value.contains('=') || f == wanted)
            }
            _ => false,
        }
    };
    filters.iter().all(|(name, _)| {
        let mut same = filters.iter().filter(|(n, _)| n == name);
        same.any(|(n, v)| matches(n, v))
    })
}

/// `GET /events`
pub async fn events(State(app): State<App>, params: Params) -> Result<Response, ApiError> {
    let filters = params.filters()?;
    let since = params.get("since").map(point).transpose()?;
    let until = params.get("until").map(point).transpose()?;
    let (past, mut coming) = app.events.listen();
    let (feed, response) = feed(&app);
    let time = |event: &Value| event["timeNano"].as_i64().unwrap_or_default();
    tokio::spawn(async move {
        for event in past {
            let timely =
                since.is_some_and(|s| time(&event) >= s) && until.is_none_or(|u| time(&event) <= u);
            if timely && passes(&event, &filters) && !feed.send(&event).await {
                return;
            }
        }
        let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let left = until.map(|u| Duration::from_nanos(u64::try_from(u - now).unwrap_or(0)));
        let end = async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(end);
        loop {
            let event = tokio::select! {
                () = &mut end => return,
                () = feed.gone() => return,
                event = coming.recv() => event,
            };
            match event {
                Ok(event) if !passes(&event, &filters) => {}
                Ok(event) => {
                    if !feed.send(&event).await {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time() {
        assert_eq!(point("12").ok(), Some(12_000_000_000));
        assert_eq!(point("12.5").ok(), Some(12_500_000_000));
        assert_eq!(point("1970-01-01T00:00:01Z").ok(), Some(1_000_000_000));
        assert!(point("x").is_err() && point("99999999999999").is_err());
    }

    #[test]
    fn filters() {
        let event = event("image", "tag", "sha256:1", &[("name", "a:1")]);
        let check = |pairs: &[(&str, &str)]| {
            let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
            passes(&event, &pairs.iter().map(own).collect::<Vec<_>>())
        };
        assert!(check(&[]));
        assert!(check(&[
            ("type", "image"),
            ("event", "tag"),
            ("event", "pull")
        ]));
        assert!(check(&[("image", "a")]) && check(&[("image", "a:1")]));
        assert!(!check(&[("image", "b")]) && !check(&[("type", "container")]));
        assert!(!check(&[("nonsense", "x")]));
    }
}
