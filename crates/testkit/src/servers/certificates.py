"""Certificates for servers of tests: python certificates.py FOLDER

Makes ca.pem (an authority) and other-ca.pem, right.pem with right.key (for localhost, by the first authority),
and self-signed.pem with self-signed.key (for localhost, by nobody but itself).
"""

import datetime
import pathlib
import sys

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder = pathlib.Path(sys.argv[1])
authority = trustme.CA()
authority.cert_pem.write_to_path(folder / "ca.pem")
trustme.CA().cert_pem.write_to_path(folder / "other-ca.pem")
right = authority.issue_cert("localhost")
for number, part in enumerate(right.cert_chain_pems):
    part.write_to_path(folder / "right.pem", append=number > 0)
right.private_key_pem.write_to_path(folder / "right.key")

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.timezone.utc)
alone = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now - datetime.timedelta(days=1))
    .not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    .sign(key, hashes.SHA256())
)
(folder / "self-signed.pem").write_bytes(alone.public_bytes(serialization.Encoding.PEM))
(folder / "self-signed.key").write_bytes(
    key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
)
