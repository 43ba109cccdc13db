//! Names: strings to dense ids and back, each string stored once.
//!
//! All text stands in one buffer. The hash table holds ids and compares through the buffer, so that a
//! name costs its bytes, one offset and 8 to 16 bytes of table.

use std::hash::{DefaultHasher, Hasher};

const FREE: u32 = u32::MAX;

/// A set of names, numbered from zero in the order in which they were first seen.
#[derive(Debug, Clone, Default)]
pub struct Names {
    text: String,
    ends: Vec<usize>,
    /// Open addressing with linear probing, at most half full; the length is zero or a power of two.
    slots: Vec<u32>,
}

impl Names {
    /// No names yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of `name`, a new one if it was not seen before.
    ///
    /// # Panics
    /// If there are more than 2³² − 1 names.
    pub fn intern(&mut self, name: &str) -> u32 {
        if 2 * (self.len() + 1) > self.slots.len() {
            self.grow();
        }
        let at = self.find(name);
        if self.slots[at] == FREE {
            let id = u32::try_from(self.len()).ok().filter(|id| *id != FREE);
            self.slots[at] = id.expect("fewer than 2^32 names");
            self.text.push_str(name);
            self.ends.push(self.text.len());
        }
        self.slots[at]
    }

    /// The id of `name`, if it was seen.
    pub fn get(&self, name: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let id = self.slots[self.find(name)];
        (id != FREE).then_some(id)
    }

    /// The name of an id.
    ///
    /// # Panics
    /// If `index` is not below [`Names::len`].
    pub fn name(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start..self.ends[index]]
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All names, in the order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.name(index))
    }

    /// Where `name` stands in the table, or the free slot where it would. The table is never full.
    fn find(&self, name: &str) -> usize {
        let mut at = self.home(name);
        while self.slots[at] != FREE && self.name(self.slots[at] as usize) != name {
            at = (at + 1) & (self.slots.len() - 1);
        }
        at
    }

    fn grow(&mut self) {
        let size = (2 * self.slots.len()).max(16);
        self.slots.clear();
        self.slots.resize(size, FREE);
        for index in 0..self.len() {
            let mut at = self.home(self.name(index));
            while self.slots[at] != FREE {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = u32::try_from(index).expect("an id fits into 32 bits");
        }
    }

    /// Where the search for a name starts.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the table is indexed by the low bits only"
    )]
    fn home(&self, name: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        hasher.write(name.as_bytes());
        hasher.finish() as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_order_of_first_sight() {
        let mut names = Names::new();
        assert_eq!(names.get("b"), None);
        assert_eq!([names.intern("b"), names.intern(""), names.intern("b")], [0, 1, 0]);
        assert_eq!(names.intern("a"), 2);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["b", "", "a"]);
        assert_eq!((names.get(""), names.get("c"), names.len()), (Some(1), None, 3));
    }

    #[test]
    fn many_names_keep_their_ids_while_the_table_grows() {
        let mut names = Names::new();
        for i in 0..5000 {
            assert_eq!(names.intern(&format!("name {i}")), i);
        }
        for i in 0..5000 {
            assert_eq!(names.get(&format!("name {i}")), Some(i));
            assert_eq!(names.name(i as usize), format!("name {i}"));
        }
    }
}
