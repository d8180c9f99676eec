//! How fast a session trained, against what its device could do.

use decoder::Precision;
use serde::{Deserialize, Serialize};

/// Dense peaks by device in FLOP/s: a part of its name, f32 (without TF32), bf16 with f32
/// sums where it has them.
///
/// From the makers' data sheets, without sparsity. A device that is not here has an unknown peak: a
/// guess would make its utilisation a guess.
const PEAKS: &[(&str, f64, Option<f64>)] = &[
    ("H200", 67e12, Some(989e12)),
    // Before plain "H100", which they contain: PCIe cards have fewer units.
    ("H100 PCIe", 51e12, Some(756e12)),
    ("H100 NVL", 60e12, Some(835e12)),
    ("H100", 67e12, Some(989e12)),
    ("A100", 19.5e12, Some(312e12)),
    ("L40S", 91.6e12, Some(362e12)),
    ("RTX 4090", 82.6e12, Some(165.2e12)),
    ("RTX 3090", 35.6e12, Some(71e12)),
    ("A10G", 31.2e12, Some(70e12)),
    ("T4", 8.1e12, None),
];

/// The speed of a session's training steps, validation and checkpoints apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Training tokens per second.
    pub tokens_per_second: f64,
    /// Floating-point operations per second, counted as `6 N` and causal attention
    /// ([`decoder::DecoderConfig::training_flops_per_token`]).
    pub flops_per_second: f64,
    /// Share of the device's dense peak for the precision in use; `None` where the peak is not known.
    pub model_flops_utilization: Option<f64>,
}

impl Throughput {
    /// `tokens` trained on in `seconds` at `flops_per_token`; `None` without any.
    pub fn measured(
        tokens: usize,
        seconds: f64,
        flops_per_token: f64,
        device: &str,
        precision: Precision,
    ) -> Option<Self> {
        let tokens_per_second = tokens as f64 / seconds;
        let flops_per_second = tokens_per_second * flops_per_token;
        (tokens > 0 && seconds > 0.0).then(|| Self {
            tokens_per_second,
            flops_per_second,
            model_flops_utilization: peak(device, precision).map(|peak| flops_per_second / peak),
        })
    }

    /// One line for the screen.
    pub fn line(&self) -> String {
        let utilization = match self.model_flops_utilization {
            Some(share) => format!("{:.1}% of the device's peak", 100.0 * share),
            None => "utilization unknown: no peak is listed for the device".to_owned(),
        };
        format!(
            "trained at {:.0} tokens/s, {:.1} GFLOP/s; {utilization}",
            self.tokens_per_second,
            self.flops_per_second / 1e9
        )
    }
}

/// Dense peak of the device called `name`, in FLOP/s.
fn peak(name: &str, precision: Precision) -> Option<f64> {
    let (_, f32, bf16) = PEAKS.iter().find(|(part, ..)| name.contains(part))?;
    match precision {
        Precision::F32 => Some(*f32),
        Precision::Bf16 => *bf16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilization_is_a_share_of_the_listed_peak() {
        let found = Throughput::measured(100, 2.0, 989e9, "cuda:0 (NVIDIA H200)", Precision::Bf16);
        let found = found.expect("something was trained");
        assert_eq!(found.tokens_per_second.to_bits(), 50.0f64.to_bits());
        let share = found.model_flops_utilization.expect("a listed device");
        assert!((share - 0.05).abs() < 1e-12, "{share}");
        assert!(
            found.line().contains("5.0% of the device's peak"),
            "{}",
            found.line()
        );
    }

    #[test]
    fn an_unlisted_device_is_unknown_and_not_guessed() {
        for (device, precision) in [
            ("cpu (2 threads)", Precision::F32),
            ("NVIDIA GeForce RTX 9999", Precision::Bf16),
            ("Tesla T4", Precision::Bf16),
        ] {
            let found = Throughput::measured(1, 1.0, 1.0, device, precision).expect("a token");
            assert_eq!(found.model_flops_utilization, None, "{device}");
            assert!(found.line().contains("unknown"), "{}", found.line());
        }
        assert_eq!(
            Throughput::measured(0, 1.0, 1.0, "cpu", Precision::F32),
            None
        );
    }

    #[test]
    fn longer_names_come_before_what_they_contain() {
        assert_eq!(peak("NVIDIA H100 PCIe", Precision::Bf16), Some(756e12));
        assert_eq!(peak("NVIDIA H100 80GB HBM3", Precision::Bf16), Some(989e12));
    }
}
