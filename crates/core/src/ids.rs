//! Ids: one newtype an index, `u32` inside, so that a prompt cannot be taken for a response.
//!
//! Names live where files are read; inside the workspace a prompt, a response and an annotator are
//! dense indices counted from zero.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($name:ident, $what:literal) => {
        #[doc = concat!("The index of ", $what, ", counted from zero.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u32);

        impl $name {
            #[doc = concat!("The id of ", $what, " number `index`.")]
            pub const fn new(index: u32) -> Self {
                Self(index)
            }

            /// The id of the given position in a list.
            ///
            /// # Panics
            /// If `index` does not fit into 32 bits.
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("an id fits into 32 bits"))
            }

            /// The position in a list.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(PromptId, "a prompt");
id!(ResponseId, "a response");
id!(AnnotatorId, "an annotator");
