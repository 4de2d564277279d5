//! Sizes and ages as people write and read them.

/// Units of sizes, the largest first; of one letter, as in `du -h`, they are binary too.
const SIZES: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

/// `500M`, `1.5GiB`, `0`: a size in bytes. Units are binary, whether written `G`, `GB` or `GiB`.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let unit = match unit
        .to_ascii_uppercase()
        .trim_end_matches('B')
        .trim_end_matches('I')
    {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1_u64 << 40,
        _ => return Err("expected a size such as 500M or 20G".to_owned()),
    };
    Ok((number * unit as f64) as u64)
}

/// `30d`, `12h`, `2w`: an age in seconds.
pub fn age(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let unit = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err("expected an age such as 12h, 30d or 8w".to_owned()),
    };
    Ok((number * f64::from(unit)) as u64)
}

fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end]
        .parse()
        .map_err(|_| "expected a number and a unit".to_owned())?;
    Ok((number, text[end..].trim()))
}

/// `1.5 GiB`, `17 B`.
pub fn show(bytes: u64) -> String {
    match SIZES.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}
