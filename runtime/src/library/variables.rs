//! The variables that must be set before ONNX Runtime is loaded, because it and its plugins read them in C.

use std::{env, ffi::OsString};

use percept_fetch::Cache;

use crate::provider;

/// Each with its value, for [`set_variables`](crate::ort_boundary::set_variables).
pub(super) fn needed(cache: Option<&Cache>) -> Vec<(&'static str, OsString)> {
    // The official builds note a machine's identity in the home folder and look up their vendor's host while
    // the environment is created, before any call could tell them not to. Nobody can turn that on here.
    let mut variables = vec![("ORT_DISABLE_TELEMETRY", OsString::from("1"))];
    // What the user has set about devices stays as it is.
    let devices = provider::webgpu::variables(cache);
    variables.extend(devices.into_iter().filter(|(name, _)| env::var_os(name).is_none()));
    variables
}
