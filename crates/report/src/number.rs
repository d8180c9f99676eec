//! Numbers as text.

/// The shortest text that reads back as the same `f64`; empty for NaN, so that a CSV has an empty field.
pub(crate) fn exact(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        String::new()
    } else if size > 0.0 && !(1e-5..1e16).contains(&size) {
        format!("{value:e}")
    } else {
        format!("{value}")
    }
}

/// With so many decimals, ASCII minus, no separators. Beyond 10¹⁵ in scientific form, where digits after
/// the point mean nothing.
pub(crate) fn plain(value: f64, decimals: usize) -> String {
    if value.is_finite() && value.abs() >= 1e15 {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.decimals$}");
    // -0.0001 rounded to two decimals is zero, and zero has no sign.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

/// As a reader sees it: thousands separated by commas, a real minus, large numbers as m×10ᵉ.
pub(crate) fn pretty(value: f64, decimals: usize) -> String {
    if value.is_finite() && value.abs() >= 1e15 {
        return scientific(value, 2);
    }
    let text = plain(value, decimals);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("−", digits),
        None => ("", text.as_str()),
    };
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    format!("{sign}{}{fraction}", thousands(whole))
}

/// [`pretty`] with its sign always shown: for differences.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    let text = pretty(value, decimals);
    let is_zero = text.chars().all(|c| matches!(c, '0' | '.'));
    if is_zero || text.starts_with('−') || !value.is_finite() {
        text
    } else {
        format!("+{text}")
    }
}

/// As few digits as tell the value, at most `digits` significant: for tooltips and descriptions.
pub(crate) fn short(value: f64, digits: usize) -> String {
    let size = value.abs();
    if size > 0.0 && !(1e-4..1e7).contains(&size) {
        return scientific(value, digits.saturating_sub(1));
    }
    let whole_digits = if size < 1.0 { 0 } else { exponent(size) + 1 };
    let leading_zeros = if size > 0.0 && size < 1.0 {
        -exponent(size) - 1
    } else {
        0
    };
    let decimals = (digits as i32 - whole_digits + leading_zeros).max(0) as usize;
    let text = pretty(value, decimals);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `2.5×10⁶`; just `10⁶` for a power of ten, `0` for zero.
pub(crate) fn scientific(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let mantissa = mantissa.replace('-', "−");
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        &mantissa
    };
    match (mantissa, exponent) {
        ("0" | "−0", _) => "0".to_owned(),
        (_, "0") => mantissa.to_owned(),
        ("1", _) => format!("10{}", superscript(exponent)),
        ("−1", _) => format!("−10{}", superscript(exponent)),
        _ => format!("{mantissa}×10{}", superscript(exponent)),
    }
}

/// `4k` for 4096, `500k` for 500,000: thousands are 1024 for powers of two, as contexts are named.
pub(crate) fn compact(value: f64, binary: bool) -> String {
    let kilo: f64 = if binary { 1024.0 } else { 1000.0 };
    for (power, letter) in [(3, "G"), (2, "M"), (1, "k")] {
        let scaled = value / kilo.powi(power);
        if (1.0..1000.0).contains(&scaled.abs()) {
            return format!("{}{letter}", short(scaled, 3));
        }
    }
    short(value, 3)
}

/// ⌊log₁₀|value|⌋; 0 for zero.
pub(crate) fn exponent(value: f64) -> i32 {
    let text = format!("{:e}", value.abs());
    text.split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0)
}

fn superscript(exponent: &str) -> String {
    exponent
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            other => other,
        })
        .collect()
}

fn thousands(digits: &str) -> String {
    // 1234 is read at a glance; a comma helps from 10,000 on, but a column needs one rule: always.
    let mut out = String::new();
    for (index, c) in digits.chars().enumerate() {
        if index > 0 && c.is_ascii_digit() && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_a_reader_expects_them() {
        assert_eq!(pretty(1_234_567.891, 1), "1,234,567.9");
        assert_eq!(pretty(-0.0001, 2), "0.00");
        assert_eq!(pretty(-123.0, 0), "−123");
        assert_eq!(signed(0.25, 2), "+0.25");
        assert_eq!(signed(-0.25, 2), "−0.25");
        assert_eq!(signed(0.001, 2), "0.00");
        assert_eq!(short(0.001_234_5, 3), "0.00123");
        assert_eq!(short(12.0, 4), "12");
        assert_eq!(short(100.0, 2), "100");
        assert_eq!(short(2.5e9, 3), "2.5×10⁹");
        assert_eq!(scientific(1e-300, 2), "10⁻³⁰⁰");
        assert_eq!(compact(4096.0, true), "4k");
        assert_eq!(compact(512.0, true), "512");
        assert_eq!(compact(500_000.0, false), "500k");
        assert_eq!(compact(1_048_576.0, true), "1M");
        assert_eq!(exponent(999.9), 2);
        assert_eq!(exponent(0.0), 0);
    }

    #[test]
    fn exact_text_reads_back_as_the_same_number() {
        for value in [
            0.1 + 0.2,
            1e300,
            5e-324,
            -1.0 / 3.0,
            123_456_789.123_456_78,
            f64::MAX,
            0.0,
        ] {
            let back: f64 = exact(value).parse().unwrap();
            assert_eq!(back.to_bits(), value.to_bits());
        }
        assert_eq!(exact(f64::NAN), "");
    }
}
