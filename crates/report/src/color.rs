//! Colours: of the page, of series, and of the cells of a heat map.

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rgb(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// Light or dark: which of its two sets of colours a drawing without CSS has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark ink on a white surface: for print.
    #[default]
    Light,
    /// Light ink on a dark surface: for slides.
    Dark,
}

/// What a colour is for. Each is a custom property of CSS, so that a page can set its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Titles, labels, numbers.
    Text,
    /// Axis titles, ticks, notes.
    Muted,
    /// Grid lines.
    Grid,
    /// Axes, reference lines, leaders.
    Axis,
    /// What is behind everything.
    Surface,
    /// The line and marker of a series, by its index.
    Series(usize),
    /// The same in both themes: a cell of a heat map.
    Fixed(Rgb),
    /// A colour scale, by its index among the drawing's gradients.
    Gradient(usize),
}

/// Colours for series, as (light, dark): each at least 3:1 against its surface (WCAG 2.2, 1.4.11), and
/// apart from each other under protanopia and deuteranopia. The first two are near Okabe and Ito's (2008)
/// blue and vermillion; their yellow, orange and sky blue vanish on white paper, so the others were
/// searched for: the greatest least distance in `OKLab` among all pairs, normal and simulated.
pub(crate) const SERIES: [(Rgb, Rgb); 8] = [
    (Rgb(0x00, 0x72, 0xb2), Rgb(0x56, 0xb4, 0xe9)),
    (Rgb(0xd5, 0x5e, 0x00), Rgb(0xf0, 0x80, 0x3c)),
    (Rgb(0x17, 0x5e, 0x4d), Rgb(0x00, 0xe9, 0xbe)),
    (Rgb(0xac, 0x88, 0xa7), Rgb(0xc4, 0x94, 0xb2)),
    (Rgb(0xa8, 0x2d, 0x04), Rgb(0x9d, 0x73, 0x4b)),
    (Rgb(0x10, 0x99, 0xf4), Rgb(0x70, 0x79, 0xc6)),
    (Rgb(0x2b, 0x05, 0x63), Rgb(0xd8, 0xce, 0x4b)),
    (Rgb(0x7b, 0x70, 0x64), Rgb(0xe8, 0xfd, 0xee)),
];

pub(crate) const NAMED: [Ink; 5] = [Ink::Text, Ink::Muted, Ink::Grid, Ink::Axis, Ink::Surface];

impl Ink {
    /// Name of the CSS custom property after `--report-`; `None` where it has none.
    pub(crate) fn property(self) -> Option<String> {
        match self {
            Self::Text => Some("text".to_owned()),
            Self::Muted => Some("muted".to_owned()),
            Self::Grid => Some("grid".to_owned()),
            Self::Axis => Some("axis".to_owned()),
            Self::Surface => Some("surface".to_owned()),
            Self::Series(index) => Some(format!("series-{}", index % SERIES.len() + 1)),
            Self::Fixed(_) | Self::Gradient(_) => None,
        }
    }

    /// The colour where no CSS sets another.
    pub(crate) fn color(self, theme: Theme) -> Rgb {
        let (light, dark) = match self {
            Self::Text => (Rgb(0x1a, 0x1d, 0x21), Rgb(0xee, 0xf0, 0xf2)),
            Self::Muted => (Rgb(0x5a, 0x61, 0x6a), Rgb(0xa8, 0xaf, 0xb8)),
            Self::Grid => (Rgb(0xe6, 0xe8, 0xeb), Rgb(0x2c, 0x31, 0x37)),
            Self::Axis => (Rgb(0x86, 0x8d, 0x96), Rgb(0x7d, 0x85, 0x8f)),
            Self::Surface => (Rgb(0xff, 0xff, 0xff), Rgb(0x14, 0x17, 0x1a)),
            Self::Series(index) => SERIES[index % SERIES.len()],
            Self::Fixed(color) => (color, color),
            Self::Gradient(_) => (Rgb(0, 0, 0), Rgb(0, 0, 0)),
        };
        match theme {
            Theme::Light => light,
            Theme::Dark => dark,
        }
    }
}

