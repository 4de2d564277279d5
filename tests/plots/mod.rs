//! Charts: what is drawn of odd and of long series, by the geometry in the SVG.

mod colours;
mod overlays;

use retake::report::diagram;
use retake::report::mermaid::Vertex;
use retake::report::plot::{Bars, Chart, HistogramChart, Line, MOST_LINES};
use retake::report::smooth::smooth;

type Points = Vec<(f64, f64)>;

/// The attribute `name` of every element `tag` whose class holds all words of `class`.
fn attributes(svg: &str, tag: &str, class: &str, name: &str) -> Vec<String> {
    let attribute = |element: &str, name: &str| -> Option<String> {
        let (_, rest) = element.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    svg.split('<')
        .filter(|element| element.starts_with(tag) && element[tag.len()..].starts_with([' ', '>']))
        .filter(|element| {
            let classes = attribute(element, "class").unwrap_or_default();
            let classes: Vec<&str> = classes.split(' ').collect();
            class
                .split(' ')
                .all(|word| word.is_empty() || classes.contains(&word))
        })
        .filter_map(|element| attribute(element, name))
        .collect()
}

/// The unbroken parts of the paths of `class`.
fn paths(svg: &str, class: &str) -> Vec<Points> {
    let parts = attributes(svg, "path", class, "d");
    let parts = parts
        .iter()
        .flat_map(|d| d.split('M'))
        .filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let points = part.trim_end_matches('Z').split('L');
            points
                .map(|point| {
                    let (x, y) = point.split_once(' ').expect("two numbers");
                    (x.parse().expect("a number"), y.parse().expect("a number"))
                })
                .collect()
        })
        .collect()
}

fn texts(svg: &str) -> Vec<String> {
    let texts = svg.split("<text").skip(1);
    texts
        .filter_map(|text| Some(text.split_once('>')?.1.split_once('<')?.0.to_owned()))
        .collect()
}

fn line(name: &str, values: &[f64]) -> Line {
    let points = values.iter().enumerate().map(|(i, y)| ((i + 1) as f64, *y));
    Line::new(name, points.collect())
}

fn chart(lines: Vec<Line>) -> Chart {
    Chart {
        title: "loss of gan".to_owned(),
        about: "What it is.".to_owned(),
        x_label: "step".to_owned(),
        y_label: "loss".to_owned(),
        lines,
        ..Chart::default()
    }
}

/// Every coordinate lies on the paper, and none has more than two decimals.
fn check_geometry(svg: &str) {
    let (_, view) = svg.split_once("viewBox=\"0 0 ").expect("a view box");
    let (width, rest) = view.split_once(' ').expect("two numbers");
    let width: f64 = width.parse().expect("a number");
    let height: f64 = rest
        .split_once('"')
        .expect("its end")
        .0
        .parse()
        .expect("a number");
    for class in ["line", "raw", "band", "bars", "level", "other"] {
        for (x, y) in paths(svg, class).into_iter().flatten() {
            assert!(
                (0.0..=width).contains(&x) && (0.0..=height).contains(&y),
                "{class}: {x}, {y}"
            );
        }
    }
    for d in attributes(svg, "path", "", "d") {
        for number in d.split(['M', 'L', 'Z', ' ']) {
            let decimals = number
                .split_once('.')
                .map_or(0, |(_, decimals)| decimals.len());
            assert!(decimals <= 2, "{number}");
        }
    }
}

fn noisy(values: &[f64]) -> Chart {
    Chart {
        noisy: true,
        ..chart(vec![line("loss", values)])
    }
}

#[test]
fn a_million_points_become_a_small_chart_that_keeps_gaps_and_extremes() {
    let mut values: Vec<f64> = (0..1_000_000)
        .map(|i: u32| f64::from(i.wrapping_mul(2_654_435_761) % 1000) / 1000.0)
        .collect();
    values[300_000..360_000].fill(f64::NAN);
    values[700_123] = 9.0;
    values[800_456] = -3.0;
    let chart = noisy(&values);
    let svg = chart.svg();
    assert!(svg.len() < 30_000, "{} bytes", svg.len());
    check_geometry(&svg);
    assert_eq!(paths(&svg, "line c0").len(), 2, "the gap breaks the line");
    let band: Points = paths(&svg, "band f0").concat();
    let (top, bottom) = (
        band.iter()
            .copied()
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap(),
        band.iter()
            .copied()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap(),
    );
    // Where they are, between the first step and the last.
    let (left, right) = band
        .iter()
        .fold((f64::MAX, 0.0_f64), |(l, r), (x, _)| (l.min(*x), r.max(*x)));
    let share = |x: f64| (x - left) / (right - left);
    assert!((share(top.0) - 0.700_123).abs() < 0.005, "{top:?}");
    assert!((share(bottom.0) - 0.800_456).abs() < 0.005, "{bottom:?}");
    // 9 and −3 are the ends of the axis but for its margin; the rest lies between 0 and 1.
    let bold: Points = paths(&svg, "line c0").concat();
    let place = |y: f64| 9.0 - 12.0 * (y - top.1) / (bottom.1 - top.1);
    assert!(bold.iter().all(|(_, y)| (0.3..0.7).contains(&place(*y))));
}

