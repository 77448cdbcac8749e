//! HPACK (RFC 7541): decodes what clients send, encodes the simplest thing that is valid.
//!
//! Our own, because the HPACK crates build a Huffman table of hash maps anew for every string (loona-hpack 0.4.3,
//! `huffman.rs`, and the crates it descends from): that alone would keep the server far below the rates it is for.

use std::{collections::VecDeque, error::Error, fmt, sync::LazyLock};

use bytes::{BufMut, Bytes, BytesMut};

/// A header field, name and value.
pub type Field = (Bytes, Bytes);

/// A header block that cannot be decoded: by RFC 9113, 4.3, the end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HpackError(&'static str);

impl fmt::Display for HpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HPACK: {}", self.0)
    }
}

impl Error for HpackError {}

/// The decoding side of one connection; every header block that arrives must pass through it, in order.
#[derive(Debug)]
pub struct Decoder {
    table: VecDeque<Field>,
    size: usize,
    limit: usize,
    /// What our SETTINGS_HEADER_TABLE_SIZE allows the peer.
    allowed: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: VecDeque::new(), size: 0, limit: 4096, allowed: 4096 }
    }
}

impl Decoder {
    /// Decodes one whole header block, CONTINUATION frames included.
    ///
    /// # Errors
    ///
    /// When the block is not valid HPACK.
    pub fn decode(&mut self, mut block: &[u8]) -> Result<Vec<Field>, HpackError> {
        let mut fields = Vec::with_capacity(12);
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                fields.push(self.get(integer(&mut block, 7)?)?);
            } else if first & 0x40 != 0 {
                let field = self.literal(&mut block, 6)?;
                self.insert(field.clone());
                fields.push(field);
            } else if first & 0x20 != 0 {
                let limit = integer(&mut block, 5)?;
                if limit > self.allowed {
                    return Err(HpackError("table size above the limit"));
                }
                self.limit = limit;
                self.evict();
            } else {
                fields.push(self.literal(&mut block, 4)?);
            }
        }
        Ok(fields)
    }

    fn literal(&self, block: &mut &[u8], prefix: u8) -> Result<Field, HpackError> {
        let name = match integer(block, prefix)? {
            0 => string(block)?,
            index => self.get(index)?.0,
        };
        Ok((name, string(block)?))
    }

    fn get(&self, index: usize) -> Result<Field, HpackError> {
        if let Some((name, value)) = index.checked_sub(1).and_then(|index| STATIC_TABLE.get(index)) {
            return Ok((Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes())));
        }
        let dynamic = index.checked_sub(STATIC_TABLE.len() + 1).and_then(|index| self.table.get(index));
        dynamic.cloned().ok_or(HpackError("index out of the tables"))
    }

    fn insert(&mut self, field: Field) {
        self.size += size_of(&field);
        self.table.push_front(field);
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.limit {
            match self.table.pop_back() {
                Some(field) => self.size -= size_of(&field),
                None => break,
            }
        }
    }
}

/// RFC 7541, 4.1.
fn size_of(field: &Field) -> usize {
    field.0.len() + field.1.len() + 32
}

fn integer(block: &mut &[u8], prefix: u8) -> Result<usize, HpackError> {
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(byte(block)?) & mask;
    if value < mask {
        return Ok(value);
    }
    for shift in [0, 7, 14, 21] {
        let next = byte(block)?;
        value += usize::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(HpackError("integer too long"))
}

fn byte(block: &mut &[u8]) -> Result<u8, HpackError> {
    let (&first, rest) = block.split_first().ok_or(HpackError("block ends too early"))?;
    *block = rest;
    Ok(first)
}

fn string(block: &mut &[u8]) -> Result<Bytes, HpackError> {
    let huffman = block.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer(block, 7)?;
    let (raw, rest) = block.split_at_checked(len).ok_or(HpackError("block ends too early"))?;
    *block = rest;
    if huffman { Ok(unhuff(raw)?.into()) } else { Ok(Bytes::copy_from_slice(raw)) }
}

/// Appends a header block: literals without indexing and without Huffman, so that no state is kept and every byte
/// can be read in a dump.
pub fn encode<'a>(status: Option<u16>, fields: impl IntoIterator<Item = (&'a str, &'a str)>, block: &mut BytesMut) {
    if let Some(status) = status {
        // 8 is the first `:status` of the static table, 200; a literal may take its name from there.
        match STATIC_STATUS.iter().position(|known| *known == status) {
            Some(at) => block.put_u8(0x80 | (8 + at as u8)),
            None => {
                block.put_u8(0x08);
                put_string(&status.to_string(), block);
            }
        }
    }
    for (name, value) in fields {
        block.put_u8(0);
        put_string(&name.to_ascii_lowercase(), block);
        put_string(value, block);
    }
}

