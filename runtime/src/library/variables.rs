//! The variables that must be set before ONNX Runtime is loaded, because it and its plugins read them in C.

use std::ffi::OsString;

use percept_fetch::Cache;

use crate::provider;

/// Each with its value; [`set_variables`](crate::ort_boundary::set_variables) leaves those alone that are set.
pub(super) fn needed(cache: Option<&Cache>) -> Vec<(&'static str, OsString)> {
    // The official builds note a machine's identity in the home folder and look up their vendor's host while
    // the environment is created, before any call could tell them not to.
    let mut variables = vec![("ORT_DISABLE_TELEMETRY", OsString::from("1"))];
    variables.extend(provider::webgpu::variables(cache));
    variables
}
