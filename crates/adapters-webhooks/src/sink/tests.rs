//! Deliveries to well-behaved and misbehaving receivers on loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
};

use authentication_domain::accounts::AccountId;
use secrecy::SecretString;
use testkit::{builders::id, clock::START};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinSet,
};

use super::*;
use crate::TargetPolicy;

mod certificates;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BODY: &str = r#"{"specversion":"1.0","data":{"text":"ä\n"}}"#;
/// Short, so that tests need not wait ten seconds for a time-out.
const SHORT: Duration = Duration::from_millis(300);

fn event() -> OutgoingEvent {
    let account: AccountId = id();
    OutgoingEvent {
        id: id(),
        type_name: "com.fashionistar.auth.session.ended.v1".to_owned(),
        account,
        at: START,
        body: BODY.to_owned(),
    }
}

fn config(url: &str, deadline: Duration) -> WebhookConfig {
    let reach = Reach {
        loopback: true,
        ..Reach::default()
    };
    let policy = TargetPolicy {
        ports: vec![],
        reach: reach.clone(),
    };
    let secret = |text: &str| SigningSecret::parse(&SecretString::from(text)).unwrap();
    WebhookConfig {
        target: Target::parse(url, &policy).unwrap(),
        secrets: vec![secret(SECRET), secret(OLD_SECRET)],
        deadline,
        reach,
    }
}

