//! Paired comparisons of models that differ by less than the luck of one seed.
//!
//! A variant and a baseline are trained with the same seeds and evaluated on the same documents;
//! [`Paired`] holds their differences. From there:
//!
//! * [`Paired::effect`]: the difference in nats per token, overall and for each seed;
//! * [`t_interval`]: is it more than the luck of seeds, on these documents;
//! * [`Paired::bootstrap_interval`]: how it would move with other seeds and other documents;
//! * [`holm`]: p-values of several variants against one baseline;
//! * [`power`](power()) and [`smallest_detectable`]: what a number of seeds can show.
//!
//! Numbers in, numbers out: no files, no tensors. Effects are variant minus baseline, so a negative
//! one is an improvement.
//!
//! ```
//! use statistics::{Paired, RESAMPLES, holm, smallest_detectable, standard_deviation, t_interval};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Summed nats of the variant minus the baseline: three seeds, two documents.
//! let differences = vec![vec![-12.0, -31.0], vec![-9.5, -24.0], vec![-14.0, -29.0]];
//! let paired = Paired::new(differences, &[2_000, 5_000])?;
//!
//! let effect = paired.effect();
//! let seeds = t_interval(&effect.per_seed).ok_or("one seed has no interval")?;
//! assert!(seeds.high < 0.0, "better by more than the luck of seeds");
//!
//! let both = paired.bootstrap_interval(RESAMPLES).ok_or("nothing to resample")?;
//! assert!(both.low <= effect.mean && effect.mean <= both.high);
//!
//! let adjusted = holm(&[seeds.p, 0.03])?;
//! assert!(adjusted[0] >= seeds.p);
//!
//! let sd = standard_deviation(&effect.per_seed).ok_or("one seed has no spread")?;
//! let detectable = smallest_detectable(sd, paired.seeds(), 0.05, 0.8).ok_or("no test")?;
//! assert!(detectable > 0.0);
//! # Ok(())
//! # }
//! ```

mod bisection;
mod bootstrap;
mod error;
mod holm;
mod interval;
mod moments;
mod paired;
mod power;
mod student_t;
mod t_interval;

pub use bootstrap::RESAMPLES;
pub use error::StatisticsError;
pub use holm::holm;
pub use interval::Interval;
pub use moments::{mean, standard_deviation};
pub use paired::{Effect, Paired};
pub use power::{power, smallest_detectable};
pub use t_interval::{TInterval, t_interval};
