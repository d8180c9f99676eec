//! No text covers another, nor the data, nor leaves the drawing.

use report::chart::Chart;
use resvg::usvg::{Rect, Tree};

use crate::common::{Random, random_heat_map, random_intervals, random_line, text_boxes, tree};

const WIDTHS: [f64; 6] = [280.0, 328.0, 352.0, 540.0, 760.0, 1111.0];

/// Half a pixel of a letter's side bearing is no overlap.
const TOLERANCE: f32 = 0.5;

fn overlap(a: &Rect, b: &Rect) -> bool {
    a.left() + TOLERANCE < b.right()
        && b.left() + TOLERANCE < a.right()
        && a.top() + TOLERANCE < b.bottom()
        && b.top() + TOLERANCE < a.bottom()
}

fn check(svg: &str, what: &str) -> Tree {
    let tree = tree(svg);
    let boxes = text_boxes(&tree);
    for (index, (text, a)) in boxes.iter().enumerate() {
        for (other, b) in &boxes[..index] {
            assert!(!overlap(a, b), "{what}: {other:?} {b:?} and {text:?} {a:?}");
        }
        let size = tree.size();
        let is_inside = a.left() >= -TOLERANCE
            && a.top() >= -TOLERANCE
            && a.right() <= size.width() + TOLERANCE
            && a.bottom() <= size.height() + TOLERANCE;
        assert!(is_inside, "{what}: {text:?} {a:?} is outside of {size:?}");
    }
    tree
}

/// The plot: the only rectangle with a clip path, in the drawing's pixels.
fn plot(svg: &str) -> Rect {
    let document = roxmltree::Document::parse(svg).unwrap();
    let clip = document
        .descendants()
        .find(|node| node.has_tag_name("clipPath"))
        .and_then(|node| node.first_element_child())
        .expect("a line chart has a plot");
    let view: Vec<f32> = document
        .root_element()
        .attribute("viewBox")
        .unwrap()
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    let number = |name: &str| -> f32 { clip.attribute(name).unwrap().parse().unwrap() };
    let (x, y) = (number("x") - view[0], number("y") - view[1]);
    Rect::from_xywh(x, y, number("width"), number("height")).unwrap()
}

#[test]
fn line_charts_of_any_shape() {
    for seed in 0..160 {
        let chart = random_line(&mut Random::new(seed));
        let width = WIDTHS[seed as usize % WIDTHS.len()];
        let svg = chart.to_svg_of_width(width);
        let tree = check(&svg, &format!("seed {seed}, width {width}"));
        let plot = plot(&svg);
        assert!(plot.width() > 60.0, "seed {seed}, width {width}: {plot:?}");
        for (text, text_box) in text_boxes(&tree) {
            assert!(
                !overlap(&plot, &text_box),
                "seed {seed}: {text:?} covers data"
            );
        }
    }
}

#[test]
fn heat_maps_of_any_shape() {
    for seed in 0..60 {
        let chart = random_heat_map(&mut Random::new(seed));
        let width = WIDTHS[seed as usize % WIDTHS.len()];
        check(
            &chart.to_svg_of_width(width),
            &format!("seed {seed}, width {width}"),
        );
    }
}

#[test]
fn forest_plots_of_any_shape() {
    for seed in 0..120 {
        let chart = random_intervals(&mut Random::new(seed));
        let width = WIDTHS[seed as usize % WIDTHS.len()];
        check(
            &chart.to_svg_of_width(width),
            &format!("seed {seed}, width {width}"),
        );
    }
}
