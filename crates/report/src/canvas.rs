//! A drawing as a list of shapes, written as SVG.

use crate::color::{self, Ink, Rgb, Theme};
use crate::escape;
use crate::text_width::Weight;

/// The reader's fonts, narrow ones first. `Inter` is what a PNG has.
pub(crate) const FONTS: &str =
    "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', system-ui, sans-serif";

/// Around a drawing that is a file of its own; a page has margins already.
const MARGIN: f64 = 20.0;

/// Which point of a text its position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Size, weight, colour and anchor of text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Font {
    pub(crate) size: f64,
    pub(crate) weight: Weight,
    pub(crate) ink: Ink,
    pub(crate) anchor: Anchor,
}

/// Colour, width and dashes of a line. Dashes are lengths on, off, on, off …; none is solid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stroke {
    pub(crate) ink: Ink,
    pub(crate) width: f64,
    pub(crate) dashes: &'static [f64],
}

impl Stroke {
    pub(crate) fn solid(ink: Ink, width: f64) -> Self {
        Self {
            ink,
            width,
            dashes: &[],
        }
    }
}

/// Where lines of data end: what is beyond is not shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

#[derive(Clone, Debug)]
enum Geometry {
    Path(String),
    Rect {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        radius: f64,
    },
    Text {
        x: f64,
        y: f64,
        font: Font,
        text: String,
    },
}

#[derive(Clone, Debug)]
struct Shape {
    geometry: Geometry,
    fill: Option<Ink>,
    opacity: f64,
    stroke: Option<Stroke>,
    clipped: bool,
    tip: Option<String>,
}

/// Everything drawn, in pixels of the given width; later shapes cover earlier ones.
#[derive(Clone, Debug)]
pub struct Drawing {
    pub(crate) width: f64,
    pub(crate) height: f64,
    title: String,
    description: String,
    clip: Option<Area>,
    gradients: Vec<Vec<Rgb>>,
    shapes: Vec<Shape>,
}

/// How colours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coloring {
    /// A file of its own: literal colours, and a style that follows the reader's theme.
    Standalone,
    /// Within a page that has [`color::style_sheet`].
    Inline,
    /// Literal colours only, for a renderer without CSS variables.
    #[cfg_attr(not(feature = "png"), expect(dead_code))]
    Literal(Theme),
}

impl Drawing {
    pub(crate) fn new(width: f64, title: &str, description: &str) -> Self {
        Self {
            width,
            height: 0.0,
            title: title.to_owned(),
            description: description.to_owned(),
            clip: None,
            gradients: Vec::new(),
            shapes: Vec::new(),
        }
    }

    pub(crate) fn clip_to(&mut self, area: Area) {
        self.clip = Some(area);
    }

    /// A horizontal colour scale; the ink that fills with it.
    pub(crate) fn gradient(&mut self, stops: &[Rgb]) -> Ink {
        self.gradients.push(stops.to_vec());
        Ink::Gradient(self.gradients.len() - 1)
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, font: Font, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let geometry = Geometry::Text {
            x,
            y,
            font,
            text: text.to_owned(),
        };
        self.push(geometry, Some(font.ink), None);
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        self.push(Geometry::Path(path(&[from, to])), None, Some(stroke));
    }

    /// A line through points, cut at the clip area.
    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        self.push(Geometry::Path(path(points)), None, Some(stroke));
        self.clip_last();
    }

    /// A translucent area around points in order, cut at the clip area.
    pub(crate) fn area(&mut self, points: &[(f64, f64)], ink: Ink, opacity: f64) {
        let outline = format!("{}Z", path(points));
        self.push(Geometry::Path(outline), Some(ink), None);
        self.clip_last();
        if let Some(shape) = self.shapes.last_mut() {
            shape.opacity = opacity;
        }
    }

    pub(crate) fn rect(
        &mut self,
        area: Area,
        radius: f64,
        fill: Option<Ink>,
        stroke: Option<Stroke>,
    ) {
        let geometry = Geometry::Rect {
            x: area.left,
            y: area.top,
            width: (area.right - area.left).max(0.0),
            height: (area.bottom - area.top).max(0.0),
            radius,
        };
        self.push(geometry, fill, stroke);
    }

    /// A closed or open shape given as SVG path data.
    pub(crate) fn path(&mut self, data: String, fill: Option<Ink>, stroke: Option<Stroke>) {
        self.push(Geometry::Path(data), fill, stroke);
    }

    /// What a pointer over the last shape shows.
    pub(crate) fn tip(&mut self, text: String) {
        if let Some(shape) = self.shapes.last_mut() {
            shape.tip = Some(text);
        }
    }

    fn push(&mut self, geometry: Geometry, fill: Option<Ink>, stroke: Option<Stroke>) {
        self.shapes.push(Shape {
            geometry,
            fill,
            opacity: 1.0,
            stroke,
            clipped: false,
            tip: None,
        });
    }

    fn clip_last(&mut self) {
        if let Some(shape) = self.shapes.last_mut() {
            shape.clipped = true;
        }
    }

    /// SVG 1.1 text. `id` starts every id within, so that drawings on one page do not share any.
    pub(crate) fn svg(&self, id: &str, coloring: Coloring) -> String {
        let margin = if coloring == Coloring::Inline {
            0.0
        } else {
            MARGIN
        };
        let corner = number(-margin);
        let width = number(self.width + 2.0 * margin);
        let height = number(self.height + 2.0 * margin);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"report-chart\" \
             viewBox=\"{corner} {corner} {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" \
             font-family=\"{FONTS}\"><title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>",
            escape::xml(&self.title),
            escape::xml(&self.description),
        );
        if coloring == Coloring::Standalone {
            svg += &format!("<style>{}</style>", color::style_sheet());
        }
        svg += &self.definitions(id);
        let surface = Area {
            left: -margin,
            top: -margin,
            right: self.width + margin,
            bottom: self.height + margin,
        };
        let mut background = self.clone();
        background.shapes.clear();
        background.rect(surface, 0.0, Some(Ink::Surface), None);
        for shape in background.shapes.iter().chain(&self.shapes) {
            svg += &shape.svg(id, coloring);
        }
        svg += "</svg>";
        svg
    }

    fn definitions(&self, id: &str) -> String {
        let clip = self.clip.map(|area| {
            format!(
                "<clipPath id=\"{id}-clip\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>",
                number(area.left),
                number(area.top),
                number((area.right - area.left).max(0.0)),
                number((area.bottom - area.top).max(0.0)),
            )
        });
        let gradients = self.gradients.iter().enumerate().map(|(index, stops)| {
            let last = stops.len().saturating_sub(1).max(1) as f64;
            let stops: String = stops
                .iter()
                .enumerate()
                .map(|(place, stop)| {
                    let offset = number(100.0 * place as f64 / last);
                    format!("<stop offset=\"{offset}%\" stop-color=\"{}\"/>", stop.hex())
                })
                .collect();
            format!("<linearGradient id=\"{id}-ramp{index}\">{stops}</linearGradient>")
        });
        let all: String = clip.into_iter().chain(gradients).collect();
        if all.is_empty() {
            all
        } else {
            format!("<defs>{all}</defs>")
        }
    }
}

