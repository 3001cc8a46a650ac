//! Parses multipart forms, which may contain files.

/// One field of a multipart form.
#[derive(Debug, PartialEq)]
pub(super) struct Part<'b> {
    pub(super) name: String,
    /// True if the field was sent as a file, with a file name.
    pub(super) is_file: bool,
    pub(super) content: &'b [u8],
}

/// Parses a request's body as a multipart form, and returns the fields of the form. Returns no fields if the content
/// type is not `multipart/form-data`. Errors if the form is malformed.
pub(super) fn parse<'b>(content_type: Option<&str>, body: &'b [u8]) -> Result<Vec<Part<'b>>, ()> {
    let content_type = content_type.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return Ok(Vec::new());
    }
    let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty()).ok_or(())?;
    let delimiter = format!("--{boundary}").into_bytes();
    let mut rest = after(body, &delimiter).ok_or(())?;
    let mut parts = Vec::new();
    let inner = [b"\r\n", delimiter.as_slice()].concat();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(())?;
        let end = find(part, &inner).ok_or(())?;
        parts.push(read(part.get(..end).ok_or(())?)?);
        rest = part.get(end + inner.len()..).ok_or(())?;
    }
}

fn read(part: &[u8]) -> Result<Part<'_>, ()> {
    let end = find(part, b"\r\n\r\n").ok_or(())?;
    let head = String::from_utf8_lossy(part.get(..end).ok_or(())?);
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    });
    let disposition = disposition.ok_or(())?;
    Ok(Part {
        name: parameter(disposition, "name").ok_or(())?,
        is_file: parameter(disposition, "filename").is_some(),
        content: part.get(end + 4..).ok_or(())?,
    })
}

/// Returns the value of a parameter in a header's value, such as `boundary`.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|pair| {
        let (known, value) = pair.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn after<'b>(bytes: &'b [u8], part: &[u8]) -> Option<&'b [u8]> {
    bytes.get(find(bytes, part)? + part.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: Option<&str> = Some("multipart/form-data; boundary=\"x\"");

    #[test]
    fn parts_are_separated() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"a.ogg\"\r\n\
            Content-Type: audio/ogg\r\n\r\nOgg\r\n-S\r\n--x\r\ncontent-disposition: form-data; name=n\r\n\r\n\
            \r\n--x--\r\n";
        let parts = parse(TYPE, body).unwrap();
        let expected = [
            Part { name: "audio".to_owned(), is_file: true, content: b"Ogg\r\n-S" },
            Part { name: "n".to_owned(), is_file: false, content: b"" },
        ];
        assert_eq!(parts, expected);
        assert_eq!(parse(TYPE, b"--x--"), Ok(Vec::new()));
        assert_eq!(parse(Some("application/json"), body), Ok(Vec::new()));
    }

    #[test]
    fn broken_forms_are_refused() {
        for body in [&b""[..], b"--x", b"--x\r\n\r\n\r\n--x--", b"--x\r\nabc\r\n--x--", b"--y--", b"--x\r\n"]
        {
            assert_eq!(parse(TYPE, body), Err(()), "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(parse(Some("multipart/form-data"), b"--x--"), Err(()));
    }
}
