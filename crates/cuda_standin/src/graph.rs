//! Graphs, which are not stood in for: the functions are there, because a caller may fail on a missing
//! symbol before it fails on a status.

use std::ffi::{c_uint, c_void};

use crate::driver::Handle;
use crate::status::{NOT_SUPPORTED, Status, put};

/// Begins a capture: refused.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginCapture_v2(_stream: Handle, _mode: c_uint) -> Status {
    NOT_SUPPORTED
}

/// Ends a capture: there is none.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamEndCapture(_stream: Handle, _graph: *mut Handle) -> Status {
    NOT_SUPPORTED
}

/// Says that no stream is being captured.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamIsCapturing(_stream: Handle, status: *mut c_uint) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(status, 0) }
}

/// Gives the nodes of a graph: refused.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphGetNodes(
    _graph: Handle,
    _nodes: *mut Handle,
    _count: *mut usize,
) -> Status {
    NOT_SUPPORTED
}

/// Gives the kind of a node: refused.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphNodeGetType(_node: Handle, _kind: *mut c_void) -> Status {
    NOT_SUPPORTED
}

/// Makes a graph executable: refused.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphInstantiateWithFlags(
    _executable: *mut Handle,
    _graph: Handle,
    _flags: u64,
) -> Status {
    NOT_SUPPORTED
}

/// Uploads a graph: refused.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphUpload(_executable: Handle, _stream: Handle) -> Status {
    NOT_SUPPORTED
}

/// Launches a graph: refused.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphLaunch(_executable: Handle, _stream: Handle) -> Status {
    NOT_SUPPORTED
}

/// Destroys a graph: there is none.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphDestroy(_graph: Handle) -> Status {
    NOT_SUPPORTED
}

/// Destroys an executable graph: there is none.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExecDestroy(_executable: Handle) -> Status {
    NOT_SUPPORTED
}