impl Rgb {
    /// `#rrggbb`.
    pub(crate) fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    fn linear(self) -> [f64; 3] {
        [self.0, self.1, self.2].map(|channel| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.040_45 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.linear();
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Contrast ratio, 1 to 21 (WCAG 2.2).
    pub(crate) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Black or white, whichever is read better on this colour: always at least 4.58:1.
    pub(crate) fn readable_on(self) -> Self {
        let (black, white) = (Self(0, 0, 0), Self(0xff, 0xff, 0xff));
        if self.contrast(black) >= self.contrast(white) {
            black
        } else {
            white
        }
    }
}

/// The colours of a heat map from its lowest to its highest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ramp {
    /// Viridis (Smith and van der Walt 2015, CC0): one direction, its lightness growing evenly, so that it
    /// is read in grey and with colour vision deficiency too.
    Sequential,
    /// Blue to orange through a light neutral: two directions from a centre.
    Diverging,
}

/// Viridis at equal distances.
const VIRIDIS: [Rgb; 10] = [
    Rgb(0x44, 0x01, 0x54),
    Rgb(0x48, 0x28, 0x78),
    Rgb(0x3e, 0x49, 0x89),
    Rgb(0x31, 0x68, 0x8e),
    Rgb(0x26, 0x82, 0x8e),
    Rgb(0x1f, 0x9e, 0x89),
    Rgb(0x35, 0xb7, 0x79),
    Rgb(0x6e, 0xce, 0x58),
    Rgb(0xb5, 0xde, 0x2b),
    Rgb(0xfd, 0xe7, 0x25),
];

const BLUE_ORANGE: [Rgb; 7] = [
    Rgb(0x1b, 0x4a, 0x8a),
    Rgb(0x5a, 0x91, 0xc8),
    Rgb(0xab, 0xcb, 0xe6),
    Rgb(0xf3, 0xf2, 0xef),
    Rgb(0xf5, 0xc6, 0x96),
    Rgb(0xdd, 0x85, 0x3d),
    Rgb(0x96, 0x3e, 0x08),
];

impl Ramp {
    pub(crate) fn stops(self) -> &'static [Rgb] {
        match self {
            Self::Sequential => &VIRIDIS,
            Self::Diverging => &BLUE_ORANGE,
        }
    }

    /// The colour at a fraction of the range. Between stops the mean of sRGB values, as SVG gradients
    /// have it, so that a cell has exactly the legend's colour.
    pub(crate) fn at(self, fraction: f64) -> Rgb {
        let stops = self.stops();
        let place = fraction.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let index = (place as usize).min(stops.len() - 2);
        let rest = place - index as f64;
        let (a, b) = (stops[index], stops[index + 1]);
        let mean = |x: u8, y: u8| (f64::from(x) * (1.0 - rest) + f64::from(y) * rest).round() as u8;
        Rgb(mean(a.0, b.0), mean(a.1, b.1), mean(a.2, b.2))
    }
}

/// The rules that give classes `rf-…` (fill) and `rs-…` (stroke) their colours: `var(--report-…)` of the
/// page around, else those of the theme the reader prefers. Programs that know no `var()` (Inkscape,
/// librsvg, resvg) skip the whole `@supports` and keep the colours of the attributes.
pub(crate) fn style_sheet() -> String {
    let inks: Vec<Ink> = NAMED
        .into_iter()
        .chain((0..SERIES.len()).map(Ink::Series))
        .collect();
    let rules = |theme: Theme| -> String {
        inks.iter()
            .filter_map(|ink| Some((ink.property()?, ink.color(theme).hex())))
            .map(|(name, hex)| {
                format!(
                    ".rf-{name}{{fill:var(--report-{name},{hex})}}.rs-{name}{{stroke:var(--report-{name},{hex})}}"
                )
            })
            .collect()
    };
    format!(
        "@supports (color:var(--a)){{{}@media (prefers-color-scheme:dark){{{}}}\
         .report-chart text{{font-variant-numeric:tabular-nums}}}}",
        rules(Theme::Light),
        rules(Theme::Dark)
    )
}

