//! Receivers whose certificate is not trusted, or that have none.

use testkit::servers::{Certificates, RedisServer};

use super::*;

/// Any TLS server will do, since no data is sent over the connection.
#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_named() {
    let certificates = Certificates::new();
    for certificate in [certificates.self_signed(), certificates.right()] {
        let server = RedisServer::start_with_tls(&certificate).await;
        let url = format!("https://localhost:{}/hook", server.port());
        let sink = WebhookSink::new(config(&url, LONGEST)).unwrap();
        let answered = sink.deliver(&event(), START).await;
        assert_eq!(
            answered,
            Err(SinkError::away("its certificate is not trusted"))
        );
    }
    // A server without TLS has no certificate that could be named.
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"220 whoever looks, this is no TLS\r\n")
            .await
            .unwrap();
        let _ = read_request(&mut stream).await;
    });
    let sink = WebhookSink::new(config(&format!("https://{address}/hook"), LONGEST)).unwrap();
    let answered = sink.deliver(&event(), START).await;
    assert_eq!(answered, Err(SinkError::away("TLS failed")));
}
