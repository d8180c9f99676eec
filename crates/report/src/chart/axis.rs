//! What axes below a chart have in common.

use super::{TICK_SIZE, baseline, draw_lines, font, line_height};
use crate::canvas::{Anchor, Area, Drawing, Stroke};
use crate::color::Ink;
use crate::scale::{Mapping, Tick};
use crate::text_width::{Weight, width as text_width, wrap};

const TICK_LENGTH: f64 = 5.0;

/// Ticks down from `y` with their numbers; the y below them. Numbers at the drawing's edges move inwards,
/// and one that then would meet the number before it is left out.
pub(crate) fn draw_ticks(drawing: &mut Drawing, y: f64, mapping: &Mapping, ticks: &[Tick]) -> f64 {
    let top = y + TICK_LENGTH + 3.0;
    let mut taken = f64::NEG_INFINITY;
    for tick in ticks {
        let Some(pixel) = mapping.inside(tick.value) else {
            continue;
        };
        let stroke = Stroke::solid(Ink::Axis, 1.0);
        drawing.line((pixel, y), (pixel, y + TICK_LENGTH), stroke);
        let half = text_width(&tick.label, TICK_SIZE, Weight::Regular) / 2.0;
        let middle = pixel.min(drawing.width - half).max(half);
        if tick.label.is_empty() || middle - half < taken {
            continue;
        }
        taken = middle + half + 4.0;
        let font = font(TICK_SIZE, Ink::Muted, Anchor::Middle);
        drawing.text(middle, top + baseline(TICK_SIZE), font, &tick.label);
    }
    top + line_height(TICK_SIZE)
}

/// An axis title under the middle of the plot, moved inwards where it would be cut; the y below it.
pub(crate) fn draw_axis_title(drawing: &mut Drawing, area: &Area, y: f64, title: &str) -> f64 {
    let lines = wrap(title, drawing.width, TICK_SIZE, Weight::Regular);
    let half = widest(&lines) / 2.0;
    let middle = f64::midpoint(area.left, area.right)
        .min(drawing.width - half)
        .max(half);
    let font = font(TICK_SIZE, Ink::Muted, Anchor::Middle);
    draw_lines(drawing, middle, y + 3.0, font, &lines)
}

/// Width of the widest of lines of ticks' size.
pub(crate) fn widest<'a>(lines: impl IntoIterator<Item = &'a String>) -> f64 {
    lines
        .into_iter()
        .map(|line| text_width(line, TICK_SIZE, Weight::Regular))
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Coloring;
    use crate::scale::Axis;

    #[test]
    fn a_number_moved_from_the_edge_onto_the_next_is_left_out() {
        let labelled = |first: &str| {
            let mut drawing = Drawing::new(300.0, "", "");
            let mapping = Axis::linear("").mapping([0.0, 100.0].into_iter(), 0.0, 0.0, 300.0);
            let ticks = [(0.0, first), (14.0, "14"), (50.0, "50")].map(|(value, label)| Tick {
                value,
                label: label.to_owned(),
            });
            draw_ticks(&mut drawing, 0.0, &mapping, &ticks);
            drawing
                .svg("x", Coloring::Standalone)
                .matches("<text")
                .count()
        };
        assert_eq!(labelled("0"), 3);
        assert_eq!(labelled("0.0000"), 2);
        assert_eq!(labelled(""), 2);
    }
}
