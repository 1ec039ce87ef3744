//! Cursor-based paging. Offsets are not used: they skip or repeat rows when the list changes.

use serde::Serialize;

/// Page size when the client does not set a limit.
pub const DEFAULT_LIMIT: u32 = 20;
/// Maximum page size.
pub const MAX_LIMIT: u32 = 100;

/// A request for one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<C> {
    limit: u32,
    /// The last item of the previous page, in the list's own order; `None` for the first page.
    pub after: Option<C>,
}

/// The limit is not between 1 and [`MAX_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between 1 and {MAX_LIMIT}")]
pub struct LimitOutOfRange;

impl<C> PageRequest<C> {
    /// # Errors
    /// [`LimitOutOfRange`] for 0 and for more than [`MAX_LIMIT`].
    pub fn new(limit: Option<u32>, after: Option<C>) -> Result<Self, LimitOutOfRange> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if (1..=MAX_LIMIT).contains(&limit) {
            Ok(Self { limit, after })
        } else {
            Err(LimitOutOfRange)
        }
    }

    /// Maximum number of items in the response.
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Number of rows to read: one more than the limit, to detect whether there is a next page.
    pub fn rows_to_read(&self) -> u64 {
        u64::from(self.limit) + 1
    }
}

/// One page, with the cursor of the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T, C> {
    /// At most as many items as requested.
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last one.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// Builds a page from up to [`PageRequest::rows_to_read`] rows.
    pub fn from_rows(
        mut rows: Vec<T>,
        request: &PageRequest<C>,
        cursor_of: impl Fn(&T) -> C,
    ) -> Self {
        let more = rows.len() > request.limit();
        rows.truncate(request.limit());
        let next = more.then(|| rows.last().map(cursor_of)).flatten();
        Self { items: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_names_no_next() {
        let request = PageRequest::new(Some(2), None::<u32>).unwrap();
        let full = Page::from_rows(vec![1, 2, 3], &request, |item| *item);
        assert_eq!((full.items, full.next), (vec![1, 2], Some(2)));
        let last = Page::from_rows(vec![3, 4], &request, |item| *item);
        assert_eq!((last.items, last.next), (vec![3, 4], None));
    }

    #[test]
    fn a_limit_is_never_cut_silently() {
        assert_eq!(PageRequest::<u32>::new(Some(0), None), Err(LimitOutOfRange));
        assert_eq!(
            PageRequest::<u32>::new(Some(101), None),
            Err(LimitOutOfRange)
        );
        assert_eq!(
            PageRequest::<u32>::new(None, None).map(|page| page.limit()),
            Ok(20)
        );
    }
}
