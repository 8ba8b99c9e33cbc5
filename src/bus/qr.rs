//! A QR code for a screen: PNG, SVG or text.
//!
//! # Decisions
//! - `qrcode` for the code, `png` for the file: the first can draw PNG only through a whole imaging library.
use crate::domain::command::Refusal;
use qrcode::{Color, EcLevel, QrCode, render::svg, render::unicode::Dense1x2};

const QUIET: usize = 4;

/// Draws `text`. `scale`: pixels per module, for `png` only.
pub fn draw(text: &str, format: &str, scale: u32) -> Result<Vec<u8>, Refusal> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|e| Refusal::NotAllowed(format!("can't be drawn as a QR code: {e}")))?;
    match format {
        "svg" => Ok(code.render::<svg::Color<'_>>().min_dimensions(200, 200).build().into_bytes()),
        // Terminals are mostly light on dark, so the light modules are drawn.
        "text" => Ok(code
            .render::<Dense1x2>()
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark)
            .build()
            .into_bytes()),
        "png" => png(&code, scale),
        _ => Err(Refusal::InvalidArgs("the format must be \"png\", \"svg\" or \"text\"".to_owned())),
    }
}

fn png(code: &QrCode, scale: u32) -> Result<Vec<u8>, Refusal> {
    if !(1..=32).contains(&scale) {
        return Err(Refusal::InvalidArgs("option \"scale\" must be 1 to 32".to_owned()));
    }
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
        assert!(String::from_utf8(draw(url, "svg", 8).unwrap()).unwrap().contains("<svg"));
        assert!(String::from_utf8(draw(url, "text", 8).unwrap()).unwrap().contains('█'));
        let file = draw(url, "png", 3).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.width, info.height);
        assert_eq!((info.width as usize / 3 - 2 * QUIET - 17) % 4, 0, "a QR code is 17 + 4n modules wide");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert!(matches!(draw("x", "gif", 8), Err(Refusal::InvalidArgs(_))));
        assert!(matches!(draw("x", "png", 0), Err(Refusal::InvalidArgs(_))));
        assert!(matches!(draw(&"x".repeat(5000), "png", 8), Err(Refusal::NotAllowed(_))));
    }
}
