//! The only unsafe code: setting the process's variables, giving back memory that ONNX Runtime freed, and the placement
//! report of its C API, which `ort` doesn't wrap.
//!
//! Each block says why it is sound. Whoever adds a function here first looks whether a newer `ort` has it.
#![allow(unsafe_code)]

use std::{
    env,
    ffi::{CStr, OsString, c_char},
    ptr,
    sync::Once,
};

use ort::{AsPointer as _, session::Session};
use ort_sys::{OrtEpAssignedNode, OrtEpAssignedSubgraph, OrtStatusPtr};

/// Sets variables that ONNX Runtime, its plugins and the Vulkan loader read with `getenv`. Only the first call
/// in a process does anything.
///
/// It must run before the library is loaded, which [`Runtime::start`](crate::Runtime::start) sees to.
pub(crate) fn set_variables(variables: Vec<(&'static str, OsString)>) {
    static SET: Once = Once::new();
    SET.call_once(|| {
        for (name, value) in variables {
            // SAFETY: `set_var` races only with readers that bypass the standard library's lock, which are C
            // code. ONNX Runtime and its threads don't exist yet: this runs once, before the library is
            // loaded. No other C code that this workspace links (oniguruma) reads variables.
            unsafe { env::set_var(name, value) };
        }
    });
}

/// Gives memory that was freed back to the system, where the C library keeps it. While a graph is loaded its weights are
/// there more than once, and glibc keeps what becomes free of them, for each thread apart (seen: 44 MB of a graph of 71).
pub(crate) fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(keep: usize) -> std::ffi::c_int;
        }
        // SAFETY: it is glibc's, takes its own locks, may be called by any thread at any time, and leaves alone what is in
        // use.
        let _ = unsafe { malloc_trim(0) };
    }
}

/// A node of a session's graph, and the provider that runs it.
#[derive(Clone, Debug)]
pub(crate) struct AssignedNode {
    pub(crate) provider: String,
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) operator: String,
}

/// Where each node of a session went, as recorded when the graph was partitioned; the session must have been
/// opened with `session.record_ep_graph_assignment_info`.
///
/// # Errors
///
/// If the session recorded nothing.
pub(crate) fn assigned_nodes(session: &Session) -> ort::Result<Vec<AssignedNode>> {
    let api = ort::api();
    let mut found = Vec::new();
    let (mut subgraphs, mut count) = (ptr::null::<*const OrtEpAssignedSubgraph>(), 0usize);
    // SAFETY: the session is borrowed, so it and everything that this call hands out (which it owns) live
    // until the function ends. Every pointer is written by the call before it is read, or the call fails.
    check(unsafe {
        (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &raw mut subgraphs, &raw mut count)
    })?;
    for place in 0..count {
        // SAFETY: `subgraphs` points to `count` pointers, by the call above.
        let subgraph = unsafe { *subgraphs.add(place) };
        let mut provider = ptr::null::<c_char>();
        // SAFETY: as above; the string belongs to the session.
        check(unsafe { (api.EpAssignedSubgraph_GetEpName)(subgraph, &raw mut provider) })?;
        // SAFETY: a nul-terminated string, by the call above.
        let provider = unsafe { text(provider) };
        let (mut nodes, mut node_count) = (ptr::null::<*const OrtEpAssignedNode>(), 0usize);
        // SAFETY: as for the subgraphs.
        check(unsafe { (api.EpAssignedSubgraph_GetNodes)(subgraph, &raw mut nodes, &raw mut node_count) })?;
        for place in 0..node_count {
            // SAFETY: `nodes` points to `node_count` pointers, by the call above.
            let node = unsafe { *nodes.add(place) };
            let (mut name, mut domain, mut operator) = (ptr::null(), ptr::null(), ptr::null());
            // SAFETY: as for the provider's name.
            unsafe {
                check((api.EpAssignedNode_GetName)(node, &raw mut name))?;
                check((api.EpAssignedNode_GetDomain)(node, &raw mut domain))?;
                check((api.EpAssignedNode_GetOperatorType)(node, &raw mut operator))?;
                found.push(AssignedNode {
                    provider: provider.clone(),
                    name: text(name),
                    domain: text(domain),
                    operator: text(operator),
                });
            }
        }
    }
    Ok(found)
}

/// Turns a status of the C API into a result, and frees it.
fn check(status: OrtStatusPtr) -> ort::Result<()> {
    if status.0.is_null() {
        return Ok(());
    }
    // SAFETY: a status that isn't null is valid until it is released; its message belongs to it and is copied
    // before that.
    let message = unsafe {
        let message = text((ort::api().GetErrorMessage)(status.0));
        (ort::api().ReleaseStatus)(status.0);
        message
    };
    Err(ort::Error::new(message))
}

/// # Safety
///
/// `string` must be null or point to a nul-terminated string that lives for the call.
unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}
