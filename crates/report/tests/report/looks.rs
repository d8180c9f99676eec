//! What tells things apart, and for whom.

use std::collections::HashSet;

use report::Axis;
use report::chart::{Chart, Effect, HeatMap, Intervals, Line, Point, Series};
use resvg::tiny_skia::{Pixmap, PremultipliedColorU8, Transform};
use roxmltree::Document;

#[test]
fn no_two_series_look_the_same_without_colour() {
    let mut chart = Line::new("t");
    for series in 0..20 {
        let y = f64::from(series);
        chart = chart.series(Series::new(
            y.to_string(),
            [Point::new(0.0, y), Point::new(1.0, y)],
        ));
    }
    let svg = chart.to_svg();
    let document = Document::parse(&svg).unwrap();
    let lines: Vec<_> = document
        .descendants()
        .filter(|n| n.attribute("clip-path").is_some())
        .map(|n| n.attribute("stroke-dasharray").unwrap_or("").to_owned())
        .collect();
    let markers: Vec<String> = document
        .descendants()
        .filter(|n| n.has_tag_name("path") && n.children().any(|c| c.has_tag_name("title")))
        .step_by(2)
        .map(|n| shape(n.attribute("d").unwrap()))
        .collect();
    assert_eq!((lines.len(), markers.len()), (20, 20));
    let looks: HashSet<(String, String)> = lines.into_iter().zip(markers).collect();
    assert_eq!(looks.len(), 20);
}

/// A path's corners relative to its first, so that equal shapes at other places are equal.
fn shape(path: &str) -> String {
    let numbers: Vec<f64> = path
        .split(|c: char| c.is_ascii_alphabetic() || c == ' ')
        .filter(|n| !n.is_empty())
        .map(|n| n.parse().unwrap())
        .collect();
    let relative = numbers.iter().enumerate().map(|(i, n)| n - numbers[i % 2]);
    let is_circle = path.contains('a');
    let corners: Vec<String> = relative.map(|n| format!("{n:.0}")).collect();
    if is_circle {
        "circle".to_owned()
    } else {
        corners.join(" ")
    }
}

#[test]
fn significant_rows_differ_by_more_than_colour() {
    let row = |low: f64| {
        let svg = Intervals::new("t", Axis::linear("d"))
            .effect(Effect::new("e", 1.0, low, 1.5))
            .to_svg();
        let document = Document::parse(&svg).unwrap();
        let marker = document
            .descendants()
            .rfind(|n| n.has_tag_name("path") && n.children().any(|c| c.has_tag_name("title")))
            .map(|n| n.attribute("d").unwrap().contains('a'))
            .unwrap();
        let numbers = document
            .descendants()
            .find(|n| n.has_tag_name("text") && n.text().is_some_and(|t| t.starts_with("+1.000")))
            .unwrap();
        let width = document
            .descendants()
            .find(|n| n.attribute("clip-path").is_some())
            .and_then(|n| n.attribute("stroke-width"))
            .unwrap();
        (
            marker,
            numbers.attribute("font-weight").is_some(),
            width.to_owned(),
        )
    };
    assert_eq!(row(0.5), (false, true, "2.5".to_owned()));
    assert_eq!(row(-0.5), (true, false, "1.5".to_owned()));
}

#[test]
fn charts_say_what_they_show_to_who_does_not_see_them() {
    let line = Line::new("Loss")
        .x(Axis::log2("Context length").unit("tokens"))
        .y(Axis::linear("Loss").unit("nats"))
        .reference(1024.0, "training length")
        .series(Series::new(
            "NoPE",
            [Point::new(128.0, 3.5), Point::new(4096.0, 3.25)],
        ));
    assert_eq!(
        line.description(),
        "Line chart of Loss (nats) by Context length (tokens). Reference line: training length 1,024. \
         NoPE: 3.5 at 128, 3.25 at 4,096."
    );
    let svg = line.to_svg();
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    for id in root.attribute("aria-labelledby").unwrap().split(' ') {
        assert!(
            document
                .descendants()
                .any(|n| n.attribute("id") == Some(id)),
            "{id}"
        );
    }
    let map = HeatMap::new("t", "depth", ["0", "1"], "length", ["1k"])
        .values("accuracy", vec![vec![0.5], vec![1.0]]);
    assert!(
        map.description()
            .ends_with("Least: 0.5 at 0, 1k. Greatest: 1 at 1, 1k.")
    );
}

#[test]
fn colours_follow_the_page_and_stand_alone() {
    let svg = Line::new("t")
        .series(Series::new(
            "s",
            [Point::new(1.0, 1.0), Point::new(2.0, 2.0)],
        ))
        .to_svg();
    assert!(svg.contains("var(--report-series-1,#0072b2)"));
    assert!(svg.contains("@media (prefers-color-scheme:dark)"));
    // A viewer that knows neither finds literal colours in the attributes.
    let document = Document::parse(&svg).unwrap();
    for node in document
        .descendants()
        .filter(|n| n.attribute("class").is_some())
    {
        for name in ["fill", "stroke"] {
            if let Some(value) = node.attribute(name) {
                let is_literal =
                    value.starts_with('#') || value == "none" || value.starts_with("url(#");
                assert!(is_literal, "{value}");
            }
        }
    }
}

#[test]
fn a_renderer_without_css_variables_still_has_the_colours() {
    let svg = Line::new("t")
        .series(Series::new(
            "s",
            [Point::new(1.0, 1.0), Point::new(2.0, 2.0)],
        ))
        .to_svg();
    let tree = crate::common::tree(&svg);
    let size = tree.size().to_int_size();
    let mut picture = Pixmap::new(size.width(), size.height()).unwrap();
    resvg::render(&tree, Transform::identity(), &mut picture.as_mut());
    let count = |color: (u8, u8, u8)| {
        let is_it = |p: &&PremultipliedColorU8| (p.red(), p.green(), p.blue()) == color;
        picture.pixels().iter().filter(is_it).count()
    };
    let all = picture.pixels().len();
    assert!(
        count((0xff, 0xff, 0xff)) > all * 9 / 10,
        "the surface is white"
    );
    assert!(count((0x00, 0x72, 0xb2)) > 300, "the line is blue");
}

#[test]
fn the_numbers_of_a_forest_plot_are_aligned() {
    let svg = Intervals::new("t", Axis::linear("d"))
        .effect(Effect::new("a", 1.0, -123.0, 2.0))
        .effect(Effect::new("b", 234.0, 5.0, 1234.0))
        .to_svg();
    let document = Document::parse(&svg).unwrap();
    let places: Vec<Vec<usize>> = document
        .descendants()
        .filter_map(|n| {
            n.text()
                .filter(|t| n.has_tag_name("text") && t.contains(".000 ["))
        })
        .map(|text| {
            let indexed = text.chars().enumerate();
            indexed
                .filter(|(_, c)| matches!(c, '.' | '[' | ','))
                .map(|(i, _)| i)
                .collect()
        })
        .collect();
    assert_eq!(places.len(), 2);
    // "1,234" has a comma of its own, which the other row has not.
    let first: Vec<usize> = places[0].clone();
    assert!(
        first.iter().all(|place| places[1].contains(place)),
        "{places:?}"
    );
}
