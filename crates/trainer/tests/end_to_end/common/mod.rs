//! A folder with a corpus and a config, the binary, and what it left behind.

mod corpus;
mod process;
mod run;
mod workspace;

pub use corpus::Split;
pub use process::{Background, Finished, signal, signal_stopped};
pub use run::{Results, Run};
pub use workspace::{CONFIG, SHORT, TASK, Workspace, changed};

/// Lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(bytes))
}

/// Random numbers for choosing moments, not for statistics (Steele et al. 2014, `SplitMix64`).
pub struct Random(u64);

impl Random {
    /// Seeded from `TRAINER_TEST_SEED`, else from the clock; printed, so that a failure can be repeated.
    pub fn new() -> Self {
        let chosen = std::env::var("TRAINER_TEST_SEED").ok();
        let seed = chosen
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| {
                let now = std::time::SystemTime::now();
                let since = now.duration_since(std::time::UNIX_EPOCH);
                since.map_or(0, |time| u64::from(time.subsec_nanos()))
            });
        println!("TRAINER_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number in `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}
