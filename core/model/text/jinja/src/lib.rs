//! The C surface (see raison_jinja.h): checks pointers, calls, and catches every panic.
//! The work is in `template` (chat templates), `json`, `python` and `clock`.

mod clock;
mod json;
mod limits;
mod python;
mod template;

use std::panic::{catch_unwind, AssertUnwindSafe};

use unicode_normalization::{is_nfc_quick, IsNormalized, UnicodeNormalization};

pub use clock::Clock;
use template::{Failure, Template};

#[repr(C)]
pub struct Text {
    data: *mut u8,
    size: usize,
    capacity: usize,
}

const OK: i32 = 0;
const INVALID: i32 = 1;
const RAISED: i32 = 2;
const LIMIT: i32 = 3;
const PANIC: i32 = 4;

/// The library's only voice is its log: a caught panic must not write to stderr.
fn silence() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

impl Text {
    fn from(text: String) -> Text {
        let mut bytes = std::mem::ManuallyDrop::new(text.into_bytes());
        Text {
            data: bytes.as_mut_ptr(),
            size: bytes.len(),
            capacity: bytes.capacity(),
        }
    }
}

/// # Safety
/// `data` must point to `size` bytes that live during the call.
unsafe fn text_of<'a>(data: *const u8, size: usize) -> Result<&'a str, Failure> {
    let bytes = if size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    };
    std::str::from_utf8(bytes).map_err(|_| Failure::Invalid("it is not UTF-8".into()))
}

fn finish(result: std::thread::Result<Result<String, Failure>>, out: &mut Text) -> i32 {
    let (code, text) = match result {
        Ok(Ok(text)) => (OK, text),
        Ok(Err(Failure::Invalid(text))) => (INVALID, text),
        Ok(Err(Failure::Raised(text))) => (RAISED, text),
        Ok(Err(Failure::Limit(text))) => (LIMIT, text),
        Err(_) => (PANIC, "the template engine failed".into()),
    };
    *out = Text::from(text);
    code
}

/// # Safety
/// As raison_jinja.h says; all pointers are valid.
#[no_mangle]
pub unsafe extern "C" fn raison_jinja_compile(
    source: *const u8,
    size: usize,
    out: *mut *mut Template,
    text: *mut Text,
) -> i32 {
    *out = std::ptr::null_mut();
    silence();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let template = Template::compile(text_of(source, size)?)?;
        *out = Box::into_raw(Box::new(template));
        Ok(String::new())
    }));
    finish(result, &mut *text)
}

/// # Safety
/// As raison_jinja.h says; all pointers are valid.
#[no_mangle]
pub unsafe extern "C" fn raison_jinja_render(
    template: *const Template,
    context: *const u8,
    size: usize,
    clock: *const Clock,
    max_output: usize,
    text: *mut Text,
) -> i32 {
    silence();
    let result = catch_unwind(AssertUnwindSafe(|| {
        (*template).render(text_of(context, size)?, *clock, max_output)
    }));
    finish(result, &mut *text)
}

/// # Safety
/// `template` comes from raison_jinja_compile or is null.
#[no_mangle]
pub unsafe extern "C" fn raison_jinja_free(template: *mut Template) {
    if !template.is_null() {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(template))));
    }
}

/// # Safety
/// `text` was filled by one of these functions, or is all zero.
#[no_mangle]
pub unsafe extern "C" fn raison_jinja_text_free(text: *mut Text) {
    let text = &mut *text;
    if !text.data.is_null() {
        drop(Vec::from_raw_parts(text.data, text.size, text.capacity));
    }
    text.data = std::ptr::null_mut();
    text.size = 0;
    text.capacity = 0;
}

/// # Safety
/// As raison_jinja.h says; all pointers are valid.
#[no_mangle]
pub unsafe extern "C" fn raison_jinja_nfc(data: *const u8, size: usize, out: *mut Text) -> i32 {
    silence();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let text = text_of(data, size).ok()?;
        if is_nfc_quick(text.chars()) == IsNormalized::Yes {
            return Some(None);
        }
        Some(Some(text.nfc().collect::<String>()))
    }));
    let (code, text) = match result {
        Ok(Some(None)) => (1, String::new()),
        Ok(Some(Some(text))) => (0, text),
        _ => (-1, String::new()),
    };
    *out = Text::from(text);
    code
}
