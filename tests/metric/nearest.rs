//! Nearest reference images, and the memorisation ratio.

use retake::metric::MetricError;
use retake::metric::features::Features;
use retake::metric::nearest::{Memorisation, Neighbour, nearest};

use super::{close, grid, on_any_number_of_threads, walk};

#[test]
fn the_nearest_are_found_in_order_and_ties_go_to_the_lower_index() {
    // On a grid many distances are equal.
    for (a, b, columns) in [
        (grid(150, 3, 1, 4), grid(300, 3, 2, 4), 3),
        (walk(150, 20, 1), walk(300, 20, 2), 20),
    ] {
        let (x, y) = (
            Features::new(&a, columns).unwrap(),
            Features::new(&b, columns).unwrap(),
        );
        let found = on_any_number_of_threads(|| nearest(&x, &y, 7).unwrap());
        assert_eq!(found.len(), 150);
        for (row, found) in a.chunks(columns).zip(found) {
            let distance = |other: &[f32]| {
                let squares = row
                    .iter()
                    .zip(other)
                    .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2));
                squares.sum::<f64>().sqrt()
            };
            let mut all: Vec<Neighbour> = b
                .chunks(columns)
                .enumerate()
                .map(|(index, other)| Neighbour {
                    index,
                    distance: distance(other),
                })
                .collect();
            // Stable: equal distances stay in order.
            all.sort_by(|a, b| a.distance.total_cmp(&b.distance));
            assert_eq!(found, all[..7]);
        }
    }
}

#[test]
fn as_many_neighbours_as_there_are_images_can_be_asked_for() {
    let (a, b) = (walk(2, 4, 1), walk(5, 4, 2));
    let (x, y) = (Features::new(&a, 4).unwrap(), Features::new(&b, 4).unwrap());
    assert_eq!(nearest(&x, &y, 5).unwrap()[1].len(), 5);
    for count in [0, 6] {
        assert_eq!(
            nearest(&x, &y, count),
            Err(MetricError::Neighbours {
                neighbours: count,
                samples: 5
            })
        );
    }
}

#[test]
fn copies_have_memorisation_ratio_zero_and_images_of_the_same_kind_about_one() {
    let width = 6;
    let (reference, others) = (walk(900, width, 1), walk(900, width, 77));
    let reference = Features::new(&reference, width).unwrap();
    let copies = reference.first(50);
    assert_eq!(Memorisation::of(&copies, &reference).unwrap().ratio(), 0.0);
    let others = Features::new(&others, width).unwrap();
    close(
        Memorisation::of(&others, &reference).unwrap().ratio(),
        1.0,
        0.05,
    );
}

#[test]
fn memorisation_is_a_ratio_of_mean_nearest_distances() {
    // 0, 1, 3 are 1, 1 and 2 from their nearest; 2.5 and 10 are ½ and 7 from theirs.
    let (generated, reference) = ([2.5_f32, 10.0], [0.0_f32, 1.0, 3.0]);
    let generated = Features::new(&generated, 1).unwrap();
    let reference = Features::new(&reference, 1).unwrap();
    let memorisation = Memorisation::of(&generated, &reference).unwrap();
    close(memorisation.to_reference, 3.75, 1e-12);
    close(memorisation.within_reference, 4.0 / 3.0, 1e-12);
    close(memorisation.ratio(), 3.75 * 0.75, 1e-12);
    let doubles = [1.0_f32, 1.0, 5.0, 5.0];
    let doubles = Features::new(&doubles, 1).unwrap();
    assert_eq!(
        Memorisation::of(&generated, &doubles),
        Err(MetricError::NoSpread)
    );
}
