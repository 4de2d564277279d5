//! Diversity: what mode collapse takes away.

use retake::metric::MetricError;
use retake::metric::diversity::{effective_rank, label_diversity, mean_distance};

use super::{close, moments, on_any_number_of_threads, walk};

#[test]
fn equal_images_have_no_diversity_and_rank_one() {
    let equal = [0.3_f32, -1.7, 5.0].repeat(50);
    assert_eq!(mean_distance(&equal, 3).unwrap(), 0.0);
    assert_eq!(effective_rank(&moments(&equal, 3)).unwrap(), 1.0);
}

#[test]
fn two_clusters_are_as_diverse_as_the_pairs_across_them() {
    // 3 images at one point, 5 at another, 10 apart: 15 of 28 pairs lie across.
    let points = [[1.0_f32, 2.0]; 3].into_iter().chain([[7.0, 10.0]; 5]);
    let features: Vec<f32> = points.flatten().collect();
    close(
        mean_distance(&features, 2).unwrap(),
        10.0 * 15.0 / 28.0,
        1e-12,
    );
    close(effective_rank(&moments(&features, 2)).unwrap(), 1.0, 1e-6);
}

#[test]
fn features_that_spread_alike_in_all_directions_have_full_rank() {
    // Corners of a cross: equal variance along each axis, no covariance.
    let width = 6;
    let cross =
        |axis: usize, sign: f32| (0..width).map(move |at| if at == axis { sign } else { 0.0 });
    let features: Vec<f32> = (0..width)
        .flat_map(|axis| cross(axis, 1.0).chain(cross(axis, -1.0)))
        .collect();
    close(
        effective_rank(&moments(&features, width)).unwrap(),
        6.0,
        1e-9,
    );
    // Each point has one at distance 2, and 10 at √2.
    let expected = (2.0 + 10.0 * 2.0_f64.sqrt()) / 11.0;
    close(mean_distance(&features, width).unwrap(), expected, 1e-12);
    // Eigenvalues 4 : 1 have the entropy of (0.8, 0.2).
    let ellipse = [2.0, 0.0, -2.0, 0.0, 0.0, 1.0, 0.0, -1.0];
    let entropy = -(0.8 * 0.8_f64.ln() + 0.2 * 0.2_f64.ln());
    close(
        effective_rank(&moments(&ellipse, 2)).unwrap(),
        entropy.exp(),
        1e-12,
    );
}

#[test]
fn diversity_is_that_of_the_first_images_at_any_number_of_threads() {
    let many = walk(3000, 4, 9);
    let few = mean_distance(&many[..2048 * 4], 4).unwrap();
    assert_eq!(mean_distance(&many, 4).unwrap(), few);
    assert_eq!(
        on_any_number_of_threads(|| mean_distance(&many, 4).unwrap()),
        few
    );
    assert_eq!(mean_distance(&[1.0, 2.0], 2), Err(MetricError::TooFew(1)));
    assert!(matches!(
        mean_distance(&[1.0], 2),
        Err(MetricError::Ragged { .. })
    ));
    assert_eq!(
        effective_rank(&moments(&[1.0, 2.0], 2)),
        Err(MetricError::TooFew(1))
    );
}

#[test]
fn distances_of_products_are_those_of_differences() {
    // Far from the origin, where products cancel, and near it.
    for (offset, tolerance) in [(0.0, 1e-12), (1000.0, 1e-8)] {
        let features: Vec<f32> = walk(300, 20, 3).iter().map(|x| x + offset).collect();
        let rows: Vec<&[f32]> = features.chunks(20).collect();
        let mut sum = 0.0;
        for i in 0..300 {
            for j in i + 1..300 {
                let squares = rows[i]
                    .iter()
                    .zip(rows[j])
                    .map(|(x, y)| f64::from(x - y).powi(2));
                sum += squares.sum::<f64>().sqrt();
            }
        }
        let expected = sum / f64::from(300 * 299 / 2);
        let tolerance = if offset > 0.0 { tolerance } else { 1e-6 };
        close(
            mean_distance(&features, 20).unwrap(),
            expected,
            tolerance * expected,
        );
    }
}

#[test]
fn the_effective_rank_of_few_samples_is_that_of_their_covariance() {
    // 9 samples of 12 features, and the same with each sample twice: the covariance but for a factor, of more
    // samples than features.
    let few = walk(9, 12, 5);
    let rank = effective_rank(&moments(&few, 12)).unwrap();
    let twice = [few.clone(), few].concat();
    close(effective_rank(&moments(&twice, 12)).unwrap(), rank, 1e-9);
}

#[test]
fn diversity_by_label_is_blind_to_what_labels_bring() {
    // One image for each of two labels: all the variety is that of the labels.
    let [a, b] = [[0.0_f32, 0.0], [3.0, 4.0]];
    let collapsed = [a, b, a, b, a].concat();
    let labels = [[1.0_f32, 0.0], [0.0, 1.0]];
    let asked: Vec<f32> = (0..5).flat_map(|i| labels[i % 2]).collect();
    assert_eq!(label_diversity(&collapsed, 2, &asked, 2).unwrap(), 0.0);
    assert!(mean_distance(&collapsed, 2).unwrap() > 2.0);

    // Both labels at once are a label of their own; labels with one image do not count; labels weigh the same.
    let features = [0.0_f32, 1.0, 10.0, 11.0, 13.0, 50.0];
    let asked = [
        [1.0_f32, 0.0],
        [1.0, 0.0],
        [1.0, 1.0],
        [1.0, 1.0],
        [1.0, 1.0],
        [0.0, 1.0],
    ];
    // Distances 1; and 1, 2, 3.
    close(
        label_diversity(&features, 1, asked.as_flattened(), 2).unwrap(),
        1.5,
        1e-12,
    );
}

#[test]
fn diversity_by_label_needs_a_label_of_two_images() {
    let features = [0.0_f32, 1.0, 2.0];
    assert_eq!(
        label_diversity(&features, 1, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 2),
        Err(MetricError::NoPairs)
    );
    assert!(matches!(
        label_diversity(&features, 1, &[1.0, 0.0], 1),
        Err(MetricError::Dimensions { .. })
    ));
    assert!(matches!(
        label_diversity(&features, 1, &[1.0, f32::NAN, 1.0], 1),
        Err(MetricError::NotFinite {
            sample: 1,
            position: 0
        })
    ));
}