fn put_string(string: &str, block: &mut BytesMut) {
    if string.len() < 0x7f {
        block.put_u8(string.len() as u8);
    } else {
        block.put_u8(0x7f);
        let mut rest = string.len() - 0x7f;
        while rest >= 0x80 {
            block.put_u8(rest as u8 | 0x80);
            rest >>= 7;
        }
        block.put_u8(rest as u8);
    }
    block.put_slice(string.as_bytes());
}

// ===== Huffman =====

/// The length of each symbol's code (RFC 7541, appendix B). The code is canonical, so the lengths are all of it.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// All codes of one length, compared against the next 32 bits of the input.
struct Step {
    bits: u32,
    /// The first code of this length, left-aligned.
    first: u32,
    /// The first value above all codes of this length, left-aligned; a u64 because the longest end at 2^32.
    end: u64,
    /// Where this length's symbols begin in `Huffman::symbols`.
    at: usize,
}

struct Huffman {
    steps: Vec<Step>,
    symbols: Vec<u16>,
}

static HUFFMAN: LazyLock<Huffman> = LazyLock::new(|| {
    let mut symbols: Vec<u16> = (0..257).collect();
    symbols.sort_by_key(|symbol| LENGTHS[usize::from(*symbol)]);
    let mut steps: Vec<Step> = Vec::new();
    let mut next = 0_u64;
    for (at, symbol) in symbols.iter().enumerate() {
        let bits = u32::from(LENGTHS[usize::from(*symbol)]);
        if steps.last().is_none_or(|step| step.bits != bits) {
            steps.push(Step { bits, first: next as u32, end: next, at });
        }
        next += 1 << (32 - bits);
        steps.last_mut().unwrap().end = next;
    }
    Huffman { steps, symbols }
});

fn unhuff(mut raw: &[u8]) -> Result<Vec<u8>, HpackError> {
    const EOS: u16 = 256;
    let huffman = &*HUFFMAN;
    let mut text = Vec::with_capacity(raw.len() * 8 / 5);
    let (mut window, mut filled) = (0_u64, 0_u32);
    loop {
        while filled <= 32 {
            let Some((&next, rest)) = raw.split_first() else { break };
            window |= u64::from(next) << (56 - filled);
            filled += 8;
            raw = rest;
        }
        if filled == 0 {
            return Ok(text);
        }
        // Missing bits are filled with ones, as padding is.
        let bits = (window | (u64::MAX >> filled)) >> 32;
        let step = huffman.steps.iter().find(|step| bits < step.end);
        let step = step.ok_or(HpackError("not a Huffman code"))?;
        if step.bits > filled {
            // Only the padding is left: at most 7 ones (RFC 7541, 5.2).
            let padding = window >> (64 - filled);
            let ones = (1 << filled) - 1;
            let valid = filled <= 7 && padding == ones;
            return if valid { Ok(text) } else { Err(HpackError("wrong Huffman padding")) };
        }
        match huffman.symbols[step.at + ((bits as u32 - step.first) >> (32 - step.bits)) as usize] {
            EOS => return Err(HpackError("EOS in a string")),
            symbol => text.push(symbol as u8),
        }
        window <<= step.bits;
        filled -= step.bits;
    }
}

// ===== the static table =====

const STATIC_STATUS: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];

#[rustfmt::skip]
const STATIC_TABLE: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];
