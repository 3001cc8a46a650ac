//! Writes a very short audio file in the Ogg Opus format, with the agent's text as a comment in it.

/// An Opus frame of silence.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// Returns an audio file of silence that contains the text as a comment. Equal texts give equal files.
pub(super) fn spoken(text: &str) -> Vec<u8> {
    let mut head = b"OpusHead\x01\x01\x00\x00".to_vec();
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0; 3]);
    let mut tags = b"OpusTags".to_vec();
    tags.extend(counted("emulator"));
    tags.extend(1_u32.to_le_bytes());
    tags.extend(counted(&format!("DESCRIPTION={text}")));
    [page(FIRST, 0, 0, &head), page(0, 0, 1, &tags), page(LAST, 960, 2, &SILENCE)].concat()
}

/// Returns the UTF-8 bytes of the text, preceded by the number of bytes as a 32-bit integer.
fn counted(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [length.to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// Returns an Ogg page that contains one packet.
fn page(flags: u8, position: u64, number: u32, packet: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\x00".to_vec();
    page.push(flags);
    page.extend(position.to_le_bytes());
    page.extend(1_u32.to_le_bytes());
    page.extend(number.to_le_bytes());
    let checksum_at = page.len();
    page.extend([0; 4]);
    let mut lengths = vec![255_u8; packet.len() / 255];
    lengths.push((packet.len() % 255) as u8);
    page.push(u8::try_from(lengths.len()).unwrap_or(u8::MAX));
    page.extend(lengths);
    page.extend(packet);
    let checksum = checksum(&page);
    for (place, byte) in page.iter_mut().skip(checksum_at).zip(checksum.to_le_bytes()) {
        *place = byte;
    }
    page
}

fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 24), |sum, _| {
            if sum & 0x8000_0000 == 0 { sum << 1 } else { (sum << 1) ^ 0x04c1_1db7 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_numbers_and_checksums() {
        let file = spoken(&"ä".repeat(8192));
        assert_eq!(file, spoken(&"ä".repeat(8192)));
        assert_eq!(file.windows(4).filter(|window| window == b"OggS").count(), 3);
        assert!(file.len() < 20_000);
        // Catalogues of CRC algorithms list this value as the checksum of `123456789`.
        assert_eq!(checksum(b"123456789"), 0x89a1_897f);
    }
}
