#!/usr/bin/env python3
"""A service of AWS as it is on bad days: signs are checked, answers are slow, cut, huge or garbage.

usage: aws_server.py FOLDER

Prints the ports for HTTP and HTTPS, writes cert.pem to FOLDER, ends with its standard input.
What happens is named by X-Amz-Target ("Test.Slow") or by the path (metadata, containers).
"""
import collections
import datetime
import email.utils
import hashlib
import hmac
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
COUNTS = collections.Counter()
LOCK = threading.Lock()
SKEW_S = 3600


def count(name):
    with LOCK:
        COUNTS[name] += 1
        return COUNTS[name]


def keyed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(handler, body, secret):
    """The signature that the request should carry, worked out from its Authorization header."""
    fields = dict(part.strip().split("=", 1)
                  for part in handler.headers["Authorization"].split(" ", 1)[1].split(","))
    scope = fields["Credential"].split("/", 1)[1]
    names = fields["SignedHeaders"].split(";")
    path, _, query = handler.path.partition("?")
    canonical = "\n".join(
        [handler.command, urllib.parse.quote(path), query]
        + [f"{name}:{' '.join(handler.headers[name].split())}" for name in names]
        + ["", ";".join(names), hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", handler.headers["X-Amz-Date"], scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = keyed(key, part)
    return fields["Signature"], hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def expiration(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def credentials(key_id, seconds=3600):
    return {"Code": "Success", "AccessKeyId": key_id, "SecretAccessKey": SECRET,
            "Token": f"token-of-{key_id}", "Expiration": expiration(seconds)}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        count("connections")

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self.close_connection = True

    def answer(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response_only(status)
        headers = dict(headers)
        headers.setdefault("Date", email.utils.formatdate(usegmt=True))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("x-amzn-RequestId", "request-1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, kind, message="", headers=()):
        self.answer(status, {"__type": f"com.amazonaws.test#{kind}", "message": message}, headers)

    def reset(self):
        """End the connection with RST."""
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_GET(self):
        count(self.path)
        if self.path.startswith("/latest/"):
            self.metadata()
        elif self.path.startswith("/container"):
            if self.headers.get("Authorization") == "container-secret":
                self.answer(200, credentials("ASIACONTAINER"))
            else:
                self.answer(403, {"code": "Denied", "message": "not the right token"})
        else:
            self.answer(200, b"got")

    def metadata(self):
        roles = "/latest/meta-data/iam/security-credentials/"
        if self.headers.get("X-aws-ec2-metadata-token") != "session":
            self.answer(401, b"")
        elif self.path == roles:
            self.answer(200, b"the-role\nanother")
        elif self.path == roles + "the-role":
            self.answer(200, credentials("ASIAINSTANCE"))
        elif self.path == "/latest/meta-data/placement/region":
            self.answer(200, b"ap-south-1")
        else:
            self.answer(404, b"")

    def do_PUT(self):
        self.body()
        good = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "").isdigit()
        self.answer(200 if good else 400, b"session" if good else b"")

    def do_POST(self):
        if self.headers.get("X-Amz-Target") == "Test.EarlyReset":
            self.rfile.read(100000)
            self.reset()
            return
        body = self.body()
        operation = self.headers.get("X-Amz-Target", ".").split(".")[1]
        if not operation:
            self.token_service(body)
            return
        count(operation)
        getattr(self, "on_" + operation, self.on_unknown)(body)

    def token_service(self, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        count(form["Action"])
        role = form["RoleArn"].rsplit("/", 1)[-1]
        if form["Action"] == "AssumeRole":
            found, right = signature(self, body, SECRET)
            allowed = found == right and form.get("ExternalId", "x y") == "x y"
        else:
            allowed = form["WebIdentityToken"] == "web-token"
        if not allowed:
            self.answer(403, b"<ErrorResponse><Error><Code>AccessDenied</Code>"
                             b"<Message>not you</Message></Error></ErrorResponse>")
            return
        given = credentials("ASIA" + role.upper())
        self.answer(200, f"""<R><AssumeRoleResult><Credentials>
            <AccessKeyId>{given["AccessKeyId"]}</AccessKeyId>
            <SecretAccessKey>{SECRET}</SecretAccessKey>
            <SessionToken>{given["Token"]}</SessionToken>
            <Expiration>{given["Expiration"]}</Expiration>
            </Credentials></AssumeRoleResult></R>""".encode())

    def on_unknown(self, _):
        self.refuse(400, "UnknownOperationException")

    def on_Echo(self, body):
        found, right = signature(self, body, SECRET)
        if found == right:
            self.answer(200, body)
        else:
            self.refuse(400, "InvalidSignatureException", "The request signature does not match")

    def on_Counts(self, _):
        with LOCK:
            counts = dict(COUNTS)
        self.answer(200, counts)

    def on_Slow(self, body):
        time.sleep(float(body))
        self.answer(200, b"late")

    def on_Reset(self, _):
        self.reset()

    def on_ResetOnce(self, _):
        if count("ResetOnceTried") == 1:
            self.reset()
        else:
            self.answer(200, b"second")

    def on_DieKept(self, _):
        """Good for one request; the next one on the same connection is read and not answered."""
        if getattr(self, "used", False):
            self.close_connection = True
            return
        self.used = True
        self.answer(200, b"first")

    def on_Half(self, _):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        self.close_connection = True

    def on_HalfHead(self, _):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        self.close_connection = True

    def on_Garbage(self, _):
        self.wfile.write(bytes(range(256)) * 64)
        self.close_connection = True

    def on_LongHead(self, _):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-Y: " + b"z" * 1000000 + b"\r\n\r\n")
        self.close_connection = True

    def on_Huge(self, _):
        self.send_response_only(200)
        self.send_header("Content-Length", str(1 << 30))
        self.end_headers()
        for _ in range(1024):
            self.wfile.write(b"x" * (1 << 20))

    def on_Big(self, body):
        self.answer(200, b"x" * int(body))

    def on_Throttled(self, _):
        if count("ThrottledTried") <= 2:
            self.refuse(400, "ProvisionedThroughputExceededException", "slow down")
        else:
            self.answer(200, b"through")

    def on_TooMany(self, _):
        if count("TooManyTried") <= 1:
            self.answer(429, b"", {"Retry-After": "1"})
        else:
            self.answer(200, b"through")

    def on_Internal(self, _):
        self.refuse(500, "InternalServerError", "oops")

    def on_Unavailable(self, _):
        self.answer(503, b"<html>down</html>")

    def on_Redirect(self, _):
        self.answer(302, b"", {"Location": "http://127.0.0.1:1/"})

    def on_Denied(self, _):
        self.refuse(400, "AccessDeniedException", "User x is not authorized to perform: t:Denied")

    def on_WrongRegion(self, _):
        self.refuse(400, "InvalidSignatureException",
                    "Credential should be scoped to a valid region, not 'eu-west-1'.")

    def on_Expired(self, _):
        if self.headers.get("X-Amz-Security-Token") == "old":
            self.refuse(400, "ExpiredTokenException", "The security token is expired")
        else:
            self.answer(200, b"fresh")

    def on_Skewed(self, _):
        now = time.time() + SKEW_S
        sent = datetime.datetime.strptime(
            self.headers["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        if abs(now - sent) > 300:
            self.refuse(400, "InvalidSignatureException", "Signature expired: too old",
                        {"Date": email.utils.formatdate(now, usegmt=True)})
        else:
            self.answer(200, b"in time")

    def on_Stream(self, body):
        """Pieces, one each 0.1 s, then silence for as long as the body says."""
        self.send_response_only(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(5):
            self.wfile.write(b"5\r\npiece\r\n")
            time.sleep(0.1)
        time.sleep(float(body))
        self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


def main():
    folder = sys.argv[1]
    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
         certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, stderr=subprocess.DEVNULL)
    plain, secure = Server(("127.0.0.1", 0), Handler), Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.socket = context.wrap_socket(
        secure.socket, server_side=True, do_handshake_on_connect=False)
    for server in (plain, secure):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(plain.server_port, secure.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