#[test]
fn odd_series_are_readable() {
    for values in [
        &[][..],
        &[f64::NAN, f64::NAN],
        &[1.5],
        &[0.0, 0.0, 0.0],
        &[1e30, -1e30, f64::INFINITY, 3.0],
        &[f64::MAX, f64::MIN],
        &[f64::MIN_POSITIVE, 5e-324],
        &[1e8, 1e8 + 1e-7],
        &[1.000_01, 1.000_05, 1.000_09],
        &[1e-9, 3e-9, 2e-9],
        &[1.0, f64::NAN, 2.0, 3.0],
    ] {
        for noisy in [false, true] {
            let svg = Chart {
                noisy,
                ..chart(vec![line("a", values)])
            };
            let svg = svg.svg();
            check_geometry(&svg);
            let finite = values.iter().filter(|value| value.is_finite()).count();
            assert_eq!(svg.contains("no finite values"), finite == 0, "{values:?}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}");
            // Every value has its mark.
            assert_eq!(
                attributes(&svg, "circle", "f0", "r").len(),
                finite,
                "{values:?}"
            );
            let mut labels = texts(&svg);
            labels.retain(|text| {
                text.chars()
                    .next()
                    .is_some_and(|c| c.is_ascii_digit() || c == '−')
            });
            let (x, y): (Vec<_>, Vec<_>) =
                labels.iter().partition(|text| text.parse::<u32>().is_ok());
            assert!(x.len() + y.len() >= 3, "{values:?}: {labels:?}");
            let mut distinct = y.clone();
            distinct.dedup();
            assert_eq!(distinct, y, "{values:?}: ticks that cannot be told apart");
            assert!(labels.iter().all(|label| label.len() <= 14), "{labels:?}");
        }
    }
}

#[test]
fn a_constant_series_runs_level_between_ticks() {
    let svg = chart(vec![line("a", &[0.7; 30])]).svg();
    let bold = paths(&svg, "line c0").concat();
    assert!(bold.iter().all(|(_, y)| *y == bold[0].1));
    let grid: Vec<f64> = attributes(&svg, "line", "grid", "y1")
        .iter()
        .map(|y| y.parse().unwrap())
        .collect();
    assert!(grid.iter().any(|y| *y < bold[0].1) && grid.iter().any(|y| *y > bold[0].1));
}

#[test]
fn the_axis_is_logarithmic_where_one_line_spans_two_decades_and_says_so() {
    let falls: Vec<f64> = (0..30).map(|i| 10_f64.powf(-f64::from(i) / 10.0)).collect();
    let log = |lines: Vec<Line>| chart(lines).svg().contains("(log scale)");
    assert!(log(vec![line("a", &falls)]));
    assert!(!log(vec![line("a", &falls[..15])]), "a decade and a half");
    assert!(
        !log(vec![line("a", &falls), line("b", &[0.0])]),
        "0 has no logarithm"
    );
    assert!(
        !log(vec![line("a", &[1000.0, 900.0]), line("b", &[1.0, 1.1])]),
        "each is nearly level"
    );
    let linear = Chart {
        linear: true,
        ..chart(vec![line("a", &falls)])
    };
    assert!(!linear.svg().contains("(log scale)"));
    // Equal factors are equal steps.
    let bold = paths(&chart(vec![line("a", &falls)]).svg(), "line c0").concat();
    let steps: Vec<f64> = bold.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    assert!(
        steps.iter().all(|step| (step - steps[0]).abs() < 0.3),
        "{steps:?}"
    );
}

