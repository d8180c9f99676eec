//! How a pass is computed does not change what is learnt.

use crate::common::Workspace;

/// Rounding differs, and training amplifies it: the first losses agree to f32's last digits, the last
/// of forty to a thousandth.
#[test]
fn fused_and_plain_kernels_give_the_same_losses() {
    let [fused, plain] = ["fused", "plain"].map(|kernels| {
        let kernels = format!("checkpoint_every = 5\nkernels = {kernels:?}");
        let changes = [("checkpoint_every = 5", kernels.as_str())];
        Workspace::changed(&changes).train()
    });
    for (series, first, last) in [("loss", 1e-6, 1e-3), ("gradient_norm", 1e-5, 1e-2)] {
        let (fused, plain) = (fused.series(series), plain.series(series));
        assert_eq!(fused.len(), 40, "{series}");
        let apart = |step: usize| (fused[step] / plain[step] - 1.0).abs();
        assert!(apart(0) <= first, "first {series}: {}", apart(0));
        let worst = (0..40).map(apart).fold(0.0, f64::max);
        assert!(worst <= last, "{series}: {worst}");
        assert!(worst > 0.0, "{series}: the kernels are the same");
    }
}

/// A block that is computed again gives the same bits as one whose activations were kept.
#[test]
fn activation_checkpointing_changes_no_bit() {
    let [kept, recomputed] = ["none", "block"].map(|mode| {
        let mode = format!("checkpoint_every = 5\nactivation_checkpointing = {mode:?}");
        Workspace::changed(&[("checkpoint_every = 5", mode.as_str())]).train()
    });
    assert_eq!(kept.series("loss"), recomputed.series("loss"));
    assert_eq!(
        kept.series("gradient_norm"),
        recomputed.series("gradient_norm")
    );
    assert_eq!(kept.weights(), recomputed.weights());
}
