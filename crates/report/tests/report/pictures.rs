//! PNG.

use report::chart::{Chart, Line, Point, Series};
use report::{PngError, Theme};
use resvg::tiny_skia::Pixmap;

fn chart() -> Line {
    let points = (0..5).map(|x| Point::new(f64::from(x), f64::from(x * x)));
    Line::new("Squares").series(Series::new("x²", points))
}

#[test]
fn a_png_is_the_drawing_at_its_scale() {
    let small = Pixmap::decode_png(&chart().to_png(Theme::Light, 1.0).unwrap()).unwrap();
    let large = Pixmap::decode_png(&chart().to_png(Theme::Light, 2.0).unwrap()).unwrap();
    assert_eq!(small.width(), 800);
    assert_eq!(
        (large.width(), large.height()),
        (2 * small.width(), 2 * small.height())
    );
}

#[test]
fn themes_have_their_surfaces_and_text_is_drawn() {
    for (theme, surface) in [
        (Theme::Light, [0xff, 0xff, 0xff]),
        (Theme::Dark, [0x14, 0x17, 0x1a]),
    ] {
        let picture = Pixmap::decode_png(&chart().to_png(theme, 1.0).unwrap()).unwrap();
        let rgb = |x: u32, y: u32| {
            let pixel = picture.pixel(x, y).unwrap();
            [pixel.red(), pixel.green(), pixel.blue()]
        };
        assert_eq!(rgb(0, 0), surface);
        assert_eq!(rgb(799, picture.height() - 1), surface);
        // The title is in the first 25 rows below the margin, where nothing else is.
        let inked = (20..45)
            .flat_map(|y| (20..200).map(move |x| (x, y)))
            .filter(|(x, y)| rgb(*x, *y) != surface)
            .count();
        assert!(inked > 200, "{theme:?}: {inked} pixels of text");
    }
}

#[test]
fn scales_that_make_no_picture_are_refused() {
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-6, 1e6] {
        let error = chart().to_png(Theme::Light, scale).unwrap_err();
        assert!(matches!(error, PngError::Size { .. }), "{error}");
        assert!(
            error.to_string().contains("a side has 1 to 16384"),
            "{error}"
        );
    }
}
