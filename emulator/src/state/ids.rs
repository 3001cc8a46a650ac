//! Generates ids from a counter.

/// Returns the id for the counter value `n`. Ids are unique, and look like the vendor's. Reports show only the first
/// and last characters of long ids, so the ids of consecutive counter values differ in these characters.
pub(super) fn object_id(n: u64) -> String {
    let high = mix(n);
    let low = mix(high ^ 0x5bf0_3635_dcb2_a5d1) >> 32;
    format!("{high:016x}{low:08x}")
}

/// Returns a number that looks random, by one step of the SplitMix64 generator. Different inputs always give different
/// results, so two counter values never give the same id.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// Returns the UUID for the counter value `n`. The UUID looks random.
pub(super) fn uuid(n: u64) -> String {
    let high = mix(n);
    let low = mix(high ^ 0x27d4_eb2f_1656_67c5);
    let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0x0fff);
    let (fourth, fifth) = ((low >> 48) & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    format!("{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{fifth:012x}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn object_ids_look_like_the_vendors_and_never_repeat() {
        let ids: BTreeSet<String> = (1..=20_000).map(object_id).collect();
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|id| id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit())));
        let starts: BTreeSet<String> = (1..=200).map(|n| object_id(n)[..6].to_owned()).collect();
        let ends: BTreeSet<String> = (1..=200).map(|n| object_id(n)[18..].to_owned()).collect();
        assert_eq!((starts.len(), ends.len()), (200, 200));
    }

    #[test]
    fn uuids_look_random_and_never_repeat() {
        let ids: BTreeSet<String> = (1..=20_000).map(uuid).collect();
        assert_eq!(ids.len(), 20_000);
        let sound = |id: &String| {
            id.len() == 36
                && id.as_bytes()[14] == b'4'
                && matches!(id.as_bytes()[19], b'8'..=b'9' | b'a'..=b'b')
        };
        assert!(ids.iter().all(sound), "version 4, variant 1");
    }
}
