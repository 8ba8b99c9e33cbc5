//! A QR code for a screen: PNG, SVG or text.
//!
//! # Decisions
//! - `qrcode` for the code, `png` for the file: the first can draw PNG only through a whole imaging library.
//! - As few modules as the text needs, because on a small e-ink screen each one more makes all of them smaller, and then
//!   the highest level of error correction that needs no more: an address of a usual length gets M or better.
use qrcode::render::svg;
use qrcode::render::unicode::Dense1x2;
use qrcode::{Color, EcLevel, QrCode};

use rigpost_core::command::Refusal;

const QUIET: usize = 4;

/// How large a PNG is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Pixels for each module, 1 to 32.
    Scale(u32),
    /// As large as goes into a square of so many pixels, the margin of four modules included.
    Fit(u32),
}

/// Draws `text`. `size`: for `png` only.
pub fn draw(text: &str, format: &str, size: Size) -> Result<Vec<u8>, Refusal> {
    let code = smallest(text)?;
    match format {
        "svg" => Ok(code.render::<svg::Color<'_>>().min_dimensions(200, 200).build().into_bytes()),
        // Terminals are mostly light on dark, so the light modules are drawn.
        "text" => Ok(code
            .render::<Dense1x2>()
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark)
            .build()
            .into_bytes()),
        "png" => png(&code, scale(&code, size)?),
        _ => Err(Refusal::InvalidArgs("the format must be \"png\", \"svg\" or \"text\"".to_owned())),
    }
}

fn smallest(text: &str) -> Result<QrCode, Refusal> {
    let at = |level| QrCode::with_error_correction_level(text, level);
    let least =
        at(EcLevel::L).map_err(|e| Refusal::NotAllowed(format!("can't be drawn as a QR code: {e}")))?;
    let as_small = |level| at(level).ok().filter(|code| code.width() == least.width());
    Ok([EcLevel::H, EcLevel::Q, EcLevel::M].into_iter().find_map(as_small).unwrap_or(least))
}

fn scale(code: &QrCode, size: Size) -> Result<u32, Refusal> {
    match size {
        Size::Scale(scale @ 1..=32) => Ok(scale),
        Size::Scale(_) => Err(Refusal::InvalidArgs("option \"scale\" must be 1 to 32".to_owned())),
        Size::Fit(pixels) => {
            let modules = u32::try_from(code.width() + 2 * QUIET).unwrap_or(u32::MAX);
            match pixels / modules {
                0 => Err(Refusal::InvalidArgs(format!("this code needs \"fit\" to be at least {modules}"))),
                scale => Ok(scale.min(32)),
            }
        }
    }
}

fn png(code: &QrCode, scale: u32) -> Result<Vec<u8>, Refusal> {
    let failed = |e: png::EncodingError| Refusal::NotAllowed(format!("can't be drawn as PNG: {e}"));
    let (modules, scale) = (code.width() + 2 * QUIET, scale as usize);
    let side = modules * scale;
    let colors = code.to_colors();
    let dark = |x: usize, y: usize| {
        let (mx, my) = ((x / scale).wrapping_sub(QUIET), (y / scale).wrapping_sub(QUIET));
        mx < code.width() && my < code.width() && colors[my * code.width() + mx] == Color::Dark
    };
    let mut pixels = Vec::with_capacity(side * side.div_ceil(8));
    for y in 0..side {
        for byte in 0..side.div_ceil(8) {
            // Grayscale of one bit: 1 is white.
            pixels.push((0..8).fold(0u8, |bits, i| {
                let x = byte * 8 + i;
                (bits << 1) | u8::from(x < side && !dark(x, y))
            }));
        }
    }
    let mut out = Vec::new();
    let side = u32::try_from(side).unwrap_or(0);
    let mut encoder = png::Encoder::new(&mut out, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_what_it_says() {
        let url = "https://example.test/device?code=012345";
        assert!(String::from_utf8(draw(url, "svg", Size::Scale(8)).unwrap()).unwrap().contains("<svg"));
        assert!(String::from_utf8(draw(url, "text", Size::Scale(8)).unwrap()).unwrap().contains('█'));
        let file = draw(url, "png", Size::Scale(3)).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.width, info.height);
        assert_eq!((info.width as usize / 3 - 2 * QUIET - 17) % 4, 0, "a QR code is 17 + 4n modules wide");
    }

    /// The side of the picture in pixels, and what another program than ours reads in it.
    fn decoded(file: &[u8]) -> (u32, String) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut packed = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut packed).unwrap();
        let side = info.width as usize;
        let light = |x: usize, y: usize| packed[y * info.line_size + x / 8] >> (7 - x % 8) & 1 == 1;
        // A camera sees more than one pixel for each of a small screen's.
        let mut seen = rqrr::PreparedImage::prepare_from_greyscale(side * 4, side * 4, |x, y| {
            if light(x / 4, y / 4) { 255 } else { 0 }
        });
        let grids = seen.detect_grids();
        (info.width, grids[0].decode().unwrap().1)
    }

    #[test]
    fn short_and_long_addresses_fit_small_screens_and_can_be_read() {
        let long = format!("https://login.example/activate?user_code=PTVQ-JFVB&client={}", "x".repeat(400));
        for url in ["https://f.io/d?c=1", "https://tenant.eu.auth0.com/activate?user_code=PTVQ-JFVB", &long] {
            // The Badger's e-ink screen is 128 pixels high.
            for pixels in [128, 200, 300] {
                let file = draw(url, "png", Size::Fit(pixels)).unwrap();
                let (side, text) = decoded(&file);
                assert!(side <= pixels && text == url, "{side} of {pixels}: {text}");
            }
        }
        let Err(Refusal::InvalidArgs(why)) = draw(&long, "png", Size::Fit(50)) else { panic!("too small") };
        assert!(why.contains("at least"), "{why}");
    }

    #[test]
    fn error_correction_is_what_the_size_has_room_for() {
        for length in [5, 20, 60, 150, 500] {
            let text = "a".repeat(length);
            let code = smallest(&text).unwrap();
            let at = |level| QrCode::with_error_correction_level(&text, level).unwrap().width();
            assert_eq!(code.width(), at(EcLevel::L), "no module more than needed");
            for better in [EcLevel::M, EcLevel::Q, EcLevel::H] {
                assert!(at(better) > code.width() || code.error_correction_level() >= better, "{length}");
            }
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert!(matches!(draw("x", "gif", Size::Scale(8)), Err(Refusal::InvalidArgs(_))));
        assert!(matches!(draw("x", "png", Size::Scale(0)), Err(Refusal::InvalidArgs(_))));
        assert!(matches!(draw(&"x".repeat(5000), "png", Size::Scale(8)), Err(Refusal::NotAllowed(_))));
    }
}
