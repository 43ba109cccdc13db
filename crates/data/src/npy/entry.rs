//! The numbers of an array: how each is stored, and what it is.
//!
//! A type is an order of bytes ("<" little-endian, ">" big-endian, "|" none), a kind and a size, as in
//! `<f4`: numpy's array interface, `typestr`.

/// How an entry is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    kind: Kind,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F2,
    F4,
    F8,
    I1,
    I2,
    I4,
    I8,
    U1,
    U2,
    U4,
    U8,
}

impl Entry {
    /// The type of that name, if its entries are numbers.
    pub(crate) fn of(descr: &str) -> Option<Self> {
        let order = descr.chars().next()?;
        let big_endian = match order {
            '<' | '|' => false,
            '>' => true,
            '=' => cfg!(target_endian = "big"),
            _ => return None,
        };
        let kind = match &descr[1..] {
            "f2" => Kind::F2,
            "f4" => Kind::F4,
            "f8" => Kind::F8,
            "i1" => Kind::I1,
            "i2" => Kind::I2,
            "i4" => Kind::I4,
            "i8" => Kind::I8,
            "u1" | "b1" => Kind::U1,
            "u2" => Kind::U2,
            "u4" => Kind::U4,
            "u8" => Kind::U8,
            _ => return None,
        };
        Some(Self { kind, big_endian })
    }

    /// The bytes of an entry.
    pub(crate) fn size(self) -> usize {
        match self.kind {
            Kind::I1 | Kind::U1 => 1,
            Kind::F2 | Kind::I2 | Kind::U2 => 2,
            Kind::F4 | Kind::I4 | Kind::U4 => 4,
            Kind::F8 | Kind::I8 | Kind::U8 => 8,
        }
    }

    /// Appends the numbers in `bytes`, whole entries.
    pub(crate) fn append(self, bytes: &[u8], values: &mut Vec<f64>) {
        // The kinds of large arrays go first, each in a loop of its own.
        if self == (Self { kind: Kind::F8, big_endian: false }) {
            let (entries, _) = bytes.as_chunks::<8>();
            values.extend(entries.iter().map(|bytes| f64::from_le_bytes(*bytes)));
        } else if self == (Self { kind: Kind::F4, big_endian: false }) {
            let (entries, _) = bytes.as_chunks::<4>();
            values.extend(entries.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))));
        } else {
            values.extend(bytes.chunks_exact(self.size()).map(|bytes| self.decode(bytes)));
        }
    }

    /// The number in `bytes`, which are as many as [`Entry::size`].
    fn decode(self, bytes: &[u8]) -> f64 {
        let mut little = [0; 8];
        little[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            little[..bytes.len()].reverse();
        }
        let [b0, b1, b2, b3, ..] = little;
        match self.kind {
            Kind::F2 => half(u16::from_le_bytes([b0, b1])),
            Kind::F4 => f32::from_le_bytes([b0, b1, b2, b3]).into(),
            Kind::F8 => f64::from_le_bytes(little),
            Kind::I1 => i8::from_le_bytes([b0]).into(),
            Kind::I2 => i16::from_le_bytes([b0, b1]).into(),
            Kind::I4 => i32::from_le_bytes([b0, b1, b2, b3]).into(),
            Kind::I8 => i64::from_le_bytes(little) as f64,
            Kind::U1 => b0.into(),
            Kind::U2 => u16::from_le_bytes([b0, b1]).into(),
            Kind::U4 => u32::from_le_bytes([b0, b1, b2, b3]).into(),
            Kind::U8 => u64::from_le_bytes(little) as f64,
        }
    }
}

/// The value of an IEEE 754 half: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}
