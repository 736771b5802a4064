//! Where Python's own behaviour shows in templates: how floats print and which methods strings have.
//! Most methods come from minijinja-contrib; those that differ in detail are here.

use minijinja::value::{from_args, Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// `repr` of a float; `json` writes infinities and NaN as `json.dumps` does.
pub fn float_repr(number: f64, json: bool) -> String {
    if number.is_nan() {
        return if json { "NaN" } else { "nan" }.into();
    }
    if number.is_infinite() {
        let text = if json { "Infinity" } else { "inf" };
        return format!("{}{text}", if number < 0.0 { "-" } else { "" });
    }
    // Rust's shortest round-trip digits are Python's; only the layout differs.
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// White space for `str.strip` and `str.split`: Python counts the separators U+001C-001F too.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

pub fn is_container(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
    )
}

/// Pays for everything that a walk through `value` meets: a list that holds another many times over is
/// small in memory and endless in print.
pub fn charge_walk(state: &State, value: &Value, depth: usize) -> Result<(), Error> {
    state.consume_fuel(1)?;
    if depth > 300 {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "a value is nested too deep",
        ));
    }
    match value.kind() {
        ValueKind::Seq => {
            for item in value.try_iter()? {
                charge_walk(state, &item, depth + 1)?;
            }
        }
        ValueKind::Map => {
            for key in value.try_iter()? {
                charge_walk(state, &value.get_item(&key)?, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Methods that a value of ours does not have: Python's, as far as templates use them.
pub fn unknown_method(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    for argument in args.iter().filter(|argument| is_container(argument)) {
        charge_walk(state, argument, 0)?;
    }
    if value.kind() == ValueKind::String {
        let text = value.as_str().unwrap_or("");
        match (method, args.len()) {
            ("format", _) => check_format(state, text, args)?,
            ("strip", 0) => return Ok(Value::from(text.trim_matches(is_space))),
            ("lstrip", 0) => return Ok(Value::from(text.trim_start_matches(is_space))),
            ("rstrip", 0) => return Ok(Value::from(text.trim_end_matches(is_space))),
            ("split", _) | ("rsplit", _) => return split(text, method == "rsplit", args),
            ("removeprefix", 1) => {
                let (part,): (&str,) = from_args(args)?;
                return Ok(Value::from(text.strip_prefix(part).unwrap_or(text)));
            }
            ("removesuffix", 1) => {
                let (part,): (&str,) = from_args(args)?;
                return Ok(Value::from(text.strip_suffix(part).unwrap_or(text)));
            }
            ("index", 1) => {
                let (part,): (&str,) = from_args(args)?;
                let Some(at) = text.find(part) else {
                    return Err(Error::new(
                        ErrorKind::InvalidOperation,
                        "substring not found",
                    ));
                };
                return Ok(Value::from(text[..at].chars().count()));
            }
            _ => {}
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

/// `str.format` can write far more than it was given, through widths and repeated fields: both are
/// bounded and paid for before it runs.
fn check_format(state: &State, format: &str, args: &[Value]) -> Result<(), Error> {
    const MAX_WIDTH: usize = 4; // digits
    let refuse = |what: &str| Err(Error::new(ErrorKind::InvalidOperation, format!("format: {what}")));
    let (mut fields, mut depth, mut digits) = (0u64, 0, 0);
    for c in format.chars() {
        match c {
            '{' => {
                fields += 1;
                depth += 1;
            }
            '}' => depth = 0,
            _ => {}
        }
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        if depth > 0 && digits > MAX_WIDTH {
            return refuse("a number in a field is too large");
        }
        if depth > 2 {
            return refuse("fields inside fields are not supported");
        }
    }
    if format.contains(":{") || format.contains(".{") {
        return refuse("fields inside fields are not supported");
    }
    let mut longest = 10_000u64; // the widest number
    let mut values: Vec<Value> = Vec::new();
    for value in args {
        match Kwargs::try_from(value.clone()) {
            Ok(named) if value.kind() == ValueKind::Map => {
                for name in named.args() {
                    values.push(named.peek(name)?);
                }
            }
            _ => values.push(value.clone()),
        }
    }
    for value in &values {
        if is_container(value) {
            return refuse("lists and mappings are not supported");
        }
        longest = longest.max(value.as_str().map_or(0, str::len) as u64);
    }
    state.consume_fuel(fields.saturating_mul(longest) / 64)
}

fn split(text: &str, from_right: bool, args: &[Value]) -> Result<Value, Error> {
    let (separator, limit, kwargs): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
    let separator = match separator {
        Some(value) => Some(value),
        None => kwargs.get::<Option<Value>>("sep")?,
    };
    let limit = limit.or(kwargs.get::<Option<i64>>("maxsplit")?).unwrap_or(-1);
    kwargs.assert_all_used()?;
    let limit = usize::try_from(limit).ok().and_then(|n| n.checked_add(1));
    let separator = separator.filter(|value| !value.is_none() && !value.is_undefined());
    let mut parts: Vec<Value> = Vec::new();
    match separator {
        Some(value) => {
            let Some(separator) = value.as_str() else {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "split: the separator must be a string",
                ));
            };
            if separator.is_empty() {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "split: empty separator",
                ));
            }
            match (limit, from_right) {
                (Some(n), false) => parts.extend(text.splitn(n, separator).map(Value::from)),
                (Some(n), true) => {
                    parts.extend(text.rsplitn(n, separator).map(Value::from));
                    parts.reverse();
                }
                (None, _) => parts.extend(text.split(separator).map(Value::from)),
            }
        }
        None if from_right && limit.is_some() => {
            let mut rest = text.trim_end_matches(is_space);
            while parts.len() + 1 < limit.unwrap_or(0) {
                let Some(at) = rest.rfind(is_space) else { break };
                let word = rest[at..].trim_start_matches(is_space);
                parts.push(Value::from(word));
                rest = rest[..at].trim_end_matches(is_space);
            }
            if !rest.is_empty() {
                parts.push(Value::from(rest));
            }
            parts.reverse();
        }
        None => {
            let mut rest = text.trim_start_matches(is_space);
            while !rest.is_empty() {
                if limit.is_some_and(|n| parts.len() + 1 >= n) {
                    parts.push(Value::from(rest));
                    break;
                }
                let end = rest.find(is_space).unwrap_or(rest.len());
                parts.push(Value::from(&rest[..end]));
                rest = rest[end..].trim_start_matches(is_space);
            }
        }
    }
    Ok(Value::from(parts))
}
