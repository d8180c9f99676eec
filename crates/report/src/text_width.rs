//! How wide text is, without a font at hand.
//!
//! A page uses the reader's fonts, so the width is an upper estimate: the advances of `DejaVu` Sans, which
//! is wider than Helvetica, Arial, Roboto, Segoe UI and Inter in nearly every letter. Where a chart leaves
//! room by this measure, no reader's text overlaps.

/// Advances of U+0020..=U+007E in thousandths of the font size, regular weight.
#[rustfmt::skip]
const REGULAR: [u16; 95] = [
    318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 500, 838, 318, 361, 318, 337,
    637, 637, 637, 637, 637, 637, 637, 637, 637, 637, 337, 337, 838, 838, 838, 531,
    1000, 685, 687, 699, 771, 632, 576, 775, 752, 295, 295, 656, 558, 863, 749, 788,
    604, 788, 695, 635, 611, 732, 685, 989, 686, 611, 686, 391, 337, 391, 838, 500,
    500, 613, 635, 550, 635, 616, 353, 635, 634, 278, 278, 580, 278, 975, 634, 612,
    635, 635, 412, 521, 393, 634, 592, 818, 592, 592, 525, 637, 337, 637, 838,
];

/// The same in bold.
#[rustfmt::skip]
const BOLD: [u16; 95] = [
    349, 457, 521, 838, 696, 1002, 873, 307, 458, 458, 523, 838, 380, 416, 380, 366,
    696, 696, 696, 696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 581,
    1000, 774, 763, 734, 831, 684, 684, 821, 837, 373, 373, 775, 638, 996, 837, 851,
    733, 851, 771, 721, 683, 813, 774, 1104, 771, 725, 726, 458, 366, 458, 838, 500,
    500, 675, 716, 593, 716, 679, 436, 716, 712, 343, 343, 666, 343, 1042, 712, 688,
    716, 716, 494, 596, 479, 712, 652, 924, 646, 652, 583, 712, 366, 712, 838,
];

/// Weight of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

/// Width of one line in pixels at `size` pixels, at most.
pub(crate) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    text.chars().map(|c| advance(c, weight)).sum::<f64>() * size / 1000.0
}

fn advance(c: char, weight: Weight) -> f64 {
    let table = match weight {
        Weight::Regular => &REGULAR,
        Weight::Bold => &BOLD,
    };
    let code = u32::from(c);
    match code {
        0x20..=0x7e => f64::from(table[(code - 0x20) as usize]),
        // Combining marks, joiners and variation selectors take no room of their own.
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0.0,
        0x2070..=0x209c | 0xb2 | 0xb3 | 0xb9 => 550.0,
        // The figure space is as wide as a digit.
        0x2007 => f64::from(table[0x10]),
        0xd7 | 0xb1 | 0x2212 => 838.0,
        0xb7 | 0x2018..=0x2019 => 400.0,
        0xa0..=0x2e7f => 1000.0,
        _ => 1100.0,
    }
}

/// Broken into lines of at most `room` pixels: at spaces, then after `-`, `_`, `/`, and within a
/// word only where the word alone is too wide. Never empty.
pub(crate) fn wrap(text: &str, room: f64, size: f64, weight: Weight) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        let joined = format!("{line}{piece}");
        if width(joined.trim_end(), size, weight) <= room {
            line = joined;
            continue;
        }
        if !line.trim().is_empty() {
            lines.push(line.trim_end().to_owned());
        }
        line = String::new();
        for c in piece.chars() {
            let longer = format!("{line}{c}");
            if !line.is_empty() && width(longer.trim_end(), size, weight) > room {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.trim().is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// The text cut after every place where a line may end. Whitespace of any kind becomes single spaces.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    for word in text.split_whitespace() {
        let mut piece = String::new();
        for c in word.chars() {
            piece.push(c);
            if matches!(c, '-' | '_' | '/') {
                pieces.push(std::mem::take(&mut piece));
            }
        }
        piece.push(' ');
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_fit_and_lose_nothing() {
        let text = "p-RoPE 0.75 with a_very_long_name_without_spaces_or_anything and-more/yet";
        for room in [20.0, 40.0, 90.0, 200.0] {
            let lines = wrap(text, room, 12.0, Weight::Regular);
            for line in &lines {
                assert!(width(line, 12.0, Weight::Regular) <= room, "{line}");
            }
            let joined: String = lines.concat().split_whitespace().collect();
            let given: String = text.split_whitespace().collect();
            assert_eq!(joined, given);
        }
    }

    #[test]
    fn a_room_narrower_than_a_letter_still_ends() {
        assert_eq!(wrap("abc", 1.0, 12.0, Weight::Bold), ["a", "b", "c"]);
        assert_eq!(wrap("", 1.0, 12.0, Weight::Bold), [""]);
    }
}
