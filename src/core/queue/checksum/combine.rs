//! The CRC-64/NVME of bytes in a row, from those of the pieces that they are in.
//!
//! # Decisions
//! - Our own. `crc-fast` makes a matrix anew for each pair, which takes it 0.4 ms: a clip of ten thousand parts, nearly all of
//!   one length, would keep the screen waiting for seconds. Here the power of x that a length stands for is computed once (as
//!   zlib's `crc32_combine_gen` does it); the tests compare it with that crate's.

/// The polynomial; the bit of x⁰ is the highest, as CRCs of this kind are written.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;
const ONE: u64 = 1 << 63;
const X8: u64 = ONE >> 8;

/// Puts one behind the other.
#[derive(Default)]
pub(super) struct Combine(Option<Power>);

struct Power {
    len: u64,
    power: u64,
}

impl Combine {
    /// The CRC of what has the CRC `before` and, behind that, `len` bytes with the CRC `crc`.
    pub(super) fn append(&mut self, before: u64, crc: u64, len: u64) -> u64 {
        let known = self.0.take().filter(|known| known.len == len);
        let Power { power, .. } = self.0.insert(known.unwrap_or_else(|| Power { len, power: shift(len) }));
        times(*power, before) ^ crc
    }
}

/// What so many bytes of zeros multiply by: x to the power of their bits, by squaring.
fn shift(bytes: u64) -> u64 {
    let (mut left, mut square, mut product) = (bytes, X8, ONE);
    while left > 0 {
        if left & 1 == 1 {
            product = times(product, square);
        }
        square = times(square, square);
        left >>= 1;
    }
    product
}

/// The product of two polynomials, modulo ours.
fn times(a: u64, b: u64) -> u64 {
    let step = |(product, shifted): (u64, u64), power: u32| {
        let product = if (a >> power) & 1 == 1 { product ^ shifted } else { product };
        let carry = if shifted & 1 == 1 { POLYNOMIAL } else { 0 };
        (product, (shifted >> 1) ^ carry)
    };
    (0..u64::BITS).rev().fold((0, b), step).0
}

#[cfg(test)]
mod tests {
    use crc_fast::{CrcAlgorithm, checksum_combine};

    use super::*;

    #[test]
    fn it_is_what_others_make_of_them() {
        let mut combine = Combine::default();
        let mut crc = 0x0123_4567_89ab_cdef_u64;
        for len in [0, 1, 1, 7, 8, 9, 4095, 16 << 20, 16 << 20, 1 << 40, (1 << 40) + 1, 3, u64::MAX / 8] {
            let next = crc.rotate_left(13) ^ len;
            let wanted = checksum_combine(CrcAlgorithm::Crc64Nvme, crc, next, len);
            assert_eq!(combine.append(crc, next, len), wanted, "{len}");
            crc = wanted;
        }
    }
}
