//! Bounds on a template's shape. The engine's compiler recurses once per operator of an expression and
//! once per `elif`, and some of its passes are quadratic in them, so both are counted before it runs.

/// Operators and names in one tag. The longest tag of the templates in use has about 200.
const MAX_TOKENS: usize = 2000;
/// Branches of all `if` statements together; the longest template in use has about 60.
const MAX_ELIFS: usize = 500;

/// A sentence when the template goes beyond the bounds.
pub fn check(source: &str) -> Result<(), String> {
    let bytes = source.as_bytes();
    let mut at = 0;
    let mut elifs = 0;
    while let Some(open) = find(bytes, at, b"{") {
        let (close, is_block): (&[u8], bool) = match bytes.get(open + 1) {
            Some(b'#') => {
                // A comment holds no tags.
                at = find(bytes, open + 2, b"#}").map_or(bytes.len(), |end| end + 2);
                continue;
            }
            Some(b'{') => (b"}}", false),
            Some(b'%') => (b"%}", true),
            _ => {
                at = open + 1;
                continue;
            }
        };
        let start = open + 2;
        let (end, tokens) = tag_end(bytes, start, close);
        if tokens > MAX_TOKENS {
            let line = source[..open].matches('\n').count() + 1;
            return Err(format!(
                "a tag with more than {MAX_TOKENS} operators and names in line {line}"
            ));
        }
        at = end;
        if is_block {
            let word = first_word(&source[start..end.min(source.len())]);
            if word == "elif" {
                elifs += 1;
            }
            if word == "raw" {
                // Nothing is a tag until the endraw.
                while let Some(next) = find(bytes, at, b"{%") {
                    at = next + 2;
                    if first_word(&source[at..]) == "endraw" {
                        break;
                    }
                }
            }
        }
        if elifs > MAX_ELIFS {
            return Err(format!("more than {MAX_ELIFS} elif tags"));
        }
    }
    Ok(())
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(what.len())
        .position(|window| window == what)
        .map(|at| from + at)
}

fn first_word(tag: &str) -> &str {
    let tag = tag.trim_start_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
    let end = tag
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(tag.len());
    &tag[..end]
}

/// Where the tag that begins at `at` ends, and how many names, numbers, strings and signs it has. As in
/// the engine's lexer, a tag ends only where its brackets are balanced.
fn tag_end(bytes: &[u8], mut at: usize, close: &[u8]) -> (usize, usize) {
    let (mut tokens, mut balance) = (0, 0i64);
    let mut in_word = false;
    while at < bytes.len() {
        if balance == 0 && bytes[at..].starts_with(close) {
            return (at + 2, tokens);
        }
        let byte = bytes[at];
        let word = byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        match byte {
            b'(' | b'[' | b'{' => balance += 1,
            b')' | b']' | b'}' => balance -= 1,
            b'"' | b'\'' => {
                at += 1;
                while at < bytes.len() && bytes[at] != byte {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        if (word && !in_word) || (!word && !byte.is_ascii_whitespace()) {
            tokens += 1;
        }
        in_word = word;
        at += 1;
    }
    (bytes.len(), tokens)
}
