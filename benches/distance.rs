//! Times the Fréchet distance of two files of features, for benches/distance.py, which makes them and runs it:
//!
//! `distance FEATURES A B`: files of f32 rows, FEATURES each. Prints seconds for the moments of both and for their
//! distance, and the distance.

use std::error::Error;
use std::fs;
use std::time::Instant;

use retake::metric::features::Features;
use retake::metric::frechet::frechet_distance;
use retake::metric::stats::Moments;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stdout, reason = "what the script reads")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [width, a, b] = &arguments[..] else {
        println!("see benches/distance.py");
        return Ok(());
    };
    let width = width.parse()?;
    let start = Instant::now();
    let moments = |path: &String| -> Result<Moments, Box<dyn Error>> {
        let bytes = fs::read(path)?;
        let (words, _) = bytes.as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        Ok(Moments::of(&Features::new(&values, width)?))
    };
    let (a, b) = (moments(a)?, moments(b)?);
    let between = Instant::now();
    let distance = frechet_distance(&a, &b)?;
    let statistics = between - start;
    println!(
        "{} {} {distance:.17e}",
        statistics.as_secs_f64(),
        between.elapsed().as_secs_f64()
    );
    Ok(())
}
