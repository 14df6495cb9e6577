//! The arguments of `kiln analyze`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How the report is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Text,
    Json,
}

#[derive(Args)]
pub struct AnalyzeArgs {
    /// Look around in the image, in the terminal
    #[arg(short = 'i', long, conflicts_with_all = ["format", "html", "fail_over", "lowest_efficiency"])]
    pub browse: bool,
    /// text for people, json for programs (docs/analyze.md describes it)
    #[arg(long, value_enum, default_value = "text")]
    pub format: ReportFormat,
    /// Also write the report as one HTML page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// How many lines each list of the text has
    #[arg(long, value_name = "N", default_value = "10")]
    pub top: usize,
    /// Fail (exit code 1) if more is wasted, as in 20MB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub fail_over: Option<u64>,
    /// Fail (exit code 1) if the efficiency is lower, as in 0.95
    #[arg(long, value_name = "0..1", value_parser = share)]
    pub lowest_efficiency: Option<f64>,
    /// The image
    pub image: String,
}

/// `20MB`, `1.5GiB`, `4096`: decimal units as docker shows them, binary ones with an `i`.
fn size(text: &str) -> Result<u64, String> {
    const HELP: &str = "a size is a number and a unit: B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let number: f64 = digits.trim_end().parse().map_err(|_| HELP.to_owned())?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(HELP.to_owned()),
    };
    let bytes = number * factor;
    if !bytes.is_finite() || bytes < 0.0 {
        return Err(HELP.to_owned());
    }
    Ok(bytes as u64)
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("an efficiency is a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{share, size};

    #[test]
    fn sizes_and_shares() {
        let table = [
            ("0", 0),
            ("4096", 4096),
            ("20MB", 20_000_000),
            ("20 mb", 20_000_000),
            ("1.5GiB", 1_610_612_736),
            ("10k", 10_000),
        ];
        for (text, bytes) in table {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "MB", "-1MB", "1XB", "1e400", "nan", "ä"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(share("0.95"), Ok(0.95));
        for bad in ["1.1", "-0.1", "x", "nan", "95%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
