//! A compiled chat template in the environment that Hugging Face's templates expect, rendered within
//! limits of work, output and recursion.

use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{
    escape_formatter, AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior,
};

use crate::{clock::Clock, json, limits, python};

pub enum Failure {
    Invalid(String),
    Raised(String),
    Limit(String),
}

pub struct Template {
    environment: Environment<'static>,
}

const NAME: &str = "chat_template";
/// Marks an error as the template's own; removed before the text leaves this file.
const RAISED: &str = "\u{1}raise_exception:";
/// Work of one render: instructions, and one for every 64 bytes made, so 256 MiB in all and less than
/// a second. A dialog of 10 MB that the template copies ten times needs half of it.
const FUEL: u64 = 4_000_000;
/// The engine recurses at most 500 levels deep (its own limit), which fits with a wide margin. The
/// caller's stack may be much smaller.
const STACK: usize = 8 << 20;

impl Template {
    pub fn compile(source: &str) -> Result<Template, Failure> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(false)
            .build()
            .map_err(|error| failure(&error))?;
        environment.set_syntax(syntax);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(python::unknown_method);
        environment.set_debug(false);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("{RAISED}{message}"),
            ))
        });
        environment.add_filter("tojson", tojson);
        environment.set_formatter(print);
        let source = source.replace("\r\n", "\n").replace('\r', "\n");
        limits::check(&source).map_err(Failure::Invalid)?;
        let source = without_generation_tags(&source);
        on_own_stack(|| {
            environment
                .add_template_owned(NAME, source)
                .map_err(|error| failure(&error))
        })?;
        Ok(Template { environment })
    }

    pub fn render(&self, context: &str, clock: Clock, limit: usize) -> Result<String, Failure> {
        on_own_stack(|| {
            let context = json::parse(context).map_err(Failure::Invalid)?;
            if context.kind() != ValueKind::Map {
                return Err(Failure::Invalid("the context is not an object".into()));
            }
            let mut pairs: Vec<(Value, Value)> = Vec::new();
            for key in context.try_iter().map_err(|error| failure(&error))? {
                let value = context.get_item(&key).map_err(|error| failure(&error))?;
                pairs.push((key, value));
            }
            pairs.push((
                Value::from("strftime_now"),
                Value::from_function(move |format: &str| clock.format(format)),
            ));
            let template = self
                .environment
                .get_template(NAME)
                .map_err(|error| failure(&error))?;
            let mut output = Bounded {
                bytes: Vec::new(),
                limit,
                exceeded: false,
            };
            let result = template.render_captured_to(Value::from_pairs(pairs), &mut output);
            let exceeded = output.exceeded;
            match result {
                Ok(_) => String::from_utf8(output.bytes)
                    .map_err(|_| Failure::Invalid("the output is not UTF-8".into())),
                Err(_) if exceeded => Err(Failure::Limit(format!(
                    "the output is longer than {limit} bytes"
                ))),
                Err(error) => Err(failure(&error)),
            }
        })
    }
}

struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    exceeded: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.limit - self.bytes.len() {
            self.exceeded = true;
            return Err(io::Error::new(io::ErrorKind::Other, "output limit"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `work` on a thread with a stack of known size; a panic goes on in the caller.
fn on_own_stack<T: Send>(
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|_| Failure::Limit("no thread for the template engine".into()))?;
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn failure(error: &Error) -> Failure {
    // The cause may be wrapped (by a macro call, for example): look for the innermost text.
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<Error>() {
            if error.kind() == ErrorKind::OutOfFuel {
                return Failure::Limit("it works too long or makes too much text".into());
            }
            if let Some(message) = error.detail().and_then(|text| text.strip_prefix(RAISED)) {
                return Failure::Raised(message.to_string());
            }
        }
        cause = current.source();
    }
    let what = error.detail().unwrap_or("");
    let line = error.line().map(|n| format!(" in line {n}"));
    let separator = if what.is_empty() { "" } else { ": " };
    Failure::Invalid(format!(
        "{}{separator}{what}{}",
        error.kind(),
        line.unwrap_or_default()
    ))
}

/// `{% generation %}` marks what a trainer learns from; for a prompt it is a block that is always on.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let end = tag.find("%}").map(|end| end + 2);
        let Some(end) = end else {
            rest = tag;
            break;
        };
        let inner = &tag[2..end - 2];
        let word = inner.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        let replaced = match word {
            "generation" => Some("if true"),
            "endgeneration" => Some("endif"),
            _ => None,
        };
        match replaced {
            Some(new) => {
                out.push_str("{%");
                out.push_str(&inner.replacen(word, &format!(" {new} "), 1));
                out.push_str("%}");
                rest = &tag[end..];
            }
            None => {
                out.push_str("{%");
                rest = &tag[2..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Prints a value; what lists and mappings hold is paid for first.
fn print(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if python::is_container(value) {
        python::charge_walk(state, value, 0)?;
    }
    escape_formatter(out, state, value)
}

/// `json.dumps` of Python, with the arguments that Hugging Face's filter takes.
fn tojson(state: &State, value: Value, kwargs: Kwargs) -> Result<String, Error> {
    let indent = kwargs.get::<Option<Value>>("indent")?;
    let separators = kwargs.get::<Option<Value>>("separators")?;
    let style = json::Style {
        indent: match indent.filter(|value| !value.is_none()) {
            Some(value) => Some(match value.as_str() {
                Some(text) => text.to_string(),
                None => " ".repeat(usize::try_from(value)?.min(64)),
            }),
            None => None,
        },
        item_separator: ", ".into(),
        key_separator: ": ".into(),
        ensure_ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    kwargs.assert_all_used()?;
    let mut style = style;
    if style.indent.is_some() {
        style.item_separator = ",".into();
    }
    if let Some(pair) = separators.filter(|value| !value.is_none()) {
        let part = |index: i64| -> Result<String, Error> {
            let item = pair.get_item(&Value::from(index))?;
            match item.as_str() {
                Some(text) => Ok(text.to_string()),
                None => Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "tojson: separators must be two strings",
                )),
            }
        };
        style.item_separator = part(0)?;
        style.key_separator = part(1)?;
    }
    let mut out = String::new();
    json::write(&value, &style, 0, &mut out, &|size| {
        // One unit per value; more as the text grows, so that aliases cannot blow it up.
        if size > (64 << 20) {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        state.consume_fuel(1)
    })?;
    Ok(out)
}
