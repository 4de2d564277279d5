//! Colours that are told apart, with any vision and on both papers.

use retake::report::plot::theme::COLOURS;

use super::{chart, line};

/// Linear light of a colour `#rrggbb`.
fn light(colour: &str) -> [f64; 3] {
    [1, 3, 5].map(|at| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    })
}

/// Of the Web Content Accessibility Guidelines.
fn contrast(a: &str, b: &str) -> f64 {
    let luminance = |colour: &str| {
        let [red, green, blue] = light(colour);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn times(matrix: &[[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

/// Björn Ottosson's Oklab of linear light.
fn oklab(light: [f64; 3]) -> [f64; 3] {
    let cones = times(
        &[
            [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
            [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
            [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
        ],
        light,
    );
    times(
        &[
            [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
            [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
            [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
        ],
        cones.map(|cone| cone.max(0.0).cbrt()),
    )
}

#[test]
fn colours_are_told_apart_with_any_vision_on_light_and_on_dark_paper() {
    // Machado, Oliveira and Fernandes (2009), severity 1.
    let visions = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ];
    for (scheme, paper) in [(0, "#ffffff"), (1, "#15191e")] {
        let colours: Vec<&str> = COLOURS
            .iter()
            .map(|pair| if scheme == 0 { pair.0 } else { pair.1 })
            .collect();
        for (index, colour) in colours.iter().enumerate() {
            assert!(
                contrast(colour, paper) >= 3.0 - 0.05,
                "{colour}: {}",
                contrast(colour, paper)
            );
            for other in &colours[..index] {
                for vision in &visions {
                    let seen = |colour: &str| {
                        oklab(times(vision, light(colour)).map(|x| x.clamp(0.0, 1.0)))
                    };
                    let (a, b) = (seen(colour), seen(other));
                    let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                    assert!(
                        squares.sqrt() >= 0.1,
                        "{colour} and {other}: {}",
                        squares.sqrt()
                    );
                }
            }
        }
        let svg = chart(vec![line("a", &[1.0, 2.0])]).svg();
        let (usual, dark) = svg.split_once("@media(prefers-color-scheme:dark)").unwrap();
        let css = if scheme == 0 { usual } else { dark };
        assert!(css.contains(&format!(".paper{{fill:{paper}}}")) && css.contains(colours[0]));
    }
    let ink = [
        ("#24292f", "#ffffff"),
        ("#59636e", "#ffffff"),
        ("#d8dee4", "#15191e"),
        ("#9aa4ae", "#15191e"),
    ];
    for (ink, paper) in ink {
        assert!(contrast(ink, paper) >= 4.5, "{ink} on {paper}");
    }
}
