//! Pictures of pixels.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// Inter 3.19 by The Inter Project Authors, SIL Open Font License 1.1 (`fonts/OFL.txt`), cut to Latin,
/// Greek, Cyrillic and mathematical signs, with digits of equal width. Embedded, because a machine that
/// renders charts often has no fonts at all.
const REGULAR: &[u8] = include_bytes!("../fonts/Inter-Regular-subset.otf");
const SEMI_BOLD: &[u8] = include_bytes!("../fonts/Inter-SemiBold-subset.otf");

/// Why there is no PNG.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PngError {
    /// A scale of zero, less, or not a number; or more pixels than a side of 16,384.
    #[error(
        "a scale of {scale} makes a picture of {width} x {height} pixels; a side has 1 to 16384"
    )]
    Size {
        /// The scale asked for.
        scale: f32,
        /// Pixels from left to right.
        width: f32,
        /// Pixels from top to bottom.
        height: f32,
    },
    /// The chart's SVG was not understood: a fault of this crate.
    #[error("the chart's SVG cannot be drawn: {0}")]
    Svg(String),
    /// The pixels could not be compressed.
    #[error("the picture cannot be written as PNG: {0}")]
    Encode(String),
}

const LARGEST_SIDE: f32 = 16_384.0;

pub(crate) fn render(svg: &str, scale: f32) -> Result<Vec<u8>, PngError> {
    let options = Options {
        fontdb: fonts(),
        font_family: "Inter".to_owned(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| PngError::Svg(error.to_string()))?;
    let (width, height) = (tree.size().width() * scale, tree.size().height() * scale);
    let is_possible = |side: f32| (1.0..=LARGEST_SIDE).contains(&side);
    let pixmap = Pixmap::new(width.round() as u32, height.round() as u32);
    let size_error = PngError::Size {
        scale,
        width,
        height,
    };
    let (true, Some(mut pixmap)) = (is_possible(width) && is_possible(height), pixmap) else {
        return Err(size_error);
    };
    resvg::render(
        &tree,
        Transform::from_scale(scale, scale),
        &mut pixmap.as_mut(),
    );
    pixmap
        .encode_png()
        .map_err(|error| PngError::Encode(error.to_string()))
}

fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut database = fontdb::Database::new();
        database.load_font_data(REGULAR.to_vec());
        database.load_font_data(SEMI_BOLD.to_vec());
        Arc::new(database)
    };
    FONTS.get_or_init(load).clone()
}