#[test]
fn smoothing_keeps_straight_lines_and_takes_noise_away() {
    let series = |n: usize, y: &dyn Fn(f64) -> f64| -> Points {
        (0..n).map(|i| (i as f64, y(i as f64))).collect()
    };
    let straight = series(300, &|x| 3.0 - 0.01 * x);
    for (smoothed, given) in smooth(&straight).iter().zip(&straight) {
        assert!((smoothed.1 - given.1).abs() < 1e-9, "{smoothed:?}");
    }
    let wave = |x: f64| 2.0 + (x * 2.4).sin();
    let smoothed = smooth(&series(1000, &wave));
    assert!(
        smoothed.iter().all(|(_, y)| (y - 2.0).abs() < 0.1),
        "to the very ends"
    );
    let short = series(39, &wave);
    assert_eq!(smooth(&short), short);
    assert_eq!(smooth(&[]), []);
    let huge = smooth(&series(100, &|x| if x == 50.0 { 1e300 } else { 1e299 }));
    assert!(huge.iter().all(|(_, y)| y.is_finite()));
}

#[test]
fn noisy_lines_show_what_they_are_the_mean_of() {
    let values = |n: usize| -> Vec<f64> { (0..n).map(|i| (i as f64 * 2.4).sin()).collect() };
    let count = |svg: &str, class: &str| paths(svg, class).len();
    let short = noisy(&values(20)).svg();
    assert_eq!(
        (
            count(&short, "band"),
            attributes(&short, "circle", "f0", "r").len()
        ),
        (0, 20)
    );
    let middle = noisy(&values(200)).svg();
    assert_eq!(
        (
            count(&middle, "raw"),
            count(&middle, "band"),
            count(&middle, "line")
        ),
        (1, 0, 1)
    );
    assert_eq!(paths(&middle, "raw")[0].len(), 200);
    let long = noisy(&values(2000)).svg();
    assert_eq!(
        (
            count(&long, "raw"),
            count(&long, "band"),
            count(&long, "line")
        ),
        (0, 1, 1)
    );
    let height = |points: &[(f64, f64)]| {
        let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(l, h), (_, y)| {
            (l.min(*y), h.max(*y))
        });
        high - low
    };
    assert!(height(&paths(&long, "line")[0]) < 0.2 * height(&paths(&long, "band")[0]));
}

#[test]
fn two_hundred_lines_have_seven_colours_and_the_rest_is_grey() {
    let lines = (0..200).map(|i| line(&format!("run {i}"), &[f64::from(i), 1.0, 2.0]));
    let svg = chart(lines.collect()).svg();
    check_geometry(&svg);
    assert_eq!(
        attributes(&svg, "path", "other", "d").len(),
        200 - MOST_LINES + 1,
        "and its swatch"
    );
    assert!(texts(&svg).contains(&"193 more".to_owned()));
    assert!(
        texts(&svg).contains(&"run 6".to_owned()) && !texts(&svg).contains(&"run 7".to_owned())
    );
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
}

#[test]
fn long_names_lose_their_middle_and_the_legend_wraps() {
    let name = |end: &str| format!("model={}{end}", "x".repeat(300));
    let lines = ["a", "b", "c", "d"].map(|end| line(&name(end), &[1.0, 2.0]));
    let svg = chart(lines.to_vec()).svg();
    let names: Vec<String> = texts(&svg)
        .into_iter()
        .filter(|text| text.starts_with("model="))
        .collect();
    assert_eq!(names.len(), 4);
    for (name, end) in names.iter().zip(["a", "b", "c", "d"]) {
        assert!(
            name.contains('…') && name.ends_with(end) && name.len() < 80,
            "{name}"
        );
    }
    let tops = |class: &str| attributes(&svg, "path", class, "d");
    // Two a row: the swatches of the third and fourth line are lower.
    let y = |index: usize| -> f64 {
        let swatch = &tops(&format!("line c{index}"))[0];
        swatch.split(['L', ' ']).nth(1).unwrap().parse().unwrap()
    };
    assert!(y(0) == y(1) && y(2) > y(0) && y(2) == y(3));
}

#[test]
fn rings_have_their_value_beside_them_and_words_do_not_collide() {
    let ringed = |name: &str, values: &[f64], at: usize| Line {
        ring: Some((((at + 1) as f64, values[at]), format!("{name}!"))),
        ..line(name, values)
    };
    let lines = (0..6).map(|i| ringed(&format!("l{i}"), &[9.0, 5.0 + f64::from(i) * 0.01, 7.0], 1));
    let svg = chart(lines.collect()).svg();
    assert_eq!(attributes(&svg, "circle", "ring", "r").len(), 6);
    let words = svg.matches("!</text>").count();
    assert!((1..=6).contains(&words), "{words}");
    let places: Vec<(f64, f64)> = attributes(&svg, "text", "halo", "x")
        .iter()
        .zip(attributes(&svg, "text", "halo", "y"))
        .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
        .collect();
    for (at, a) in places.iter().enumerate() {
        for b in &places[..at] {
            assert!(
                (a.0 - b.0).abs() >= 15.0 || (a.1 - b.1).abs() >= 13.0,
                "{places:?}"
            );
        }
    }
    let alone = chart(vec![ringed("a", &[3.0, 1.0, 2.0], 1)]).svg();
    assert_eq!(alone.matches("a!</text>").count(), 1);
}

