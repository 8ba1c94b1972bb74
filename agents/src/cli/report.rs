//! `percept report`: a run folder's report, made again from its journal.

use percept::report;
use serde_json::json;

use super::{arguments::ReportOptions, failure::Failure, output::Output};

/// Makes the report.
pub(crate) fn report(options: &ReportOptions, output: &Output) -> Result<u8, Failure> {
    let path = report::write(&options.run)
        .map_err(|error| Failure::bad_input(error).help("name a run folder: it holds journal.jsonl"))?;
    if output.json {
        output.document(&json!({ "report": path }))?;
    } else {
        output.print(&format!("report: {}", path.display()))?;
    }
    Ok(0)
}
