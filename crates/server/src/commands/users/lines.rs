//! Reads a file line by line, in constant memory.

use std::io::{self, BufRead};

/// The longest line in bytes. Django's longest row has a fraction of it.
const MAX_LINE: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The lines of a file, without empty lines and without a byte order mark at the beginning.
pub(super) struct Lines<R> {
    file: R,
    number: u64,
    buffer: Vec<u8>,
}

/// A line.
pub(super) struct Line<'a> {
    /// The line number, from 1.
    pub(super) number: u64,
    /// The line without its end; `None` if it is too long.
    pub(super) text: Option<&'a [u8]>,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn of(file: R) -> Self {
        Self {
            file,
            number: 0,
            buffer: Vec::new(),
        }
    }

    /// The next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            let Some(fits) = self.read()? else {
                return Ok(None);
            };
            self.number += 1;
            if self.number == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.buffer.drain(..BYTE_ORDER_MARK.len());
            }
            if !fits || !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(Line {
                    number: self.number,
                    text: fits.then(|| self.buffer.trim_ascii()),
                }));
            }
        }
    }

    /// Reads the next line into the buffer, up to the maximum. `Some(false)` if it was longer, `None` at the end of
    /// the file.
    fn read(&mut self) -> io::Result<Option<bool>> {
        self.buffer.clear();
        let mut fits = true;
        let mut is_there = false;
        loop {
            let read = match self.file.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read.is_empty() {
                return Ok(is_there.then_some(fits));
            }
            is_there = true;
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
            fits &= self.buffer.len() + part.len() <= MAX_LINE;
            if fits {
                self.buffer.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(end.is_some());
            self.file.consume(taken);
            if end.is_some() {
                return Ok(Some(fits));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// A reader with a buffer of 7 bytes, so that buffers end in the middle of lines.
    fn lines_of(file: &[u8]) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::of(BufReader::with_capacity(7, file));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let text = line
                .text
                .map(|text| String::from_utf8(text.to_vec()).unwrap());
            found.push((line.number, text));
        }
        found
    }

    #[test]
    fn lines_are_counted_as_editors_count_them() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            lines_of(b"{\"a\":1}\n\n  \r\n{\"b\":22222222}\r\nlast"),
            [
                (1, text("{\"a\":1}")),
                (4, text("{\"b\":22222222}")),
                (5, text("last")),
            ]
        );
        assert_eq!(lines_of(b""), []);
        assert_eq!(lines_of(b"\n\n"), []);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(
            lines_of("\u{feff}x\n".as_bytes()),
            [(1, Some("x".to_owned()))]
        );
        assert_eq!(lines_of("\u{feff}".as_bytes()), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_and_not_kept() {
        let fitting = "x".repeat(MAX_LINE);
        let file = format!("{fitting}x\n{fitting}\nshort\n{fitting}{fitting}");
        assert_eq!(
            lines_of(file.as_bytes()),
            [
                (1, None),
                (2, Some(fitting)),
                (3, Some("short".to_owned())),
                (4, None),
            ]
        );
    }
}
