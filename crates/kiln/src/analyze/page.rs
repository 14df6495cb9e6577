//! x
use anyhow::Result;
use kiln_analyze::Analysis;
pub fn page(_: &Analysis) -> Result<String> {
    Ok(String::new())
}
