//! Well-formed and malformed requests, each with its result.

use super::*;

/// The number of complete requests in these bytes, or why they are refused; and the stage after them.
fn read(bytes: &[u8]) -> Result<(usize, Stage), Refusal> {
    let mut framing = Framing::new();
    let mut ended = 0;
    for byte in bytes {
        if matches!(framing.take(*byte)?, Step::RequestEnds { .. }) {
            ended += 1;
        }
    }
    Ok((ended, framing.stage()))
}

fn with(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn what_clients_send_has_one_reading() {
    for (bytes, requests) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 1),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 1),
        (
            "\r\nGET /a?b=c HTTP/1.1\r\nHost:a\r\nX:\r\n\r\n".to_owned(),
            1,
        ),
        (with("Content-Length: 3\r\n") + "abc", 1),
        (with("content-length:\t3 \r\n") + "\n\r\0", 1),
        (with("Content-Length: 0\r\n"), 1),
        (
            with("Transfer-Encoding: CHUNKED\r\n") + "3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n",
            1,
        ),
        (
            with("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"),
            1,
        ),
        (with("X-Name: caf\u{e9}\r\n"), 1),
        (
            with("Content-Length: 1\r\n") + "a\r\n" + &with("Content-Length: 1\r\n") + "b",
            2,
        ),
        (format!("{0}{0}{0}", with("")), 3),
    ] {
        assert_eq!(
            read(bytes.as_bytes()),
            Ok((requests, Stage::Start)),
            "{bytes:?}"
        );
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let chunked = |body: &str| with("Transfer-Encoding: chunked\r\n") + body;
    let shapes = [
        // Two lengths, or a length that is no number.
        with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
        with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
        with("Content-Length: 3\r\nContent-Length: 3\r\n"),
        with("Content-Length: 3\r\nContent-Length: 4\r\n"),
        with("Content-Length: 3, 3\r\n"),
        with("Content-Length: +3\r\n"),
        with("Content-Length: -3\r\n"),
        with("Content-Length: 3 4\r\n"),
        with("Content-Length: 0x3\r\n"),
        with("Content-Length:\r\n"),
        with("Content-Length: 1234567890123456789\r\n"),
        with("Content-Length: 3\u{b}\r\n"),
        // Transfer codings.
        with("Transfer-Encoding: xchunked\r\n"),
        with("Transfer-Encoding: identity\r\n"),
        with("Transfer-Encoding: gzip, chunked\r\n"),
        with("Transfer-Encoding: chunked, identity\r\n"),
        with("Transfer-Encoding: \"chunked\"\r\n"),
        with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
        with("Transfer-Encoding: \u{b}chunked\r\n"),
        with("Transfer-Encoding:\r\n chunked\r\n"),
        with("Transfer-Encoding : chunked\r\n"),
        with(&format!("Transfer-Encoding: {}chunked\r\n", " ".repeat(60))),
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        // Line endings.
        "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
        "GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\n\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n".to_owned(),
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        with("X: a\r\n b\r\n"),
        with(" X: a\r\n"),
        with("X: a\0b\r\n"),
        with("X\0: a\r\n"),
        with("X : a\r\n"),
        with(": a\r\n"),
        with("X\r\n"),
        // The request line.
        "GET /\r\n".to_owned(),
        "GET / HTTP/0.9\r\n\r\n".to_owned(),
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n".to_owned(),
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(),
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        // Hosts.
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        with("Host: b\r\n"),
        with("HOST: a\r\n"),
        // Other protocols.
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        with("Upgrade: WebSocket\r\n"),
        with(&format!("Upgrade: {}websocket\r\n", " ".repeat(60))),
        with(&format!("Upgrade: websocket{}\r\n", " ".repeat(60))),
        // Chunks.
        chunked("3;a=b\r\nabc\r\n0\r\n\r\n"),
        chunked("3 \r\nabc\r\n0\r\n\r\n"),
        chunked("3\nabc\r\n0\r\n\r\n"),
        chunked("3\r\nabc\n0\r\n\r\n"),
        chunked("3\r\nabcd\r\n0\r\n\r\n"),
        chunked("\r\n"),
        chunked("0x3\r\nabc\r\n0\r\n\r\n"),
        chunked("-1\r\n"),
        chunked("100000000\r\n"),
        chunked("0\r\nX: a\r\n\r\n"),
        chunked("0\r\n\n"),
        chunked("0\n\r\n"),
    ];
    for shape in shapes {
        assert_eq!(read(shape.as_bytes()), Err(Refusal::Malformed), "{shape:?}");
    }
}

#[test]
fn a_head_has_bounds() {
    let field = format!("X: {}\r\n", "a".repeat(MOST_HEAD));
    assert_eq!(read(with(&field).as_bytes()), Err(Refusal::TooLarge));
    let target = format!("GET /{} HTTP/1.1\r\n", "a".repeat(MOST_HEAD));
    assert_eq!(read(target.as_bytes()), Err(Refusal::TooLarge));
    // `Host` is one more field.
    let fields = |count| with(&"X: a\r\n".repeat(count));
    assert_eq!(read(fields(95).as_bytes()), Ok((1, Stage::Start)));
    assert_eq!(read(fields(96).as_bytes()), Err(Refusal::TooLarge));
    // The size of an earlier head does not count for the next request.
    let long = with(&format!("X: {}\r\n", "a".repeat(20_000)));
    assert_eq!(
        read(format!("{long}{long}").as_bytes()),
        Ok((2, Stage::Start))
    );
}

#[test]
fn data_is_passed_over_and_its_end_is_not() {
    let mut framing = Framing::new();
    let head = with("Content-Length: 10\r\n");
    let (last, rest) = head.as_bytes().split_last().unwrap();
    for byte in rest {
        assert_eq!(framing.take(*byte), Ok(Step::Inside));
    }
    assert_eq!(framing.take(*last), Ok(Step::HeadEnds));
    assert_eq!((framing.stage(), framing.data_ahead()), (Stage::Body, 9));
    framing.skip(9);
    assert_eq!((framing.stage(), framing.data_ahead()), (Stage::Body, 0));
    assert_eq!(framing.take(b'x'), Ok(REQUEST_ENDS));
    assert_eq!((framing.stage(), framing.data_ahead()), (Stage::Start, 0));
}
