//! Sizes and ages in docker's words (docker/go-units).

/// `1.23MB`: decimal units, three digits, as docker shows the sizes of images.
pub fn human_size(bytes: u64) -> String {
    sized(bytes, 3)
}

/// `1.234MB`: four digits, as docker shows the sizes of everything else.
pub fn exact_size(bytes: u64) -> String {
    sized(bytes, 4)
}

fn sized(bytes: u64, digits: usize) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit < UNITS.len() - 1 {
        size /= 1000.0;
        unit += 1;
    }
    format!("{}{}", significant(size, digits), UNITS[unit])
}

/// Go's `%.Ng` for 0 ≤ n < 1000.
fn significant(n: f64, digits: usize) -> String {
    let before = match n {
        n if n >= 100.0 => 3,
        n if n >= 10.0 => 2,
        _ => 1,
    };
    let digits = digits - before;
    let text = format!("{n:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `3 hours`, `About a minute`.
pub fn human_duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    let hours = (seconds as f64 / 3600.0).round() as i64;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / (3600 * 24 * 365)),
    }
}

/// `3 hours ago`, or `N/A` for a time that is none.
pub fn ago(rfc3339: &str) -> String {
    match rfc3339.parse::<jiff::Timestamp>() {
        Ok(t) => {
            let past = jiff::Timestamp::now().as_second() - t.as_second();
            format!("{} ago", human_duration(past))
        }
        Err(_) => "N/A".to_owned(),
    }
}

/// `2026-11-24 13:00:00 +0000 UTC`, Go's default form.
pub fn go_time(rfc3339: &str) -> String {
    match rfc3339.parse::<jiff::Timestamp>() {
        Ok(t) => t.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        Err(_) => "N/A".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_words() {
        assert_eq!(human_size(0), "0B");
        assert_eq!(human_size(999), "999B");
        assert_eq!(human_size(1_230_000), "1.23MB");
        assert_eq!(human_size(124_000_000), "124MB");
        assert_eq!(human_size(4_860_000), "4.86MB");
        assert_eq!(human_size(1_000), "1kB");
        assert_eq!(exact_size(1_982_360), "1.982MB");
        assert_eq!(exact_size(124_000_000), "124MB");
        assert_eq!(human_duration(0), "Less than a second");
        assert_eq!(human_duration(59), "59 seconds");
        assert_eq!(human_duration(90), "About a minute");
        assert_eq!(human_duration(3600), "About an hour");
        assert_eq!(human_duration(47 * 3600), "47 hours");
        assert_eq!(human_duration(3 * 86400), "3 days");
        assert_eq!(human_duration(21 * 86400), "3 weeks");
    }
}
