//! Empty, single, equal, huge, tiny, missing: a chart comes out, and all its coordinates are numbers.

use report::Axis;
use report::chart::{Chart, Effect, HeatMap, Intervals, Line, Point, Series};
use roxmltree::Document;

const ODD: [f64; 9] = [
    0.0,
    -0.0,
    1.0,
    f64::MAX,
    -f64::MAX,
    5e-324,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Every attribute that is a coordinate holds finite numbers of a size a screen has.
fn check(svg: &str) {
    let document = Document::parse(svg).unwrap();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        for attribute in node.attributes() {
            if !matches!(
                attribute.name(),
                "d" | "x" | "y" | "width" | "height" | "viewBox"
            ) {
                continue;
            }
            let is_letter = |c: char| c.is_ascii_alphabetic() || c == ' ';
            let numbers = attribute.value().split(is_letter).filter(|n| !n.is_empty());
            for number in numbers {
                let number: f64 = number
                    .parse()
                    .unwrap_or_else(|_| panic!("{} in {}", number, attribute.value()));
                assert!(number.abs() < 20_000.0, "{number} in {}", attribute.value());
            }
            assert!(!attribute.value().contains("NaN"));
        }
    }
}

fn axes() -> [Axis; 3] {
    [Axis::linear("a"), Axis::log2("b"), Axis::log10("c")]
}

#[test]
fn charts_without_anything() {
    check(&Line::new("").to_svg());
    check(&Line::new("t").series(Series::new("no points", [])).to_svg());
    check(&HeatMap::new("", "", [""; 0], "", [""; 0]).to_svg());
    check(&HeatMap::new("", "", ["a"], "", ["b"]).to_svg());
    check(&Intervals::new("", Axis::linear("")).to_svg());
    assert!(
        Line::new("t")
            .series(Series::new("x", []))
            .to_svg()
            .contains("x (no data)")
    );
}

#[test]
fn lines_of_one_point_and_of_two_odd_ones() {
    for x in axes() {
        for y in axes() {
            for a in ODD {
                let chart = |points: Vec<Point>| {
                    Line::new("t")
                        .x(x.clone())
                        .y(y.clone())
                        .reference(a, "r")
                        .series(Series::new("s", points))
                        .to_svg()
                };
                check(&chart(vec![Point::new(a, a).band(a, a)]));
                for b in ODD {
                    check(&chart(vec![Point::new(a, b), Point::new(b, a).band(b, a)]));
                }
            }
        }
    }
}

#[test]
fn a_single_point_is_a_marker_and_a_missing_one_a_gap() {
    let line = |ys: &[f64]| {
        let points = ys.iter().enumerate().map(|(x, y)| Point::new(x as f64, *y));
        let svg = Line::new("t").series(Series::new("s", points)).to_svg();
        let document = Document::parse(&svg).unwrap();
        let markers = document
            .descendants()
            .filter(|n| n.has_tag_name("path") && n.children().any(|c| c.has_tag_name("title")))
            .count();
        let clipped = document
            .descendants()
            .filter(|n| n.attribute("clip-path").is_some())
            .count();
        (markers, clipped)
    };
    assert_eq!(line(&[1.0]), (1, 0));
    assert_eq!(line(&[1.0, 2.0, 3.0]), (3, 1));
    assert_eq!(line(&[1.0, 2.0, f64::NAN, 3.0, 4.0]), (4, 2));
    assert_eq!(line(&[1.0, f64::INFINITY, 3.0]), (2, 0));
}

#[test]
fn what_is_on_the_chart_is_where_its_value_says() {
    // 128 to 2,048 on a doubling axis: the middle point is in the middle, and twice the y is half as far.
    let points = [(128.0, 0.0), (512.0, 5.0), (2048.0, 10.0)].map(|(x, y)| Point::new(x, y));
    let svg = Line::new("t")
        .x(Axis::log2("x"))
        .series(Series::new("s", points))
        .to_svg();
    let document = Document::parse(&svg).unwrap();
    let path = document
        .descendants()
        .find(|n| n.attribute("clip-path").is_some())
        .and_then(|n| n.attribute("d"))
        .unwrap();
    let numbers: Vec<f64> = path
        .split(['M', 'L', ' '])
        .filter(|n| !n.is_empty())
        .map(|n| n.parse().unwrap())
        .collect();
    assert_eq!(numbers.len(), 6);
    assert!((numbers[2] - f64::midpoint(numbers[0], numbers[4])).abs() < 0.02);
    assert!((numbers[3] - f64::midpoint(numbers[1], numbers[5])).abs() < 0.02);
    assert!(numbers[1] > numbers[5], "greater values are higher");
}

#[test]
fn heat_maps_of_equal_huge_and_missing_values() {
    let map = |values: Vec<Vec<f64>>| {
        HeatMap::new("t", "r", ["a", "b"], "c", ["d", "e"]).values("v", values)
    };
    for a in ODD {
        for b in ODD {
            let values = vec![vec![a, b], vec![b]];
            check(&map(values.clone()).to_svg());
            check(&map(values.clone()).diverging(a).to_svg());
            check(&map(values).range(a, b).to_svg());
        }
    }
    check(&map(vec![vec![3.0; 9]; 9]).to_svg());
}

#[test]
fn equal_values_have_the_middle_colour_and_equal_points_the_middle_height() {
    let map = HeatMap::new("t", "r", ["a"], "c", ["d"]).values("v", vec![vec![3.0]]);
    // Between the fifth and the sixth of Viridis's ten stops, #26828e and #1f9e89.
    assert!(
        map.to_svg().contains("fill=\"#23908c\""),
        "{}",
        map.to_svg()
    );
    for axis in axes() {
        let points = [1.0, 2.0].map(|x| Point::new(x, 7.0));
        let svg = Line::new("t")
            .y(axis)
            .series(Series::new("s", points))
            .to_svg();
        let document = Document::parse(&svg).unwrap();
        let clip = document
            .descendants()
            .find(|n| n.has_tag_name("clipPath"))
            .and_then(|n| n.first_element_child())
            .unwrap();
        let number = |name: &str| -> f64 { clip.attribute(name).unwrap().parse().unwrap() };
        let middle = number("y") + number("height") / 2.0;
        let line = document
            .descendants()
            .find(|n| n.attribute("clip-path").is_some())
            .and_then(|n| n.attribute("d"))
            .unwrap();
        let y: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!((y - middle).abs() < 0.02, "{line} {middle}");
    }
}

#[test]
fn intervals_of_odd_numbers() {
    for a in ODD {
        for b in ODD {
            let chart = Intervals::new("t", Axis::linear("d"))
                .no_effect(b)
                .effect(Effect::new("e", a, b, a))
                .effect(Effect::new("f", b, a, a));
            check(&chart.to_svg());
            check(&chart.to_svg_of_width(280.0));
        }
    }
}

#[test]
fn widths_that_are_none() {
    let chart = Line::new("t").series(Series::new("s", [Point::new(1.0, 1.0)]));
    for width in ODD {
        check(&chart.to_svg_of_width(width));
    }
}

#[test]
fn many_series_and_many_points() {
    let mut chart = Line::new("t");
    for series in 0..30 {
        let points = (0..500).map(|x| Point::new(f64::from(x), f64::from(x * series % 17)));
        chart = chart.series(Series::new(format!("series {series}"), points));
    }
    let svg = chart.to_svg();
    check(&svg);
    // A marker at each of 15,000 points would be a blot.
    assert!(svg.matches("<title>").count() < 30 * 30);
}
