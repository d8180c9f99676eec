//! Threads that each do a whole piece of work.

/// Results of `work` on every item, in the order of the items, on a thread each; the CPU's kernels called by
/// `work` stay on its thread.
///
/// # Panics
/// If `work` does.
pub fn on_a_thread_each<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = items
            .into_iter()
            .map(|item| scope.spawn(move || cpu_kernels::serially(|| work(item))))
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let slow_first = |i: u64| {
            std::thread::sleep(std::time::Duration::from_millis(10 * (3 - i)));
            i
        };
        assert_eq!(on_a_thread_each(vec![0, 1, 2, 3], slow_first), [0, 1, 2, 3]);
    }

    #[test]
    #[should_panic(expected = "seen outside")]
    fn a_panic_is_passed_on() {
        on_a_thread_each(vec![1, 2], |i| assert!(i != 2, "seen outside"));
    }
}