/// The custom properties themselves, for a page's `:root`.
pub(crate) fn custom_properties(theme: Theme) -> String {
    NAMED
        .into_iter()
        .chain((0..SERIES.len()).map(Ink::Series))
        .filter_map(|ink| Some((ink.property()?, ink.color(theme).hex())))
        .map(|(name, hex)| format!("--report-{name}:{hex};"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEMES: [Theme; 2] = [Theme::Light, Theme::Dark];

    #[test]
    fn text_and_lines_have_enough_contrast() {
        for theme in THEMES {
            let surface = Ink::Surface.color(theme);
            let against = |ink: Ink| ink.color(theme).contrast(surface);
            assert!(against(Ink::Text) >= 7.0);
            assert!(against(Ink::Muted) >= 4.5);
            assert!(against(Ink::Axis) >= 3.0);
            for index in 0..SERIES.len() {
                let ratio = against(Ink::Series(index));
                assert!(ratio >= 3.0, "{theme:?} {index}: {ratio}");
            }
        }
    }

    #[test]
    fn every_cell_has_readable_text() {
        for ramp in [Ramp::Sequential, Ramp::Diverging] {
            for step in 0..=200 {
                let color = ramp.at(f64::from(step) / 200.0);
                assert!(color.contrast(color.readable_on()) >= 4.5, "{color:?}");
            }
        }
    }

    #[test]
    fn sequential_colours_grow_lighter_and_diverging_ones_are_lightest_in_the_middle() {
        let light = |ramp: Ramp, step: i32| ramp.at(f64::from(step) / 100.0).luminance();
        for step in 0..100 {
            assert!(light(Ramp::Sequential, step) <= light(Ramp::Sequential, step + 1));
            let towards_middle = light(Ramp::Diverging, step) < light(Ramp::Diverging, step + 1);
            assert_eq!(towards_middle, step < 50, "{step}");
        }
    }

    /// Björn Ottosson's `OKLab` (2020) of linear sRGB.
    fn oklab([red, green, blue]: [f64; 3]) -> [f64; 3] {
        let long = 0.412_221_47 * red + 0.536_332_54 * green + 0.051_445_99 * blue;
        let medium = 0.211_903_5 * red + 0.680_699_55 * green + 0.107_396_96 * blue;
        let short = 0.088_302_46 * red + 0.281_718_84 * green + 0.629_978_7 * blue;
        let [l, m, s] = [long, medium, short].map(|x| x.max(0.0).cbrt());
        [
            0.210_454_26 * l + 0.793_617_79 * m - 0.004_072_05 * s,
            1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_71 * s,
            0.025_904_04 * l + 0.782_771_77 * m - 0.808_675_77 * s,
        ]
    }

    /// Simulated at full severity (Machado, Oliveira, Fernandes 2009), rows for red, green, blue.
    const PROTANOPIA: [[f64; 3]; 3] = [
        [0.152_286, 1.052_583, -0.204_868],
        [0.114_503, 0.786_281, 0.099_216],
        [-0.003_882, -0.048_116, 1.051_998],
    ];
    const DEUTERANOPIA: [[f64; 3]; 3] = [
        [0.367_322, 0.860_646, -0.227_968],
        [0.280_085, 0.672_501, 0.047_413],
        [-0.011_820, 0.042_940, 0.968_881],
    ];
    const NONE: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    #[test]
    fn series_are_told_apart_with_colour_vision_deficiency() {
        for theme in THEMES {
            for (matrix, least) in [(NONE, 0.10), (PROTANOPIA, 0.08), (DEUTERANOPIA, 0.08)] {
                let seen: Vec<[f64; 3]> = (0..SERIES.len())
                    .map(|index| Ink::Series(index).color(theme).linear())
                    .map(|c| matrix.map(|row| row[0] * c[0] + row[1] * c[1] + row[2] * c[2]))
                    .map(|c| oklab(c.map(|x| x.clamp(0.0, 1.0))))
                    .collect();
                for first in 0..seen.len() {
                    for second in 0..first {
                        let distance: f64 = (0..3)
                            .map(|i| (seen[first][i] - seen[second][i]).powi(2))
                            .sum::<f64>()
                            .sqrt();
                        assert!(
                            distance >= least,
                            "{theme:?}: {second} and {first} are {distance:.3} apart"
                        );
                    }
                }
            }
        }
    }
}
