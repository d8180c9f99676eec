//! Threads that each do a whole piece of work.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Threads that live as long as this does: the CPU's kernels keep buffers, and a GPU's runtime streams and
/// memory pools, for each thread that calls them.
#[derive(Clone, Debug)]
pub struct Workers(Arc<ThreadPool>);

impl Workers {
    /// `count` threads, at least one.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn new(count: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(count.max(1))
            .thread_name(|index| format!("worker {index}"))
            .build()?;
        Ok(Self(Arc::new(pool)))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Results of `work` on every item, in the order of the items. The i-th thread takes the items i, i +
    /// count, ..; the CPU's kernels called by `work` stay on its thread.
    ///
    /// # Panics
    /// If `work` does.
    pub fn each<T: Send, R: Send>(&self, items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
        let slots: Vec<Mutex<Slot<T, R>>> = items
            .into_iter()
            .map(|item| Mutex::new(Slot::Item(item)))
            .collect();
        self.0.broadcast(|thread| {
            for slot in slots
                .iter()
                .skip(thread.index())
                .step_by(thread.num_threads())
            {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                if let Slot::Item(item) = std::mem::replace(&mut *slot, Slot::Taken) {
                    *slot = Slot::Result(cpu_kernels::serially(|| work(item)));
                }
            }
        });
        let results = slots.into_iter().map(|slot| {
            match slot.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Slot::Result(result) => result,
                Slot::Item(_) | Slot::Taken => unreachable!("every slot belongs to a thread"),
            }
        });
        results.collect()
    }
}

enum Slot<T, R> {
    Item(T),
    Taken,
    Result(R),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let workers = Workers::new(3).expect("threads");
        let slow_first = |i: u64| {
            std::thread::sleep(std::time::Duration::from_millis(5 * (6 - i)));
            i
        };
        assert_eq!(
            workers.each((0..7).collect(), slow_first),
            [0, 1, 2, 3, 4, 5, 6]
        );
        assert_eq!(
            workers.each(Vec::<u64>::new(), slow_first),
            Vec::<u64>::new()
        );
    }

    #[test]
    fn an_item_meets_the_same_thread_every_time() {
        let workers = Workers::new(2).expect("threads");
        let threads = || workers.each(vec![(); 4], |()| std::thread::current().id());
        let first = threads();
        assert_eq!(first, threads());
        assert_eq!((first[0], first[1]), (first[2], first[3]));
        assert_ne!(first[0], first[1]);
    }

    #[test]
    #[should_panic(expected = "seen outside")]
    fn a_panic_is_passed_on() {
        let workers = Workers::new(2).expect("threads");
        workers.each(vec![1, 2], |i| assert!(i != 2, "seen outside"));
    }
}
