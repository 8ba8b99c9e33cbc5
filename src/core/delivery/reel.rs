//! The reel that a clip is of: what film sets sort footage by.
use std::path::Path;

/// By the name of the clip's file, as cameras write it: the camera's letter and the number of its card, before the number of the clip
/// (`A001` of `A001_C002.mov` and `A001C002_240102_R1AB.mxf`, `A_0001` of `A_0001C002.mxf`). Of a name that says none it is
/// the directory that the clip lies in; empty where there is none either.
pub fn reel(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let directory = || Some(file.parent()?.file_name()?.to_string_lossy().into_owned());
    of_name(&name).map(str::to_owned).or_else(directory).unwrap_or_default()
}

fn of_name(name: &str) -> Option<&str> {
    let rest = name.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = name.len() - rest.len();
    let digits = rest.strip_prefix('_').unwrap_or(rest);
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_one = (1..=2).contains(&letters)
        && (3..=4).contains(&(digits.len() - rest.len()))
        && rest.starts_with(['_', 'C']);
    is_one.then(|| &name[..name.len() - rest.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reel_is_what_the_camera_says_it_is() {
        let card = Path::new("/media/A-CAM/DCIM/100MEDIA");
        for (name, is) in [
            ("A001_C002.mov", "A001"),
            ("A001C002_240102_R1AB.mxf", "A001"),
            ("A_0001C002_240102_a1b2.mxf", "A_0001"),
            ("AB012_08151200_C001.braw", "AB012"),
            ("B0123_C001.R3D", "B0123"),
            // Names that say nothing of a card.
            ("C0001.MP4", "100MEDIA"),
            ("IMG_0001.MOV", "100MEDIA"),
            ("GX010001.MP4", "100MEDIA"),
            ("A01_C002.mov", "100MEDIA"),
            ("a001_C002.mov", "100MEDIA"),
            ("Ä001_C002.mov", "100MEDIA"),
        ] {
            assert_eq!(reel(&card.join(name)), is, "{name}");
        }
        for (path, is) in [("/x.mov", ""), ("x.mov", ""), ("/", ""), ("/media/Karte ä/x.mov", "Karte ä")] {
            assert_eq!(reel(Path::new(path)), is, "{path}");
        }
    }
}
