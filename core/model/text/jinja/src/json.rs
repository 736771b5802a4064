//! JSON in (the template's context, order and kind of numbers kept) and out (`tojson` as Python's
//! `json.dumps` writes it). Depth is bounded in both directions.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

use crate::python::float_repr;

const MAX_DEPTH: usize = 300;

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

/// The value of a JSON text, or a sentence.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.space();
    if parser.at != text.len() {
        return Err(parser.error("text behind the end"));
    }
    Ok(value)
}

impl Parser<'_> {
    fn error(&self, what: &str) -> String {
        format!("JSON: {what} at byte {}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, expected: u8) -> Result<(), String> {
        if self.peek() != Some(expected) {
            return Err(self.error(&format!("expected '{}'", expected as char)));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, String> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("unexpected character"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(self.error("nested too deep"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                let mut pairs: Vec<(Value, Value)> = Vec::new();
                self.space();
                if self.peek() == Some(b'}') {
                    self.at += 1;
                } else {
                    loop {
                        self.space();
                        let key = self.string()?;
                        self.space();
                        self.take(b':')?;
                        let value = self.value(depth + 1)?;
                        pairs.push((Value::from(key), value));
                        self.space();
                        if self.peek() == Some(b',') {
                            self.at += 1;
                            continue;
                        }
                        self.take(b'}')?;
                        break;
                    }
                }
                Ok(Value::from_pairs(pairs))
            }
            Some(b'[') => {
                self.at += 1;
                let mut items: Vec<Value> = Vec::new();
                self.space();
                if self.peek() == Some(b']') {
                    self.at += 1;
                } else {
                    loop {
                        items.push(self.value(depth + 1)?);
                        self.space();
                        if self.peek() == Some(b',') {
                            self.at += 1;
                            continue;
                        }
                        self.take(b']')?;
                        break;
                    }
                }
                Ok(Value::from(items))
            }
            Some(b'"') => Ok(Value::from(self.string()?)),
            Some(b't') => self.word("true", Value::from(true)),
            Some(b'f') => self.word("false", Value::from(false)),
            Some(b'n') => self.word("null", Value::from(())),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        while matches!(
            self.peek(),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
        ) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        if !text.contains(['.', 'e', 'E']) {
            if let Ok(number) = text.parse::<i64>() {
                return Ok(Value::from(number));
            }
            if let Ok(number) = text.parse::<i128>() {
                return Ok(Value::from(number));
            }
        }
        match text.parse::<f64>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err(self.error("unexpected character")),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.take(b'"')?;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(stop) = rest.find(['"', '\\']) else {
                return Err(self.error("unclosed string"));
            };
            out.push_str(&rest[..stop]);
            self.at += stop + 1;
            if rest.as_bytes()[stop] == b'"' {
                return Ok(out);
            }
            let escape = self.peek();
            self.at += 1;
            match escape {
                Some(b'"') => out.push('"'),
                Some(b'\\') => out.push('\\'),
                Some(b'/') => out.push('/'),
                Some(b'b') => out.push('\u{8}'),
                Some(b'f') => out.push('\u{c}'),
                Some(b'n') => out.push('\n'),
                Some(b'r') => out.push('\r'),
                Some(b't') => out.push('\t'),
                Some(b'u') => {
                    let mut code = self.hex()?;
                    if (0xD800..0xDC00).contains(&code)
                        && self.text.as_bytes()[self.at..].starts_with(b"\\u")
                    {
                        self.at += 2;
                        let low = self.hex()?;
                        if !(0xDC00..0xE000).contains(&low) {
                            return Err(self.error("lone surrogate"));
                        }
                        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                    }
                    match char::from_u32(code) {
                        Some(c) => out.push(c),
                        None => return Err(self.error("lone surrogate")),
                    }
                }
                _ => return Err(self.error("unknown escape")),
            }
        }
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(digits) = digits else {
            return Err(self.error("malformed \\u escape"));
        };
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.error("malformed \\u escape"))
    }
}

/// How `tojson` was asked to write.
pub struct Style {
    pub indent: Option<String>,
    pub item_separator: String,
    pub key_separator: String,
    pub ensure_ascii: bool,
    pub sort_keys: bool,
}

fn fail(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// `charge` is told how many bytes are about to exist and may refuse.
pub fn write(
    value: &Value,
    style: &Style,
    depth: usize,
    out: &mut String,
    charge: &dyn Fn(usize) -> Result<(), Error>,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(fail("tojson: the value is nested too deep".into()));
    }
    charge(out.len())?;
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            for _ in 0..depth {
                out.push_str(indent);
            }
        }
    };
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => {
            if value.is_integer() {
                out.push_str(&value.to_string());
            } else {
                out.push_str(&float_repr(f64::try_from(value.clone())?, true));
            }
        }
        ValueKind::String => write_string(value.as_str().unwrap_or(""), style.ensure_ascii, out),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut first = true;
            out.push('[');
            for item in value.try_iter()? {
                if !first {
                    out.push_str(&style.item_separator);
                }
                first = false;
                line(out, depth + 1);
                write(&item, style, depth + 1, out, charge)?;
            }
            if !first {
                line(out, depth);
            }
            out.push(']');
        }
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sort_keys {
                keys.sort();
            }
            let mut first = true;
            out.push('{');
            for key in keys {
                if !first {
                    out.push_str(&style.item_separator);
                }
                first = false;
                line(out, depth + 1);
                match key.kind() {
                    ValueKind::String => {
                        write_string(key.as_str().unwrap_or(""), style.ensure_ascii, out)
                    }
                    ValueKind::None | ValueKind::Bool | ValueKind::Number => {
                        let mut text = String::new();
                        write(&key, style, depth + 1, &mut text, charge)?;
                        write_string(&text, style.ensure_ascii, out);
                    }
                    _ => return Err(fail("tojson: a key is not a string or number".into())),
                }
                out.push_str(&style.key_separator);
                write(&value.get_item(&key)?, style, depth + 1, out, charge)?;
            }
            if !first {
                line(out, depth);
            }
            out.push('}');
        }
        kind => return Err(fail(format!("tojson: a value of type {kind} is not JSON"))),
    }
    Ok(())
}

fn write_string(text: &str, ensure_ascii: bool, out: &mut String) {
    use std::fmt::Write;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ensure_ascii && (c as u32) >= 0x7f && c != '\u{7f}') => {
                let mut units = [0u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
