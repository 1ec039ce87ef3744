//! One request at a time: the state that the stream and the application share.
//!
//! The stream opens the exchange when it has read the head of a request, and the application closes it when the
//! body of its answer has been handed over. In between, the stream reads no further request. A client that sends
//! many requests and reads no answers therefore occupies the memory of one answer, and the answers of the stream
//! itself (408, 400, 431) stand between two answers and never within one.

use std::{
    cell::{Cell, RefCell},
    error::Error as StdError,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use actix_http::{
    Request,
    body::{BodySize, BoxBody, MessageBody},
};
use actix_web::web::Bytes;

/// The largest piece of an answer that is handed over at once, in bytes. At most the parser's buffer (32 KiB) and
/// one piece wait to be sent.
const PIECE: usize = 16_384;

/// The open exchange of one connection.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    unanswered: Cell<bool>,
    long_lived: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

impl Exchange {
    /// Whether the answer to the last request is not handed over completely.
    pub(super) fn is_open(&self) -> bool {
        self.unanswered.get()
    }

    /// Whether that answer has no deadline.
    pub(super) fn is_long_lived(&self) -> bool {
        self.long_lived.get()
    }

    /// Opens the exchange: a request was read.
    pub(super) fn begin(&self) {
        self.unanswered.set(true);
        self.long_lived.set(false);
    }

    /// Stores the task to wake when reading can continue.
    pub(super) fn remember(&self, reader: &Waker) {
        let mut kept = self.reader.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(reader)) {
            *kept = Some(reader.clone());
        }
    }

    /// Wakes the stored task: reading can continue.
    pub(super) fn wake(&self) {
        if let Some(reader) = self.reader.borrow().as_ref() {
            reader.wake_by_ref();
        }
    }
}

/// An answer in progress. When it is dropped, in any state, the next request may be read.
#[derive(Debug)]
pub(super) struct Answering(Option<Rc<Exchange>>);

impl Answering {
    pub(super) fn to(request: &Request) -> Self {
        Self(request.conn_data::<Rc<Exchange>>().map(Rc::clone))
    }

    /// Marks the answer as long-lived.
    pub(super) fn lasts(&self) {
        if let Some(exchange) = &self.0 {
            exchange.long_lived.set(true);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(exchange) = &self.0 {
            exchange.unanswered.set(false);
            exchange.wake();
        }
    }
}

/// The body of an answer, in pieces.
pub(super) struct Pieces {
    body: BoxBody,
    rest: Bytes,
    answering: Option<Answering>,
}

impl Pieces {
    pub(super) fn of(body: BoxBody, answering: Answering) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            answering: Some(answering),
        }
    }
}

impl MessageBody for Pieces {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_next(context)) {
                Some(Ok(more)) => this.rest = more,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    this.answering = None;
                    return Poll::Ready(None);
                }
            }
        }
        let piece = this.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(this.rest.split_to(piece))))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_large_answer_is_handed_over_in_pieces_and_then_the_next_request_is_read() {
        let exchange = Rc::new(Exchange::default());
        exchange.begin();
        let body = BoxBody::new(vec![7_u8; 3 * PIECE + 1]);
        let mut pieces = Pieces::of(body, Answering(Some(Rc::clone(&exchange))));
        let mut context = Context::from_waker(Waker::noop());
        let mut lengths = Vec::new();
        while let Poll::Ready(Some(piece)) = Pin::new(&mut pieces).poll_next(&mut context) {
            assert!(exchange.is_open());
            lengths.push(piece.unwrap().len());
        }
        assert_eq!(lengths, [PIECE, PIECE, PIECE, 1]);
        assert!(!exchange.is_open());
    }

    #[test]
    fn an_answer_that_is_given_up_is_over_too() {
        let exchange = Rc::new(Exchange::default());
        exchange.begin();
        let answering = Answering(Some(Rc::clone(&exchange)));
        answering.lasts();
        assert!(exchange.is_open() && exchange.is_long_lived());
        drop(answering);
        assert!(!exchange.is_open());
        exchange.begin();
        assert!(!exchange.is_long_lived());
    }
}
