//! Digests: the first 16 bytes of SHA-256, in files as 32 hexadecimal digits.
//!
//! ```text
//! digest(a, b, ...) = SHA-256(|a| ‖ a ‖ |b| ‖ b ‖ ...)[..16]        |a| in 8 bytes, the lowest first
//! ```
//! With lengths before the parts, ("ab", "c") and ("a", "bc") differ.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// How many bytes of SHA-256 are kept.
const N_BYTES: usize = 16;

/// A fingerprint of a sequence of byte strings.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; N_BYTES]);

impl Digest {
    /// What a chain of digests begins with.
    pub(crate) const ZERO: Self = Self([0; N_BYTES]);

    /// The digest of the given parts in this order.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; N_BYTES];
        bytes.copy_from_slice(&hasher.finalize()[..N_BYTES]);
        Self(bytes)
    }

    /// The bytes themselves.
    pub const fn bytes(&self) -> &[u8; N_BYTES] {
        &self.0
    }

    /// Reads 32 hexadecimal digits in lower case.
    pub(crate) fn from_hex(text: &[u8]) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let text: &[u8; 2 * N_BYTES] = text.try_into().ok()?;
        let mut bytes = [0; N_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom("a digest must be 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_stability_and_borders_between_parts() {
        assert_eq!(
            Digest::of(&[b"a", b"bc"]).to_string(),
            "9a8acca1b6c6c0befd3fbc756aed625d",
            "part of the format: recorded at version 0.1.0"
        );
        assert_ne!(Digest::of(&[b"ab", b"c"]), Digest::of(&[b"a", b"bc"]));
        assert_ne!(Digest::of(&[b"a"]), Digest::of(&[b"a", b""]));
    }

    #[test]
    fn text_and_back() {
        let digest = Digest::of(&[b"x"]);
        assert_eq!(Digest::from_hex(digest.to_string().as_bytes()), Some(digest));
        for wrong in ["", "0", &"0".repeat(31), &"g".repeat(32), &"A".repeat(32)] {
            assert_eq!(Digest::from_hex(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
