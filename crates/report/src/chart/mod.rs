//! Charts: [`Line`], [`HeatMap`], [`Intervals`], and what they have in common, [`Chart`].
//!
//! Each is laid out anew for the width it is drawn at, in pixels that are meant to be shown one to one:
//! text keeps its size, and what has no room beside the data goes above or below it.

mod axis;
mod heat_map;
mod intervals;
mod labels;
mod line;

pub use heat_map::HeatMap;
pub use intervals::{Effect, Intervals};
pub use line::{Line, Point, Series};

use crate::canvas::{Anchor, Coloring, Drawing, Font};
use crate::color::Ink;
use crate::text_width::{Weight, wrap};

/// The width in pixels that [`Chart::to_svg`] and a PNG before scaling are laid out for.
pub const STANDARD_WIDTH: f64 = 760.0;

/// Narrower than this a chart is not drawn: a smaller width counts as this one.
pub const LEAST_WIDTH: f64 = 280.0;

mod sealed {
    use crate::canvas::Drawing;

    /// The layout, which only this crate's charts have.
    pub trait Draw {
        #[doc(hidden)]
        fn draw(&self, width: f64) -> Drawing;
    }
}

pub(crate) use sealed::Draw;

/// What every chart can be written as.
pub trait Chart: Draw {
    /// The chart's title.
    fn title(&self) -> &str;

    /// What a reader who does not see the chart is told: its axes, ranges and what is in it.
    fn description(&self) -> String;

    /// The numbers as given, one line each, as CSV (RFC 4180). What is missing is an empty field.
    fn to_csv(&self) -> String;

    /// SVG of [`STANDARD_WIDTH`] and a margin, complete in itself. In a browser it follows the reader's light or dark
    /// theme, and within a page the custom properties `--report-text`, `-muted`, `-grid`, `-axis`,
    /// `-surface` and `-series-1` to `-series-8`; other programs show it light.
    fn to_svg(&self) -> String {
        self.to_svg_of_width(STANDARD_WIDTH)
    }

    /// [`to_svg`](Self::to_svg) laid out for another width in pixels, at least [`LEAST_WIDTH`].
    fn to_svg_of_width(&self, width: f64) -> String {
        self.draw(at_least(width))
            .svg("chart", Coloring::Standalone)
    }

    /// PNG of [`STANDARD_WIDTH`] and a margin, times `scale`: 2 for a screen of high density, 3 for print.
    ///
    /// # Errors
    /// [`PngError`](crate::PngError) where the picture would have no pixels or too many.
    #[cfg(feature = "png")]
    fn to_png(&self, theme: crate::Theme, scale: f32) -> Result<Vec<u8>, crate::PngError> {
        let drawing = self.draw(STANDARD_WIDTH);
        crate::png::render(&drawing.svg("chart", Coloring::Literal(theme)), scale)
    }
}

pub(crate) fn at_least(width: f64) -> f64 {
    if width.is_finite() {
        width.clamp(LEAST_WIDTH, 4000.0)
    } else {
        STANDARD_WIDTH
    }
}

/// Sizes of text in pixels.
pub(crate) const TITLE_SIZE: f64 = 16.0;
pub(crate) const NOTE_SIZE: f64 = 13.0;
pub(crate) const LABEL_SIZE: f64 = 12.5;
pub(crate) const TICK_SIZE: f64 = 12.0;

/// Height of a line of text of a size.
pub(crate) fn line_height(size: f64) -> f64 {
    (size * 1.3).round()
}

pub(crate) fn font(size: f64, ink: Ink, anchor: Anchor) -> Font {
    Font {
        size,
        weight: Weight::Regular,
        ink,
        anchor,
    }
}

pub(crate) fn bold(size: f64, ink: Ink, anchor: Anchor) -> Font {
    Font {
        weight: Weight::Bold,
        ..font(size, ink, anchor)
    }
}

/// Title and subtitle, broken to the drawing's width; the y below them.
fn draw_heading(drawing: &mut Drawing, title: &str, subtitle: &str) -> f64 {
    let width = drawing.width;
    let mut y = 0.0;
    for (text, font) in [
        (title, bold(TITLE_SIZE, Ink::Text, Anchor::Start)),
        (subtitle, font(NOTE_SIZE, Ink::Muted, Anchor::Start)),
    ] {
        if text.trim().is_empty() {
            continue;
        }
        y = draw_block(drawing, 0.0, y, width, font, text) + 3.0;
    }
    if y > 0.0 { y + 9.0 } else { 4.0 }
}

/// Text broken into lines of at most `room` pixels, its top at `y`; the y below it.
fn draw_block(drawing: &mut Drawing, x: f64, y: f64, room: f64, font: Font, text: &str) -> f64 {
    draw_lines(
        drawing,
        x,
        y,
        font,
        &wrap(text, room, font.size, font.weight),
    )
}

/// Lines of text, the top of the first at `y`; the y below the last.
fn draw_lines(drawing: &mut Drawing, x: f64, mut y: f64, font: Font, lines: &[String]) -> f64 {
    let height = line_height(font.size);
    for line in lines {
        drawing.text(x, y + baseline(font.size), font, line);
        y += height;
    }
    y
}

/// From the top of a line of text to its baseline.
fn baseline(size: f64) -> f64 {
    line_height(size) / 2.0 + size * 0.36
}
