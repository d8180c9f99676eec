//! Loops compiled for the widest vectors of the processor that runs them.

/// Runs `f`, compiled once per instruction set; the choice is made at run time.
///
/// `f` must be marked `#[inline(always)]`, and so must what it calls: only code that ends up inside the
/// function for an instruction set is compiled for it.
///
/// Why not give `f` to [`pulp::Arch::dispatch`] itself: that takes `FnOnce`, and calls a closure that
/// could be called twice through a shim which may not be inlined. Such a loop is then scalar, and every
/// `mul_add` in it a call to the C library.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnMut() -> R) -> R {
    pulp::Arch::new().dispatch(Vectorised(f))
}

struct Vectorised<F>(F);

impl<R, F: FnMut() -> R> pulp::WithSimd for Vectorised<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}
