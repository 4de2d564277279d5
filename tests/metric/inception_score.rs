//! The inception score.

use retake::metric::MetricError;
use retake::metric::features::Features;
use retake::metric::inception_score::{InceptionScore, Splits};
use serde::Deserialize;

use super::{close, golden, on_any_number_of_threads, uniform};

#[derive(Deserialize)]
struct Case {
    rows: usize,
    columns: usize,
    scale: f32,
    splits: usize,
    shuffle: bool,
    mean: f64,
    sd: f64,
}

#[test]
fn inception_score_agrees_with_torch_fidelity() {
    for case in golden::<Case>("inception_score") {
        let logits: Vec<f32> = uniform(case.rows, case.columns, 3)
            .iter()
            .map(|x| (x - 0.5) * case.scale)
            .collect();
        let splits = Splits {
            count: case.splits,
            shuffle: case.shuffle.then_some(2020),
        };
        let logits = Features::new(&logits, case.columns).unwrap();
        let score = InceptionScore::of(&logits, &splits).unwrap();
        close(score.mean(), case.mean, 1e-12 * case.mean);
        close(score.sd(), case.sd, 1e-10);
    }
}

#[test]
fn inception_score_counts_the_classes_that_are_surely_seen() {
    // Four classes, one an image, each as often; and the same class in every image.
    let sure = |class: usize| (0..4).map(move |k| if k == class { 1000.0 } else { 0.0 });
    let spread: Vec<f32> = (0..80).flat_map(|i| sure(i % 4)).collect();
    let same: Vec<f32> = (0..80).flat_map(|_| sure(2)).collect();
    let splits = Splits {
        count: 5,
        shuffle: None,
    };
    let score =
        |logits: &[f32]| InceptionScore::of(&Features::new(logits, 4).unwrap(), &splits).unwrap();
    for value in score(&spread).values {
        close(value, 4.0, 1e-12);
    }
    close(score(&same).mean(), 1.0, 1e-12);
    close(score(&same).sd(), 0.0, 1e-12);
}

#[test]
fn inception_score_is_the_same_on_any_number_of_threads_and_needs_an_image_a_part() {
    let logits = uniform(9, 3, 1);
    let nine = Features::new(&logits, 3).unwrap();
    assert_eq!(
        InceptionScore::of(&nine, &Splits::default()),
        Err(MetricError::Splits {
            splits: 10,
            samples: 9
        })
    );
    let splits = Splits {
        count: 4,
        ..Splits::default()
    };
    on_any_number_of_threads(|| InceptionScore::of(&nine, &splits).unwrap());
}
