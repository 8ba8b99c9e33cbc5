//! What README.md shows in pictures: that each is there, is taken by `tests/pictures/take`, and can be used as it is.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Side of a module of the QR code in the SVG.
const MODULE: usize = 8;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Between the one and the other.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    text.split_once(begin)?.1.split_once(end).map(|(found, _)| found)
}

/// Each picture of the README, and what it says to whoever can't see it.
fn shown(readme: &str) -> Vec<(String, String)> {
    let pair = |path: &str, words: &str| (path.to_owned(), words.to_owned());
    let plain = readme.split("![").skip(1).filter_map(|rest| {
        let (words, rest) = rest.split_once("](")?;
        Some(pair(rest.split_once(')')?.0, words))
    });
    let sized = readme.split("<img ").skip(1).filter_map(|rest| {
        let tag = rest.split_once('>')?.0;
        Some(pair(between(tag, "src=\"", "\"")?, between(tag, "alt=\"", "\"")?))
    });
    plain.chain(sized).collect()
}

#[test]
fn pictures_are_found_however_they_are_written() {
    let found = shown("![one](a.svg), <img alt=\"two\" src=\"b.png\"> and [no picture](c.md)");
    assert_eq!(found, [("a.svg", "one"), ("b.png", "two")].map(|(p, w)| (p.to_owned(), w.to_owned())));
}

#[test]
fn the_readme_shows_the_pictures_that_are_taken_and_they_are_there() {
    let shown = shown(&read("README.md"));
    for (path, words) in &shown {
        assert!(words.len() > 30, "{path}: whoever can't see it is told {words:?}");
    }
    let shown: BTreeSet<String> = shown.into_iter().map(|(path, _)| path).collect();
    let story = read("tests/pictures/story.py");
    let taken: BTreeSet<String> = story
        .split("{where}/")
        .skip(1)
        .map(|rest| format!("tests/pictures/{}", rest.split_once('"').unwrap().0))
        .collect();
    assert_eq!(shown, taken, "shown, and taken");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let there = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = there
        .filter(|name| name.ends_with(".svg") || name.ends_with(".png"))
        .map(|name| format!("tests/pictures/{name}"))
        .collect();
    assert_eq!(shown, there, "shown, and there");
    assert!(shown.len() >= 4, "{shown:?}");
}

/// Nothing is fetched for them, and nobody waits for them.
#[test]
fn pictures_are_small_and_whole() {
    for (path, _) in shown(&read("README.md")) {
        let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).unwrap();
        if path.ends_with(".svg") {
            assert!(bytes.len() < 60_000, "{path}: {} bytes", bytes.len());
            let text = String::from_utf8(bytes).unwrap();
            let svg = roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
            for node in svg.descendants().filter(roxmltree::Node::is_element) {
                let name = node.tag_name().name();
                assert!(["svg", "title", "rect", "g", "path", "text"].contains(&name), "{path}: {name}");
                let refers =
                    node.attributes().any(|a| a.name().ends_with("href") || a.value().contains("url("));
                assert!(!refers, "{path}: {name} refers to something");
            }
        } else {
            assert!(bytes.len() < 100_000, "{path}: {} bytes", bytes.len());
            let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
            let info = decoder.read_info().unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(info.info().width, 2 * 390, "{path}: a phone's width");
        }
    }
}

/// White rectangles of the picture, each `M x y h w v h h -w z`, as modules on a grid.
fn light_modules(svg: &str) -> BTreeSet<(usize, usize)> {
    let path = between(svg, "<path fill=\"#ffffff\" fill-opacity=\"1\" d=\"", "\"").unwrap();
    let mut light = BTreeSet::new();
    for rectangle in path.split('M').skip(1) {
        let numbers: Vec<usize> = rectangle
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .map(|number: usize| number / MODULE)
            .collect();
        let [x, y, width, height, ..] = numbers[..] else { panic!("{rectangle}") };
        light.extend((x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))));
    }
    light
}

#[test]
fn a_phone_reads_the_code_off_the_picture() {
    let svg = read("tests/pictures/pair.svg");
    let light = light_modules(&svg);
    let side = 100;
    let pixel = |x, y| if light.contains(&(x / 4, y / 4)) { 255 } else { 0 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * 4, side * 4, pixel);
    let grids = image.detect_grids();
    let (_, link) = grids.first().expect("there is a QR code").decode().unwrap();
    let code = svg.split("textLength=\"48\"").nth(1).and_then(|rest| between(rest, ">", "<")).unwrap();
    assert_eq!(link.split_once("?code=").map(|(_, digits)| digits), Some(code), "{link}");
    let place = link.split_once('?').unwrap().0;
    assert!(svg.contains(&format!(">{place} and<")), "{place} is what a person types");
}
