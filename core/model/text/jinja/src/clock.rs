//! `strftime_now`: the caller's clock in C's strftime notation, English names, whatever the locale.

use std::fmt::Write;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Clock {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
    pub weekday: i32,
    pub day_of_year: i32,
}

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Clock {
    pub fn format(&self, format: &str) -> String {
        let day = DAYS[self.weekday.rem_euclid(7) as usize];
        let month = MONTHS[(self.month - 1).rem_euclid(12) as usize];
        let hour12 = (self.hour + 11).rem_euclid(12) + 1;
        let half = if self.hour < 12 { "AM" } else { "PM" };
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            // "%-d" and the like: no leading zero
            let mut code = chars.next();
            let plain = code == Some('-');
            if plain {
                code = chars.next();
            }
            let mut number = |value: i32, width: usize| {
                let width = if plain { 0 } else { width };
                let _ = write!(out, "{value:0width$}");
            };
            match code {
                Some('Y') => number(self.year, 4),
                Some('y') => number(self.year.rem_euclid(100), 2),
                Some('m') => number(self.month, 2),
                Some('d') => number(self.day, 2),
                Some('H') => number(self.hour, 2),
                Some('I') => number(hour12, 2),
                Some('M') => number(self.minute, 2),
                Some('S') => number(self.second, 2),
                Some('j') => number(self.day_of_year, 3),
                Some('u') => number((self.weekday + 6).rem_euclid(7) + 1, 1),
                Some('w') => number(self.weekday, 1),
                Some('e') => {
                    let _ = write!(out, "{:2}", self.day);
                }
                Some('A') => out.push_str(day),
                Some('a') => out.push_str(&day[..3]),
                Some('B') => out.push_str(month),
                Some('b') | Some('h') => out.push_str(&month[..3]),
                Some('p') => out.push_str(half),
                Some('F') => out.push_str(&self.format("%Y-%m-%d")),
                Some('T') | Some('X') => out.push_str(&self.format("%H:%M:%S")),
                Some('R') => out.push_str(&self.format("%H:%M")),
                Some('D') | Some('x') => out.push_str(&self.format("%m/%d/%y")),
                Some('c') => out.push_str(&self.format("%a %b %e %H:%M:%S %Y")),
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('%') => out.push('%'),
                // Zone and anything else: as C leaves an unknown conversion.
                Some(other) => {
                    out.push('%');
                    out.push(other);
                }
                None => out.push('%'),
            }
        }
        out
    }
}
