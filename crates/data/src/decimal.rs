//! Decimal numbers as JSON writes them, to the nearest f64.
//!
//! ```text
//! w·10⁻ᵏ,  0 < w < 2⁶⁴,  1 ≤ k ≤ 19:   W = w·2ᵃ and D = 5ᵏ·2ᵇ fill 64 bits, M = ⌊2¹²⁷/D⌋
//! Q = ⌊W·M/2⁶⁴⌋ is ⌊W·2⁶³/D⌋ or one less:   M > 2¹²⁷/D − 1 and W < 2⁶⁴ lose less than two units
//! ```
//! So the quotient lies in `[Q, Q + 2)`. `Q` has 63 or 64 bits and f64 has 53: of the bits that go, nine
//! or more lie below the one that stands for a half. Unless these are all zeros or all ones, the whole
//! interval lies on one side of a half, and one conversion of `Q` rounds the quotient to nearest. In one
//! case of 256 the remainder `W·2⁶³ − Q·D` decides. Division by a product with the reciprocal:
//! T. Granlund and P. L. Montgomery, "Division by invariant integers using multiplication", PLDI 1994.
//! What does not have this form, such as a number with an exponent, is left to the standard library,
//! which is exact as well.

/// More digits may not fit into 64 bits; there are never more decimals than digits.
const MAX_DIGITS: usize = 19;
/// The bits of a quotient that surely lie below the one of a half.
const LOW_BITS: u64 = (1 << 9) - 1;

/// A power of five to divide by.
#[derive(Clone, Copy)]
struct Divisor {
    /// `D = 5ᵏ·2ᵇ`, its highest bit set.
    scaled: u64,
    /// `⌊2¹²⁷/D⌋`.
    reciprocal: u64,
    /// `b`.
    shift: u32,
}

const DIVISORS: [Divisor; MAX_DIGITS + 1] = divisors();

#[expect(clippy::cast_possible_truncation, reason = "2¹²⁷/D < 2⁶⁴ since D > 2⁶³ for k ≥ 1")]
const fn divisors() -> [Divisor; MAX_DIGITS + 1] {
    let mut all = [Divisor { scaled: 0, reciprocal: 0, shift: 0 }; MAX_DIGITS + 1];
    let (mut k, mut power) = (1, 1_u64);
    while k <= MAX_DIGITS {
        power *= 5;
        let shift = power.leading_zeros();
        let scaled = power << shift;
        all[k] = Divisor { scaled, reciprocal: ((1_u128 << 127) / scaled as u128) as u64, shift };
        k += 1;
    }
    all
}

/// Reads the number at `at` and moves behind it; nothing if there is none in JSON's grammar, or one
/// beyond the range of f64.
#[inline]
pub(crate) fn number(text: &[u8], at: &mut usize) -> Option<f64> {
    let negative = text.get(*at) == Some(&b'-');
    let first = *at + usize::from(negative);
    let (mut w, mut point) = (0_u64, first);
    while let Some(digit @ b'0'..=b'9') = text.get(point) {
        w = w.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        point += 1;
    }
    let usual = point == first + 1 || (point > first && text[first] != b'0');
    if !usual || text.get(point) != Some(&b'.') {
        return any_number(text, at);
    }
    let (w, end) = digits(text, point + 1, w);
    let decimals = end - point - 1;
    // A zero in front of the point does not count.
    let n_digits = decimals + point - first - usize::from(text[first] == b'0');
    if n_digits > MAX_DIGITS || decimals == 0 || matches!(text.get(end), Some(b'e' | b'E')) {
        return any_number(text, at);
    }
    *at = end;
    let size = if w == 0 { 0.0 } else { divide(w, decimals) };
    Some(if negative { -size } else { size })
}

