/// SplitMix64: the same numbers for the same seed, on every machine and with every version of every crate.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Seeds that are neighbours give sequences that are not.
    pub(super) const fn new(seed: u64, stream: u64) -> Self {
        Self(seed.wrapping_mul(0xd1b5_4a32_d192_ed03) ^ stream.wrapping_mul(0xa076_1d64_78bd_642f))
    }

    /// Evenly from `from..=to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let span = to.saturating_sub(from).saturating_add(1);
        from + ((u128::from(z) * u128::from(span)) >> 64) as u64
    }
}
