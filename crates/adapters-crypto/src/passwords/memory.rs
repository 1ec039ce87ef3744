//! The memory that a hashing thread works in.

use argon2::Block;
use zeroize::Zeroize as _;

/// A buffer that is kept from hash to hash: taking 19 MiB from the system and giving them back costs
/// more than a tenth of a hash.
#[derive(Default)]
pub(super) struct Memory {
    blocks: Vec<Block>,
    is_used: bool,
}

impl Memory {
    /// `count` blocks of 1 KiB, with whatever the last hash left in them; argon2 overwrites them.
    pub(super) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.blocks.len() < count {
            // Not grown but exchanged: nothing in it is worth copying.
            self.wipe();
            self.blocks = vec![Block::new(); count];
        }
        self.is_used = true;
        self.blocks.get_mut(..count).unwrap_or_default()
    }

    /// Overwrites what the last hashes left. For idle moments: under load the next hash does the same.
    pub(super) fn wipe(&mut self) {
        if std::mem::take(&mut self.is_used) {
            // Block by block: a vector as a whole would also forget its length.
            self.blocks.iter_mut().zeroize();
        }
    }

    /// Gives back what a hash with larger parameters needed once.
    pub(super) fn shrink_to(&mut self, count: usize) {
        if self.blocks.len() > count {
            self.wipe();
            self.blocks = Vec::new();
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_traces(memory: &Memory) -> bool {
        memory
            .blocks
            .iter()
            .any(|block| block.as_ref().iter().any(|word| *word != 0))
    }

    #[test]
    fn a_buffer_is_kept_from_hash_to_hash() {
        let mut memory = Memory::default();
        let first = memory.blocks(64).as_ptr();
        memory.wipe();
        memory.shrink_to(64);
        assert_eq!(memory.blocks(64).as_ptr(), first);
        assert_eq!(memory.blocks(8).len(), 8);
        assert_eq!(memory.blocks(8).as_ptr(), first);
    }

    #[test]
    fn what_was_needed_once_is_given_back() {
        let mut memory = Memory::default();
        memory.blocks(128);
        memory.shrink_to(64);
        assert!(memory.blocks.is_empty());
        assert_eq!(memory.blocks(64).len(), 64);
    }

    #[test]
    fn wiping_leaves_nothing() {
        let mut memory = Memory::default();
        memory.blocks(8)[3].as_mut()[5] = 1;
        assert!(has_traces(&memory));
        memory.wipe();
        assert!(!has_traces(&memory));
        assert_eq!(memory.blocks.len(), 8, "the buffer stays");
    }
}
