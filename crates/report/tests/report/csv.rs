//! The numbers of a CSV are the numbers given, bit by bit.

use report::chart::{Chart, Effect, HeatMap, Intervals, Line, Point, Series};
use report::{Axis, Cell, Column, Table};

use crate::common::{Random, records};

const NAME: &str = "a \"quoted\", name\nwith lines";

/// Numbers of every size, and those that are none.
fn numbers(count: usize) -> Vec<f64> {
    let mut random = Random::new(11);
    let odd = [
        0.1 + 0.2,
        f64::MAX,
        5e-324,
        -0.0,
        1e16,
        123_456_789.0,
        f64::NAN,
    ];
    let sized = (0..count).map(|_| {
        let sign = if random.below(2) == 0 { 1.0 } else { -1.0 };
        sign * random.uniform() * 10_f64.powi(random.below(60) as i32 - 30)
    });
    odd.into_iter().chain(sized).take(count).collect()
}

fn assert_same(field: &str, number: f64) {
    if number.is_nan() {
        assert_eq!(field, "");
    } else {
        let back: f64 = field.parse().unwrap_or_else(|_| panic!("{field:?}"));
        assert_eq!(back.to_bits(), number.to_bits(), "{field}");
    }
}

#[test]
fn of_a_line_chart() {
    let numbers = numbers(40);
    let points = numbers
        .chunks(4)
        .map(|n| Point::new(n[0], n[1]).band(n[2], n[3]));
    let chart = Line::new("t")
        .x(Axis::log2("x, log").unit("tokens"))
        .series(Series::new(NAME, points));
    let records = records(&chart.to_csv());
    assert_eq!(
        records[0],
        ["series", "x, log (tokens)", "y", "low", "high"]
    );
    assert_eq!(records.len(), 11);
    for (record, given) in records[1..].iter().zip(numbers.chunks(4)) {
        assert_eq!(record[0], NAME);
        for (field, number) in record[1..].iter().zip(given) {
            assert_same(field, *number);
        }
    }
}

#[test]
fn of_a_heat_map() {
    let numbers = numbers(21);
    let values = numbers.chunks(7).map(<[f64]>::to_vec).collect();
    let columns: Vec<String> = (0..7).map(|c| format!("c{c}")).collect();
    let chart = HeatMap::new("t", "depth", ["a", NAME, "c"], "length", columns).values("v", values);
    let records = records(&chart.to_csv());
    assert_eq!(records[0], ["depth", "length", "v"]);
    assert_eq!(records.len(), 22);
    for (index, (record, number)) in records[1..].iter().zip(&numbers).enumerate() {
        assert_eq!(record[0], ["a", NAME, "c"][index / 7]);
        assert_eq!(record[1], format!("c{}", index % 7));
        assert_same(&record[2], *number);
    }
}

#[test]
fn of_a_forest_plot() {
    let effects = [
        (-0.3, -0.5, -0.1, "true"),
        (0.3, -0.1, 0.7, "false"),
        (0.1 + 0.2, 1e-9, 2.0, "true"),
        (0.0, 0.0, 0.0, "false"),
        (f64::NAN, -1.0, -0.5, "false"),
        (1.0, f64::NAN, f64::NAN, "false"),
    ];
    let mut chart = Intervals::new("t", Axis::linear("d"));
    for (estimate, low, high, _) in effects {
        chart = chart.effect(Effect::new(NAME, estimate, low, high));
    }
    let records = records(&chart.to_csv());
    for (record, (estimate, low, high, significant)) in records[1..].iter().zip(effects) {
        assert_eq!(record[0], NAME);
        assert_same(&record[1], estimate);
        assert_same(&record[2], low);
        assert_same(&record[3], high);
        assert_eq!(record[4], significant);
    }
    assert_eq!(records.len(), 7);
}

#[test]
fn of_a_table() {
    let table = Table::new("t")
        .column(Column::left("name"))
        .column(Column::number("a", 1))
        .column(Column::number("b", 1))
        .column(Column::number("c", 1))
        .row([
            Cell::text(NAME),
            Cell::number(0.1 + 0.2).best(),
            Cell::plus_minus(1.0 / 3.0, 1e-300),
            Cell::interval(2.0 / 3.0, -1.0 / 7.0, 1e17),
        ])
        .row([
            Cell::text("b"),
            Cell::missing().significant(),
            Cell::number(1.0),
            Cell::number(f64::NAN),
        ]);
    let records = records(&table.to_csv());
    assert_eq!(
        records[0],
        [
            "name",
            "a",
            "a mark",
            "b",
            "b half-width",
            "c",
            "c low",
            "c high"
        ]
    );
    assert_eq!(records[1][0], NAME);
    assert_eq!(records[1][2], "best");
    for (field, number) in [
        (1, 0.1 + 0.2),
        (3, 1.0 / 3.0),
        (4, 1e-300),
        (5, 2.0 / 3.0),
        (6, -1.0 / 7.0),
        (7, 1e17),
    ] {
        assert_same(&records[1][field], number);
    }
    assert_eq!(records[2], ["b", "", "significant", "1", "", "", "", ""]);
}
