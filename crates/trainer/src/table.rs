//! An evaluation as text for the screen.

use evaluation::{Evaluation, TaskEvaluation, TaskResult};

/// The protocol's line, the table by context length, and the loss by position.
pub fn evaluation(name: &str, result: &Evaluation) -> String {
    let windows: usize = result.documents.iter().map(|d| d.windows).sum();
    let mut text = format!(
        "{name}: perplexity on the {} split, protocol {}/{}: {} windows of {} documents, the same {} final tokens at every context\n\n",
        result.split,
        result.protocol,
        result.version,
        windows,
        result.documents.len(),
        result.parameters.scored_tokens,
    );
    text += "  context   perplexity   95% interval        nats/token   bits/byte\n";
    for context in &result.contexts {
        let interval = context.interval.map_or_else(
            || format!("{:18}", "-"),
            |i| format!("{:18}", format!("[{:.3}, {:.3}]", i.low, i.high)),
        );
        let bits_per_byte = context
            .bits_per_byte
            .map_or_else(|| "-".to_owned(), |bits| format!("{bits:.4}"));
        text += &format!(
            "  {:>7}   {:>10.3}   {interval}  {:>10.4}   {bits_per_byte:>9}\n",
            context.context, context.perplexity, context.nll
        );
    }
    text += "\n  position        nats/token\n";
    for bucket in &result.positions {
        let range = format!("{}..{}", bucket.first, bucket.end);
        text += &format!("  {range:<14}  {:>10.4}\n", bucket.nll);
    }
    if result.skipped_documents > 0 {
        text += &format!(
            "\n  {} documents are shorter than {} tokens and were not scored\n",
            result.skipped_documents,
            result.parameters.window()
        );
    }
    text
}

/// A table for each task, by group and length.
pub fn tasks(name: &str, result: &TaskEvaluation) -> String {
    let tables = result.tasks.iter().map(|task| {
        format!(
            "{name}: {}, {} samples of each length, version {}\n\n{}",
            described(task),
            result.samples,
            result.version,
            task_table(task)
        )
    });
    tables.collect::<Vec<_>>().join("\n")
}

/// `mqar (pairs = 8, power = 0.01)`.
fn described(result: &TaskResult) -> String {
    let kind = result.task.kind();
    let parameters = toml::to_string(&result.task).unwrap_or_default();
    let parameters = parameters.lines().filter(|line| !line.starts_with("kind"));
    let parameters: Vec<&str> = parameters.collect();
    match parameters.len() {
        0 => kind.to_owned(),
        _ => format!("{kind} ({})", parameters.join(", ")),
    }
}

fn task_table(result: &TaskResult) -> String {
    let compared = result
        .lengths
        .iter()
        .any(|at| at.score.log_likelihood_ratio.is_some());
    let mut text = "   length   group         nats/token   tokens right   exact match".to_owned();
    text += if compared {
        "   ln ratio   preferred\n"
    } else {
        "\n"
    };
    for at in &result.lengths {
        let score = &at.score;
        text += &format!(
            "  {:>7}   {:<12}  {:>10.4}   {:>12.4}   {:>11.4}",
            at.length, at.group, score.loss, score.token_accuracy, score.exact_match
        );
        if let (Some(ratio), Some(preferred)) = (score.log_likelihood_ratio, score.preferred) {
            text += &format!("   {ratio:>8.3}   {preferred:>9.4}");
        }
        text += "\n";
    }
    for difference in &result.differences {
        text += &format!(
            "  {:>7}   {} minus {}: {:+.4} nats/token\n",
            difference.length, difference.group, difference.minus, difference.loss
        );
    }
    if let Some(chance) = result.chance {
        text += &format!("\n  a uniform guess is right with probability {chance:.4}\n");
    }
    if !result.too_short.is_empty() {
        let lengths: Vec<String> = result.too_short.iter().map(usize::to_string).collect();
        text += &format!("  no room for it in {} tokens\n", lengths.join(", "));
    }
    text
}
