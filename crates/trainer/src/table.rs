//! An evaluation as text for the screen.

use evaluation::Evaluation;

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
        text += &format!(
            "  {:>7}   {:>10.3}   {interval}  {:>10.4}   {:>9.4}\n",
            context.context, context.perplexity, context.nll, context.bits_per_byte
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
