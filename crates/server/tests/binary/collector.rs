//! A collector: OTLP over HTTP, as little of it as the exporters need.

use std::{
    io::{BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use opentelemetry_proto::tonic::collector::{
    metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use prost::Message as _;

/// What was exported.
pub(crate) enum Export {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
}

/// Listens on a free port.
pub(crate) fn start() -> (SocketAddr, Receiver<Export>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, exports) = channel();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            thread::spawn(move || take_exports(connection, &sender));
        }
    });
    (address, exports)
}

fn take_exports(connection: TcpStream, exports: &Sender<Export>) {
    let mut answers = connection.try_clone().unwrap();
    let mut reader = BufReader::new(connection);
    while let Some((head, body)) = read_request(&mut reader) {
        let export = match head.split(' ').nth(1) {
            Some("/v1/traces") => {
                Export::Traces(ExportTraceServiceRequest::decode(body.as_slice()).expect("traces"))
            }
            Some("/v1/metrics") => Export::Metrics(
                ExportMetricsServiceRequest::decode(body.as_slice()).expect("metrics"),
            ),
            _ => panic!("nobody exports there: {head}"),
        };
        answers.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n").unwrap();
        if exports.send(export).is_err() {
            return;
        }
    }
}

/// The first line and the body of the next request on a connection.
pub(crate) fn read_request(reader: &mut impl std::io::BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.expect("a length")];
    reader.read_exact(&mut body).unwrap();
    Some((head.swap_remove(0), body))
}