/// The same for whole numbers, exponents, and more digits than fit.
#[cold]
fn any_number(text: &[u8], at: &mut usize) -> Option<f64> {
    let skip_digits = |mut end: usize| {
        while text.get(end).is_some_and(u8::is_ascii_digit) {
            end += 1;
        }
        end
    };
    let start = *at;
    let first = start + usize::from(text.get(start) == Some(&b'-'));
    let mut end = if text.get(first) == Some(&b'0') { first + 1 } else { skip_digits(first) };
    let mut complete = end > first;
    if text.get(end) == Some(&b'.') {
        let decimals = end + 1;
        end = skip_digits(decimals);
        complete &= end > decimals;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let exponent = end + 1 + usize::from(matches!(text.get(end + 1), Some(b'-' | b'+')));
        end = skip_digits(exponent);
        complete &= end > exponent;
    }
    *at = end;
    let number: f64 = str::from_utf8(&text[start..end]).ok()?.parse().ok()?;
    (complete && number.is_finite()).then_some(number)
}

/// The f64 nearest to `w·10⁻ᵏ`, `w > 0`, `1 ≤ k ≤ 19`.
#[expect(clippy::cast_possible_truncation, reason = "the high half of a product of 64-bit numbers")]
#[expect(clippy::cast_possible_wrap, reason = "halved, so below 2⁶³; shifts and k are below 64")]
#[expect(clippy::cast_sign_loss, reason = "the exponent lies between -144 and 0")]
fn divide(w: u64, k: usize) -> f64 {
    let Divisor { scaled, reciprocal, shift } = DIVISORS[k];
    let zeros = w.leading_zeros();
    let dividend = w << zeros;
    let quotient = ((u128::from(dividend) * u128::from(reciprocal)) >> 64) as u64;
    let mut halved = (quotient >> 1) | (quotient & 1);
    if quotient.wrapping_add(1) & LOW_BITS <= 1 {
        halved = halved_exactly(dividend, scaled, quotient);
    }
    let rounded = halved as i64 as f64;
    // w·10⁻ᵏ = Q·2⁻⁶³·2^(b−a)·2⁻ᵏ, and Q was halved.
    let exponent = shift as i32 - zeros as i32 - k as i32 - 62;
    rounded * f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// Half the quotient, of which `quotient` is one less at most; its last bit says whether anything is left.
#[cold]
fn halved_exactly(dividend: u64, divisor: u64, mut quotient: u64) -> u64 {
    let mut rest = (u128::from(dividend) << 63) - u128::from(quotient) * u128::from(divisor);
    if rest >= u128::from(divisor) {
        rest -= u128::from(divisor);
        quotient += 1;
    }
    (quotient >> 1) | (quotient & 1) | u64::from(rest > 0)
}

/// The powers of ten by which a number grows with up to seven more digits.
const GROWTH: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Appends the digits from `at` on to `w`, eight at a time, and says where they end. More than 19 wrap
/// around; the caller counts them.
fn digits(text: &[u8], mut at: usize, mut w: u64) -> (u64, usize) {
    loop {
        let mut eight = [0; 8];
        if let Some(bytes) = text.get(at..at + 8) {
            eight.copy_from_slice(bytes);
        } else {
            let rest = text.get(at..).unwrap_or_default();
            eight[..rest.len()].copy_from_slice(rest);
        }
        // A digit becomes its value; anything else ends with a high bit here or after the addition,
        // and carries only into bytes behind it.
        let values = u64::from_le_bytes(eight) ^ 0x3030_3030_3030_3030;
        let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
        if others == 0 {
            w = w.wrapping_mul(100_000_000).wrapping_add(eight_digits(values));
            at += 8;
            continue;
        }
        // The first digit is in the lowest byte: moved up, the missing ones are zeros in front. None at
        // all is no special case, because whether there is one is hard to predict.
        let n = others.trailing_zeros() / 8;
        let values = values << 8 << (56 - 8 * n);
        w = w.wrapping_mul(GROWTH[n as usize & 7]).wrapping_add(eight_digits(values));
        return (w, at + n as usize);
    }
}

/// The number of eight digits, the first in the lowest byte: pairs, fours, and both fours at once.
fn eight_digits(values: u64) -> u64 {
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8);
    let even = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let odd = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    even.wrapping_add(odd) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the standard library says, if all of `text` is one number.
    fn check(text: &str) {
        let mut at = 0;
        let read = number(text.as_bytes(), &mut at);
        let expected: f64 = text.parse().unwrap();
        if expected.is_finite() {
            assert_eq!(read.map(f64::to_bits), Some(expected.to_bits()), "{text}");
            assert_eq!(at, text.len(), "{text}");
            // The same among other text, where eight bytes may be loaded at once.
            let embedded = format!("[{text}, 12345678]");
            let mut at = 1;
            let read = number(embedded.as_bytes(), &mut at);
            assert_eq!(read.map(f64::to_bits), Some(expected.to_bits()), "{text}");
            assert_eq!(at, 1 + text.len(), "{text}");
        } else {
            assert_eq!(read, None, "{text}");
        }
    }

    #[test]
    fn ties_ends_and_long_numbers() {
        for text in [
            "0",
            "-0",
            "0.0",
            "-0.000",
            "0e5",
            "1",
            "-1",
            "10",
            "0.1",
            "0.3",
            "123456789.125",
            "9007199254740993",
            "9007199254740992.5",
            "9007199254740993.0",
            "18446744073709551615",
            "9999999999999999999",
            "99999999999999999999",
            "0.9999999999999999999",
            "0.12345678901234567890123",
            "1e-27",
            "1e-28",
            "9999999999999999999e-27",
            "5e-324",
            "2.5e-324",
            "2.2250738585072011e-308",
            "1.7976931348623157e308",
            "1e308",
            "1e309",
            "123e22",
            "9007199254740993e22",
            "1e22",
            "1e23",
            "1E+5",
            "1e-05",
            "1e00000000000000000001",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "0.00000000000000000000000000001",
            // Halfway between two numbers of f64: 1 + 2⁻⁵³, and 2⁻¹⁷ + 2⁻⁷⁰.
            "1.00000000000000011102230246251565404236316680908203125",
            "4503599627370496.5",
            "4503599627370497.5",
            "2251799813685248.25",
            "2251799813685248.75",
        ] {
            check(text);
        }
    }

    #[test]
    fn what_json_does_not_call_a_number_is_none() {
        for text in
            ["", "-", "+1", ".5", "1.", "01x", "-.5", "1e", "1e+", "nan", "inf", "\"1\"", "1.e5"]
        {
            let mut at = 0;
            let read = number(text.as_bytes(), &mut at);
            assert!(read.is_none() || at < text.len(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn shortest_forms_come_back(bits in any::<u64>(), small in -1.0..1.0_f64) {
            let any = f64::from_bits(bits);
            if any.is_finite() {
                check(&format!("{any}"));
                check(&format!("{any:e}"));
            }
            check(&format!("{small}"));
            check(&format!("{small:.20}"));
        }

        #[test]
        fn digits_and_exponents_agree_with_the_standard_library(
            w in any::<u64>(), drop in 0_u32..64, decimals in 0_usize..30, exponent in -40_i32..40,
        ) {
            let digits = (w >> drop).to_string();
            check(&format!("{digits}e{exponent}"));
            let padded = format!("{digits:0>width$}", width = decimals + 1);
            let (whole, fraction) = padded.split_at(padded.len() - decimals);
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            if decimals > 0 {
                check(&format!("{whole}.{fraction}"));
                check(&format!("-{whole}.{fraction}e{exponent}"));
            }
        }

        #[test]
        fn ties_go_to_even(mantissa in 1_u64 << 52..1 << 53, k in 1_usize..=4) {
            // (2m + 1)·2⁻ᵏ lies halfway between two numbers of f64 and has few enough digits.
            let digits = (2 * mantissa + 1) * 5_u64.pow(u32::try_from(k).unwrap());
            check(&format!("{digits}e-{k}"));
        }
    }
}
