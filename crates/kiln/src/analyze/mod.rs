//! `analyze`: what is in an image, and what of it needn't be.

mod args;
mod browse;
mod page;
mod text;

use std::io::Write;

use anyhow::{Context as _, Result, bail};
use kiln_analyze::Report;
use kiln_store::Store;

pub use args::AnalyzeArgs;
use args::ReportFormat;

use crate::units::human_size;

/// `kiln analyze`
pub fn run(store: &Store, a: &AnalyzeArgs) -> Result<()> {
    if a.browse {
        // Before the work: nobody waits for it to hear this.
        browse::check_terminal()?;
    }
    let analysis = kiln_analyze::analyze(store, &a.image)?;
    if a.browse {
        return browse::browse(&analysis);
    }
    let report = &analysis.report;
    if let Some(file) = &a.html {
        let page = page::page(&analysis)?;
        std::fs::write(file, page).with_context(|| format!("writing {}", file.display()))?;
    }
    let text = match a.format {
        ReportFormat::Json => serde_json::to_string_pretty(report)? + "\n",
        ReportFormat::Text => text::text(report, a.top, text::width()),
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("writing the result")?;
    check_limits(report, a)
}

fn check_limits(report: &Report, a: &AnalyzeArgs) -> Result<()> {
    let mut failures = Vec::new();
    if let Some(limit) = a.fail_over.filter(|l| report.wasted_bytes > *l) {
        failures.push(format!(
            "{} wasted, more than --fail-over {}",
            human_size(report.wasted_bytes),
            human_size(limit)
        ));
    }
    if let Some(lowest) = a.lowest_efficiency.filter(|l| report.efficiency < *l) {
        failures.push(format!(
            "efficiency {:.4}, lower than --lowest-efficiency {lowest}",
            report.efficiency
        ));
    }
    if !failures.is_empty() {
        bail!("{}: {}", a.image, failures.join("; "));
    }
    Ok(())
}