#[test]
fn names_are_safe_text_and_the_figure_says_what_it_is() {
    let hostile = chart(vec![line("b <&>\u{0}\"", &[1.0]), line("c", &[2.0])]).svg();
    assert!(hostile.contains("b &lt;&amp;&gt;\u{fffd}&quot;"));
    assert!(
        hostile.contains("<title>loss of gan</title>")
            && hostile.contains("<desc>What it is.</desc>")
    );
    assert!(!hostile.contains('\u{0}'));
}

#[test]
fn a_small_chart_is_this_text() {
    let small = Chart {
        levels: vec![("real images".to_owned(), 0.5)],
        ..chart(vec![
            Line {
                band: vec![(1.0, 2.5, 4.0), (2.0, 1.0, 2.0)],
                ring: Some(((2.0, 1.5), "1.500".to_owned())),
                ..line("bce", &[3.0, 1.5])
            },
            line("hinge", &[2.0, f64::NAN]),
        ])
    };
    insta::assert_snapshot!(small.svg());
}

fn histogram(real: &[u64], generated: &[u64], range: (f64, f64)) -> HistogramChart {
    let bars = |name: &str, counts: &[u64]| Bars {
        name: name.to_owned(),
        counts: counts.to_vec(),
    };
    HistogramChart {
        title: "Scores".to_owned(),
        about: "Scores of D.".to_owned(),
        x_label: "score".to_owned(),
        range,
        bars: vec![bars("real", real), bars("generated", generated)],
        threshold: Some(("0".to_owned(), 0.0)),
    }
}

#[test]
fn histograms_show_shares_of_each_set_over_one_range() {
    let svg = histogram(&[0, 10, 30, 0], &[2, 2, 0, 0], (-2.0, 2.0)).svg();
    check_geometry(&svg);
    // The first of each class is its swatch.
    let outline = |class: &str| paths(&svg, class).remove(1);
    let (real, generated) = (outline("bars c0"), outline("bars c1"));
    let height = |points: &[(f64, f64)]| {
        let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(l, h), (_, y)| {
            (l.min(*y), h.max(*y))
        });
        high - low
    };
    // Three quarters of the real images lie in one part, half of the generated ones.
    assert!((height(&real) / height(&generated) - 1.5).abs() < 0.01);
    let threshold = paths(&svg, "level").pop().unwrap();
    let middle = f64::midpoint(real[0].0, real.last().unwrap().0);
    assert!(
        (threshold[0].0 - middle).abs() < 0.2,
        "0 is in the middle of −2 to 2"
    );

    let constant = histogram(&[0, 5], &[0, 0], (3.0, 3.0)).svg();
    check_geometry(&constant);
    assert!(!constant.contains("no finite values"));
    let empty = histogram(&[], &[], (f64::NAN, f64::NAN)).svg();
    check_geometry(&empty);
    assert!(empty.contains("no finite values"));
    insta::assert_snapshot!(svg);
}

#[test]
fn the_graph_is_drawn_in_the_same_colours_and_long_names_fit_their_boxes() {
    let vertex = |stage: &str, reads: &[&str]| Vertex {
        stage: stage.to_owned(),
        kind: "train".to_owned(),
        axes: Vec::new(),
        nodes: 1,
        reads: reads.iter().map(|r| (*r).to_owned()).collect(),
    };
    let long = "a-stage-with-a-very-long-name-indeed";
    let svg = diagram::svg(&[vertex("raw<", &[]), vertex(long, &["raw<"])]);
    assert!(
        svg.contains("prefers-color-scheme:dark") && svg.contains("raw&lt;") && !svg.contains(long)
    );
    assert_eq!(attributes(&svg, "rect", "box", "x").len(), 2);
    assert_eq!(attributes(&svg, "path", "axis", "d").len(), 1);
    assert!(diagram::svg(&[]).ends_with("</svg>\n"));
}