fn sink_to(address: SocketAddr, deadline: Duration) -> WebhookSink {
    WebhookSink::new(config(&format!("http://{address}/hook?k=v"), deadline)).unwrap()
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads one request; returns its head and its body.
async fn read_request(stream: &mut TcpStream) -> io::Result<(String, String)> {
    let mut read = Vec::new();
    loop {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).await?;
        read.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= BODY.len()
        {
            return Ok((head.to_owned(), body.to_owned()));
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A receiver that gives this answer to every request, and sends each request to the channel.
async fn receiver(answer: String) -> (SocketAddr, UnboundedReceiver<(String, String)>) {
    let (listener, address) = listen().await;
    let (tell, told) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (tell, answer) = (tell.clone(), answer.clone());
            tokio::spawn(async move {
                while let Ok(request) = read_request(&mut stream).await {
                    let _ = tell.send(request);
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, told)
}

fn answer(status: u16) -> String {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n")
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines();
    let found = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")));
    found.unwrap_or_else(|| panic!("no {name} in {head}"))
}

#[tokio::test]
async fn t78_a_repetition_has_the_same_id_and_body_and_a_timestamp_of_its_own() {
    let (address, mut told) = receiver(answer(204)).await;
    let (sink, event) = (sink_to(address, LONGEST), event());
    let later = START + time::Duration::HOUR;
    for now in [START, later] {
        sink.deliver(&event, now).await.unwrap();
    }
    for now in [START, later] {
        let (head, body) = told.recv().await.unwrap();
        assert!(head.starts_with("POST /hook?k=v HTTP/1.1"), "{head}");
        assert_eq!(
            header(&head, "content-type"),
            "application/cloudevents+json"
        );
        assert_eq!(header(&head, "webhook-id"), event.id.to_string());
        let timestamp = now.unix_timestamp();
        assert_eq!(header(&head, "webhook-timestamp"), timestamp.to_string());
        assert_eq!(body, BODY);
        let WebhookConfig { secrets, .. } = config("http://127.0.0.1:1/", SHORT);
        let expected = signatures(&secrets, &event.id.to_string(), timestamp, BODY);
        assert_eq!(header(&head, "webhook-signature"), expected);
        assert_eq!(expected.split(' ').count(), 2);
    }
}

#[tokio::test]
async fn what_an_answer_means() {
    for status in [200, 201, 202, 204] {
        let (address, _told) = receiver(answer(status)).await;
        assert_eq!(
            sink_to(address, LONGEST).deliver(&event(), START).await,
            Ok(())
        );
    }
    let away = |why: &str| SinkError::away(why);
    let refused = |why: &str| SinkError::refused(why);
    for (status, means) in [
        (400, refused("answered 400")),
        (401, refused("answered 401")),
        (404, refused("answered 404")),
        (408, away("answered 408")),
        (410, SinkError::Gone("answered 410".to_owned())),
        (413, refused("answered 413")),
        (429, away("answered 429")),
        (500, away("answered 500")),
        (503, away("answered 503")),
    ] {
        let (address, _told) = receiver(answer(status)).await;
        let answered = sink_to(address, LONGEST).deliver(&event(), START).await;
        assert_eq!(answered, Err(means));
    }
}

#[tokio::test]
async fn a_receiver_says_when_to_come_back_whatever_it_failed_with() {
    let date = "Mon, 02 Mar 2026 09:01:30 GMT";
    let hour = time::Duration::HOUR;
    for (status, text, retry_after) in [
        (429, "3600", Some(hour)),
        (503, "3600", Some(hour)),
        (500, "3600", Some(hour)),
        (503, date, Some(time::Duration::seconds(90))),
        (429, "9999999999999999999999", Some(24 * hour)),
        (503, "soon", None),
        (400, "3600", Some(hour)),
    ] {
        let answer =
            format!("HTTP/1.1 {status} Later\r\nretry-after: {text}\r\ncontent-length: 0\r\n\r\n");
        let (address, _told) = receiver(answer).await;
        let answered = sink_to(address, LONGEST).deliver(&event(), START).await;
        let why = format!("answered {status}");
        let expected = match status {
            400 => SinkError::Refused { why, retry_after },
            _ => SinkError::Away { why, retry_after },
        };
        assert_eq!(answered, Err(expected), "{status} {text}");
    }
}

#[tokio::test]
async fn whoever_is_not_there_is_away() {
    let (listener, address) = listen().await;
    drop(listener);
    let answered = sink_to(address, LONGEST).deliver(&event(), START).await;
    assert_eq!(answered, Err(SinkError::away("cannot be reached")));
    let (address, _told) = receiver("garbage\r\n\r\n".to_owned()).await;
    let answered = sink_to(address, LONGEST).deliver(&event(), START).await;
    assert_eq!(answered, Err(SinkError::away("the connection broke")));
}

#[tokio::test]
async fn t79_a_redirect_is_not_followed() {
    let (inside, inside_address) = listen().await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: http://{inside_address}/\r\ncontent-length: 0");
        let answer = format!("HTTP/1.1 {status} Elsewhere\r\n{location}\r\n\r\n");
        let (address, _told) = receiver(answer).await;
        let answered = sink_to(address, LONGEST).deliver(&event(), START).await;
        let says = format!("answered {status}, and redirects are not followed");
        assert_eq!(answered, Err(SinkError::refused(says)));
    }
    assert_nobody_came(&inside);
}

fn assert_nobody_came(listener: &TcpListener) {
    use std::task::{Context, Poll, Waker};
    let mut context = Context::from_waker(Waker::noop());
    let came = listener.poll_accept(&mut context);
    assert!(matches!(came, Poll::Pending), "a connection was made");
}

/// A name whose owner changes its addresses at will.
struct Rebound(Vec<&'static str>, u16);

#[async_trait]
impl Lookup for Rebound {
    async fn addresses(&self, _: &str) -> io::Result<Vec<SocketAddr>> {
        let of = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), self.1);
        Ok(self.0.iter().map(of).collect())
    }
}

/// A sink to a name that now resolves to these addresses (DNS rebinding).
fn rebound(addresses: Vec<&'static str>, port: u16, networks: &[&str]) -> WebhookSink {
    let reach = Reach {
        networks: networks.iter().map(|it| it.parse().unwrap()).collect(),
        loopback: false,
    };
    let policy = TargetPolicy {
        ports: vec![port],
        reach: reach.clone(),
    };
    let target = Target::parse(&format!("https://hooks.example.com:{port}/"), &policy);
    let config = WebhookConfig {
        target: target.unwrap(),
        reach,
        ..config("http://127.0.0.1:1/", LONGEST)
    };
    WebhookSink::with_lookup(config, Arc::new(Rebound(addresses, port))).unwrap()
}

#[tokio::test]
async fn t79_a_name_that_stands_for_an_address_inside_is_not_connected_to() {
    let (inside, address) = listen().await;
    let port = address.port();
    for networks in [&[][..], &["10.20.0.0/16", "fd12:3456::/32"]] {
        for addresses in [
            vec!["127.0.0.1"],
            vec!["::ffff:127.0.0.1"],
            vec!["10.0.0.1", "127.0.0.1", "::1"],
            vec!["169.254.169.254"],
            vec!["fe80::1"],
            vec!["fd00::1"],
            vec!["100.64.0.1"],
            vec!["64:ff9b::7f00:1"],
            vec!["2002:7f00:1::"],
            vec!["::ffff:10.20.0.1"],
            vec!["0.0.0.0"],
            vec!["::"],
            vec![],
        ] {
            let sink = rebound(addresses.clone(), port, networks);
            let answered = sink.deliver(&event(), START).await;
            let says =
                "the name has no address of the public internet or of events.webhook_networks";
            assert_eq!(answered, Err(SinkError::away(says)), "{addresses:?}");
        }
    }
    assert_nobody_came(&inside);
}

/// Of all addresses of a name, only listed ones are connected to.
#[tokio::test]
async fn a_receiver_in_a_listed_network_is_connected_to() {
    let (inside, address) = listen().await;
    let sink = rebound(
        vec!["10.0.0.1", "127.0.0.1"],
        address.port(),
        &["127.0.0.0/8"],
    );
    let came = tokio::spawn(async move { inside.accept().await.is_ok() });
    // The receiver does not speak TLS.
    let answered = sink.deliver(&event(), START).await;
    assert_eq!(answered, Err(SinkError::away("cannot be reached")));
    assert!(came.await.unwrap());
}

/// The ways in which a receiver misbehaves.
#[derive(Debug, Clone, Copy)]
enum Bad {
    /// Accepts the connection and does nothing.
    Silent,
    /// Reads one byte per second and never answers.
    SlowReader,
    /// Starts an answer and never finishes its head.
    SlowHead,
    /// Accepts the event and sends an infinite answer.
    Endless,
    /// Accepts the event and never finishes its answer.
    Unending,
}

async fn misbehave(bad: Bad, mut stream: TcpStream, written: &AtomicUsize) -> io::Result<()> {
    let forever = Duration::from_hours(1);
    match bad {
        Bad::Silent => tokio::time::sleep(forever).await,
        Bad::SlowReader => loop {
            stream.read_exact(&mut [0]).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        },
        Bad::SlowHead => {
            read_request(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-a: ").await?;
            loop {
                stream.write_all(b"a").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Bad::Endless => {
            read_request(&mut stream).await?;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
                .await?;
            loop {
                stream.write_all(&[b'x'; 16 * 1024]).await?;
                written.fetch_add(16 * 1024, Ordering::Relaxed);
            }
        }
        Bad::Unending => {
            read_request(&mut stream).await?;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
                .await?;
            tokio::time::sleep(forever).await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_in_the_last_moment_counts_whatever_its_body_does() {
    const DEADLINE: Duration = Duration::from_secs(3);
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        read_request(&mut stream).await?;
        tokio::time::sleep(DEADLINE * 7 / 10).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx")
            .await?;
        tokio::time::sleep(2 * DEADLINE).await;
        io::Result::Ok(())
    });
    let sink = sink_to(address, DEADLINE);
    // With the same time-out as the relay.
    let delivered = timeout(DEADLINE, sink.deliver(&event(), START)).await;
    assert_eq!(delivered, Ok(Ok(())));
}

#[tokio::test]
async fn t80_a_slow_or_huge_receiver_costs_its_deadline_and_nobody_else_anything() {
    const EACH: usize = 20;
    let written = Arc::new(AtomicUsize::new(0));
    let mut deliveries = JoinSet::new();
    for bad in [
        Bad::Silent,
        Bad::SlowReader,
        Bad::SlowHead,
        Bad::Endless,
        Bad::Unending,
    ] {
        let (listener, address) = listen().await;
        let count = Arc::clone(&written);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move { misbehave(bad, stream, &count).await });
            }
        });
        // A receiver that answers must not miss its deadline on a busy machine.
        let deadline = match bad {
            Bad::Endless | Bad::Unending => LONGEST,
            _ => SHORT,
        };
        for _ in 0..EACH {
            let sink = sink_to(address, deadline);
            deliveries.spawn(async move { (bad, sink.deliver(&event(), START).await) });
        }
    }
    let (good, _told) = receiver(answer(200)).await;
    assert_eq!(
        sink_to(good, LONGEST).deliver(&event(), START).await,
        Ok(())
    );
    let answers = deliveries.join_all().await;
    assert_eq!(answers.len(), 5 * EACH);
    for (bad, answer) in answers {
        let expected = match bad {
            // The status counts, regardless of what follows.
            Bad::Endless | Bad::Unending => Ok(()),
            _ => Err(SinkError::away("no answer in time")),
        };
        assert_eq!(answer, expected, "{bad:?}");
    }
    // Socket buffers hold more than what was read.
    let each = written.load(Ordering::Relaxed) / EACH;
    assert!(each < 16 * 1024 * 1024, "{each} bytes were taken in");
}

/// Runs the receiver of the documentation, and returns whether it accepts the event.
fn documented_receiver_takes(
    secret: &str,
    (id, timestamp, signature): (&str, i64, &str),
    body: &str,
    now: i64,
) -> bool {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```python\n").unwrap();
    let (verify, _) = rest.split_once("```").unwrap();
    let call = "import sys\n_, secret, id, sent, signature, body, now = sys.argv\n\
        headers = {'webhook-id': id, 'webhook-timestamp': sent, 'webhook-signature': signature}\n\
        verify(secret, headers, body.encode(), int(now))\n";
    let (timestamp, now) = (timestamp.to_string(), now.to_string());
    let ended = std::process::Command::new(testkit::servers::python())
        .args(["-c", &format!("{verify}\n{call}"), secret, id, &timestamp])
        .args([signature, body, &now])
        .output()
        .unwrap();
    let complaint = String::from_utf8(ended.stderr).unwrap();
    assert!(
        complaint.is_empty() || complaint.contains("ValueError"),
        "{complaint}"
    );
    ended.status.success()
}

#[test]
fn t78_the_documented_receiver_takes_what_is_ours_and_nothing_else() {
    let sent = START.unix_timestamp();
    let WebhookConfig { secrets, .. } = config("http://127.0.0.1:1/", SHORT);
    let signature = signatures(&secrets, "id-1", sent, BODY);
    let ours = ("id-1", sent, signature.as_str());
    let other_secret = "whsec_/////////////////////////////////////////w==";
    for (what, taken, secret, sent, body, now) in [
        ("the new secret", true, SECRET, ours, BODY, sent),
        ("the old secret", true, OLD_SECRET, ours, BODY, sent),
        ("late but in time", true, SECRET, ours, BODY, sent + 300),
        ("too late", false, SECRET, ours, BODY, sent + 301),
        ("from the future", false, SECRET, ours, BODY, sent - 301),
        ("another body", false, SECRET, ours, "{}", sent),
        ("another secret", false, other_secret, ours, BODY, sent),
        (
            "another id",
            false,
            SECRET,
            ("id-2", sent, &*signature),
            BODY,
            sent,
        ),
        (
            "another time",
            false,
            SECRET,
            ("id-1", sent + 1, &*signature),
            BODY,
            sent,
        ),
        (
            "no signature",
            false,
            SECRET,
            ("id-1", sent, "v1,"),
            BODY,
            sent,
        ),
    ] {
        let takes = documented_receiver_takes(secret, sent, body, now);
        assert_eq!(takes, taken, "{what}");
    }
}
