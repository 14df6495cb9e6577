//! x
use anyhow::Result;
use kiln_analyze::Analysis;
pub fn check_terminal() -> Result<()> {
    Ok(())
}
pub fn browse(_: &Analysis) -> Result<()> {
    Ok(())
}
