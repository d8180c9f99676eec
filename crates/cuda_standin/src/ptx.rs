//! PTX: the text of a module, what can be read off it, and the image that stands for its machine code.

use std::ffi::{CStr, c_char, c_void};

use sha2::{Digest, Sha256};

/// What an image begins with: the machine code is the PTX again, because an image may be kept in a cache and
/// loaded by another process.
const MAGIC: &[u8; 16] = b"cuda-standin-ptx";
/// [`MAGIC`] and the length of the text.
const HEADER_BYTES: usize = 24;

/// The names of the kernels of a module, from its `.entry` directives.
pub fn entries(ptx: &str) -> Vec<String> {
    let after = ptx.split(".entry").skip(1);
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_$%".contains(c);
    after
        .map(|text| {
            let text = text.trim_start();
            let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
            text[..end].to_owned()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// Whether there are instructions for tensor cores.
pub fn uses_tensor_cores(ptx: &str) -> bool {
    ["mma.sync", "wgmma.mma_async", "tcgen05.mma"]
        .iter()
        .any(|instruction| ptx.contains(instruction))
}

/// The SHA-256 of the text in hexadecimal digits.
pub fn digest(ptx: &str) -> String {
    let hash = Sha256::digest(ptx.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The image that stands for the machine code of a text.
pub fn image(ptx: &str) -> Vec<u8> {
    let length = (ptx.len() as u64).to_le_bytes();
    [MAGIC.as_slice(), &length, ptx.as_bytes()].concat()
}

/// The text of an image that [`image`] made or of PTX that ends with a zero; none for other images.
///
/// # Safety
/// `data` is either of them, or at least readable to its first zero.
pub unsafe fn text_of(data: *const c_void) -> Option<String> {
    if data.is_null() {
        return None;
    }
    // SAFETY: an image begins with `MAGIC`, which has no zero; other data ends at its first zero at the
    // latest. A comparison that stops at the first difference does not read beyond it.
    let is_image = MAGIC
        .iter()
        .enumerate()
        .all(|(index, byte)| unsafe { data.cast::<u8>().add(index).read() } == *byte);
    if is_image {
        // SAFETY: the header and the text were written together.
        return unsafe { image_text(data.cast()) };
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(data.cast::<c_char>()) };
    let text = text.to_str().ok()?;
    text.contains(".version").then(|| text.to_owned())
}

/// # Safety
/// `data` is what [`image`] returned.
unsafe fn image_text(data: *const u8) -> Option<String> {
    // SAFETY: the header is there, and the length in it is of the text behind it.
    let bytes = unsafe {
        let length = data.add(MAGIC.len()).cast::<u64>().read_unaligned();
        std::slice::from_raw_parts(data.add(HEADER_BYTES), u64::from_le(length) as usize)
    };
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX: &str = "
.version 9.0
.target sm_90a
.visible .entry rms_norm_f32_0a1b2c3d(
  .param .u64 .ptr .global .align 1 rms_norm_f32_0a1b2c3d_param_0
)
.reqntid 256, 1, 1
{ ret; }
.entry second_kernel { mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1}, {%r1}, {%r2}, {%f2}; }
";

    #[test]
    fn names_of_kernels_are_found() {
        assert_eq!(entries(PTX), ["rms_norm_f32_0a1b2c3d", "second_kernel"]);
        assert!(entries(".version 9.0").is_empty());
    }

    #[test]
    fn tensor_cores_are_seen() {
        assert!(uses_tensor_cores(PTX));
        assert!(!uses_tensor_cores("fma.rn.f32 %f1, %f2, %f3, %f4;"));
    }

    #[test]
    fn an_image_gives_its_text_back() {
        let image = image(PTX);
        // SAFETY: it is an image.
        let text = unsafe { text_of(image.as_ptr().cast()) };
        assert_eq!(text.as_deref(), Some(PTX));
    }

    #[test]
    fn text_is_told_from_other_images() {
        // SAFETY: both end with a zero.
        let (text, other) = unsafe {
            (
                text_of(c".version 9.0".as_ptr().cast()),
                text_of(c"\x7fELF".as_ptr().cast()),
            )
        };
        assert_eq!(text.as_deref(), Some(".version 9.0"));
        assert_eq!(other, None);
    }

    #[test]
    fn a_digest_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(""), empty);
    }
}
