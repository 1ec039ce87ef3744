//! A keep-alive connection with minimal overhead between clock and socket.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::Result;

/// Timeout for a response.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
}

/// A response, with the time from the first byte sent to the last byte read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The text at `pointer` below `/data`.
    pub(crate) fn text(&self, pointer: &str) -> Result<String> {
        let json = self.json()?;
        let value = json
            .pointer(&format!("/data{pointer}"))
            .and_then(Value::as_str);
        value
            .map(str::to_owned)
            .ok_or_else(|| format!("no {pointer} in {json}").into())
    }

    pub(crate) fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body);
        Err(format!("expected {status}, got {}: {body}", self.status).into())
    }
}

/// A request without a body, ready to send.
pub(crate) fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let bearer = token.map_or_else(String::new, |it| format!("authorization: Bearer {it}\r\n"));
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{bearer}\r\n").into_bytes()
}

/// A request with a JSON body, ready to send.
pub(crate) fn post(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            address,
            stream,
            received: vec![0; 64 * 1024],
        })
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        self.send(&post(path, body))
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(&get(path, None))
    }

    /// Sends a complete request and reads the whole response.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answer> {
        let begun = Instant::now();
        self.stream.write_all(request)?;
        let mut length = 0;
        let head = loop {
            length += self.read_more(length)?;
            let so_far = self.received.get(..length).unwrap_or_default();
            if let Some(end) = so_far.windows(4).position(|four| four == b"\r\n\r\n") {
                break Head::parse(so_far.get(..end).unwrap_or_default())?.with_end(end + 4);
            }
        };
        let end = head.end + head.content_length;
        while length < end {
            length += self.read_more(length)?;
        }
        let took = begun.elapsed();
        let body = self
            .received
            .get(head.end..end)
            .unwrap_or_default()
            .to_vec();
        if head.closes {
            *self = Self::open(self.address)?;
        }
        Ok(Answer {
            status: head.status,
            body,
            took,
        })
    }

    fn read_more(&mut self, length: usize) -> Result<usize> {
        if length == self.received.len() {
            self.received.resize(length * 2, 0);
        }
        let room = self.received.get_mut(length..).unwrap_or_default();
        match self.stream.read(room)? {
            0 => Err("the service closed the connection amid an answer".into()),
            read => Ok(read),
        }
    }
}

#[derive(Default)]
struct Head {
    status: u16,
    content_length: usize,
    closes: bool,
    end: usize,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let mut head = Self {
            status: status.ok_or("no status line")?.parse()?,
            ..Self::default()
        };
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => head.content_length = value.parse()?,
                "connection" => head.closes = value.eq_ignore_ascii_case("close"),
                "transfer-encoding" => return Err("an answer of unknown length".into()),
                _ => {}
            }
        }
        Ok(head)
    }

    fn with_end(self, end: usize) -> Self {
        Self { end, ..self }
    }
}
