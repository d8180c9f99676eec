//! Charts, tables and one self-contained HTML page for the results of experiments.
//!
//! * [`chart::Line`], [`chart::HeatMap`], [`chart::Intervals`]: each to SVG, CSV and, with the feature `png`, PNG.
//! * [`Table`]: to Markdown, LaTeX, HTML, CSV and text for a terminal.
//! * [`Page`]: sections of prose, charts and tables in one HTML file, without scripts or network.
//!
//! The crate knows numbers and strings only, nothing of models or runs. Whatever a caller passes is drawn
//! or left out, never a panic: values that are not finite are gaps, and all text is escaped.

pub mod chart;

mod canvas;
mod color;
mod escape;
mod markup;
mod number;
mod page;
#[cfg(feature = "png")]
mod png;
mod scale;
mod table;
mod text_width;

pub use color::Theme;
pub use page::{Block, Page, Section};
#[cfg(feature = "png")]
pub use png::PngError;
pub use scale::{Axis, Scale};
pub use table::{Cell, Column, Table};