impl Shape {
    fn svg(&self, id: &str, coloring: Coloring) -> String {
        let (tag, geometry) = self.geometry();
        let mut out = format!("<{tag} {geometry}{}", self.paint(id, coloring));
        if self.clipped {
            out += &format!(" clip-path=\"url(#{id}-clip)\"");
        }
        let tip = self.tip.as_ref().map_or_else(String::new, |tip| {
            format!("<title>{}</title>", escape::xml(tip))
        });
        match &self.geometry {
            Geometry::Text { text, .. } => out + &format!(">{}{tip}</text>", escape::xml(text)),
            _ if tip.is_empty() => out + "/>",
            _ => out + &format!(">{tip}</{tag}>"),
        }
    }

    fn geometry(&self) -> (&'static str, String) {
        match &self.geometry {
            Geometry::Path(data) => ("path", format!("d=\"{data}\"")),
            Geometry::Rect {
                x,
                y,
                width,
                height,
                radius,
            } => {
                let (x, y, width, height) =
                    (number(*x), number(*y), number(*width), number(*height));
                let radius = if *radius > 0.0 {
                    format!(" rx=\"{}\"", number(*radius))
                } else {
                    String::new()
                };
                (
                    "rect",
                    format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{radius}"),
                )
            }
            Geometry::Text { x, y, font, .. } => ("text", text_attributes(*x, *y, *font)),
        }
    }

    /// Colours as attributes, which any renderer reads, and as classes, which a style sheet overrides.
    fn paint(&self, id: &str, coloring: Coloring) -> String {
        let theme = match coloring {
            Coloring::Literal(theme) => theme,
            Coloring::Standalone | Coloring::Inline => Theme::Light,
        };
        let value = |ink: Ink| match ink {
            Ink::Gradient(index) => format!("url(#{id}-ramp{index})"),
            _ => ink.color(theme).hex(),
        };
        let mut classes = Vec::new();
        let mut out = match self.fill {
            Some(ink) => {
                classes.extend(ink.property().map(|name| format!("rf-{name}")));
                format!(" fill=\"{}\"", value(ink))
            }
            None => " fill=\"none\"".to_owned(),
        };
        if self.opacity < 1.0 {
            out += &format!(" fill-opacity=\"{}\"", number(self.opacity));
        }
        if let Some(stroke) = self.stroke {
            classes.extend(stroke.ink.property().map(|name| format!("rs-{name}")));
            out += &format!(
                " stroke=\"{}\" stroke-width=\"{}\"",
                value(stroke.ink),
                number(stroke.width)
            );
            out += " stroke-linecap=\"butt\" stroke-linejoin=\"round\"";
            if !stroke.dashes.is_empty() {
                let dashes: Vec<String> = stroke.dashes.iter().map(|d| number(*d)).collect();
                out += &format!(" stroke-dasharray=\"{}\"", dashes.join(" "));
            }
        }
        if !classes.is_empty() {
            out += &format!(" class=\"{}\"", classes.join(" "));
        }
        out
    }
}

fn text_attributes(x: f64, y: f64, font: Font) -> String {
    let anchor = match font.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let weight = match font.weight {
        Weight::Regular => "",
        Weight::Bold => " font-weight=\"600\"",
    };
    format!(
        "x=\"{}\" y=\"{}\" font-size=\"{}\"{anchor}{weight}",
        number(x),
        number(y),
        number(font.size)
    )
}

fn path(points: &[(f64, f64)]) -> String {
    points
        .iter()
        .enumerate()
        .map(|(index, (x, y))| {
            let letter = if index == 0 { 'M' } else { 'L' };
            format!("{letter}{} {}", number(*x), number(*y))
        })
        .collect()
}

/// At most two decimals: a hundredth of a pixel is not seen.
pub(crate) fn number(value: f64) -> String {
    debug_assert!(value.is_finite(), "a coordinate is {value}");
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}
