//! Creates a self-signed certificate for 127.0.0.1. The encoding is written by hand, because a library for it would
//! have twenty dependencies.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// A certificate and its private key.
pub(super) struct Certificate {
    pub(super) der: Vec<u8>,
    pub(super) key: Vec<u8>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const ID: u8 = 0x06;
const TEXT: u8 = 0x0c;
const TIME: u8 = 0x17;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];

/// Encodes one DER element, with the tag `tag` and the concatenated `parts` as content.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head: &[u8] = match length {
        [0, short @ ..=0x7f] => &[tag, short],
        [0, long] => &[tag, 0x81, long],
        [high, low] => &[tag, 0x82, high, low],
    };
    [head, &content].concat()
}

impl Certificate {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();
        let algorithm = der(SEQUENCE, &[&der(ID, &[ECDSA_SHA256])]);
        let name = der(SEQUENCE, &[&der(ID, &[COMMON_NAME]), &der(TEXT, &[b"gate"])]);
        let name = der(SEQUENCE, &[&der(SET, &[&name])]);
        let always = der(SEQUENCE, &[&der(TIME, &[b"200101000000Z"]), &der(TIME, &[b"491231235959Z"])]);
        let kind = der(SEQUENCE, &[&der(ID, &[PUBLIC_KEY]), &der(ID, &[P256])]);
        let public = der(SEQUENCE, &[&kind, &der(BITS, &[&[0], pair.public_key().as_ref()])]);
        let addresses = der(OCTETS, &[&der(SEQUENCE, &[&der(0x87, &[&[127, 0, 0, 1]])])]);
        let extension = der(SEQUENCE, &[&der(ID, &[ALTERNATIVE_NAME]), &addresses]);
        let extensions = der(0xa3, &[&der(SEQUENCE, &[&extension])]);
        let version = der(0xa0, &[&der(INTEGER, &[&[2]])]);
        let serial = der(INTEGER, &[&[1]]);
        let parts = [&version, &serial, &algorithm, &name, &always, &name, &public, &extensions];
        let body = der(SEQUENCE, &parts.map(Vec::as_slice));
        let signature = pair.sign(&random, &body).unwrap();
        let der = der(SEQUENCE, &[&body, &algorithm, &der(BITS, &[&[0], signature.as_ref()])]);
        Self { der, key: key.as_ref().to_vec() }
    }

    /// Returns the certificate in PEM format.
    pub(super) fn pem(&self) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(&self.der))
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        let number = number << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = char::from(LETTERS[number >> (18 - 6 * place) & 63]);
            text.push(if place <= three.len() { letter } else { '=' });
        }
    }
    text
}
