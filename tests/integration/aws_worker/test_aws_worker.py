#!/usr/bin/env python3
"""`weir worker` on Kinesis with what goes wrong around credentials, rights, regions and networks.

While it runs: credentials expire, their source is down, a right is taken away and given back; every
record is printed once and in order. At its start: one line says what, why and what to do, the
exit status is 1, nothing is printed.
"""
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import aws_cloud  # noqa: E402

WEIR = os.environ["WEIR_BINARY"]
PATIENCE_S = 50
TICK_S = 0.02
# What must not come from the machine that runs this.
KEPT = {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH", "TMPDIR"}


class Failed(Exception):
    pass


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    return kept | {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"} | more


def container(port):
    return environment(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"http://127.0.0.1:{port}/container")


class Worker:
    """A process of `weir worker`, its stdout and stderr in files."""

    def __init__(self, folder, endpoint, variables, *options, region=aws_cloud.REGION):
        self.out, self.err = os.path.join(folder, "out"), os.path.join(folder, "err")
        stream = f"kinesis:{aws_cloud.STREAM}?region={region}&endpoint={endpoint}&idle=100ms"
        stream += "&reads_per_second=1000"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                [WEIR, "--data", os.path.join(folder, "data"), "worker", "--app", "a",
                 "--stream", stream, "--print", "--id", "w", *options],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=variables)

    def stderr(self):
        with open(self.err, encoding="utf-8") as file:
            return file.read()

    def printed(self):
        with open(self.out, encoding="utf-8") as file:
            return [json.loads(line)["data"] for line in file.read().splitlines(keepends=True)
                    if line.endswith("\n")]

    def wait_for(self, what, condition):
        until = time.monotonic() + PATIENCE_S
        while not condition():
            if self.process.poll() is not None:
                raise Failed(f"{what}: the worker ended with {self.process.returncode}:\n"
                             + self.stderr())
            if time.monotonic() > until:
                raise Failed(f"{what}: not within {PATIENCE_S} s:\n{self.stderr()}")
            time.sleep(TICK_S)

    def wait_for_records(self, expected):
        self.wait_for(f"{len(expected)} records", lambda: len(self.printed()) >= len(expected))
        if self.printed() != expected:
            raise Failed(f"printed {self.printed()}\ninstead of {expected}")

    def end(self):
        """Its exit status, once it has ended by itself."""
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"it goes on for {PATIENCE_S} s:\n{self.stderr()}") from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


# --- while it runs ---


def texts(first, last):
    return [f"record {i}" for i in range(first, last + 1)]


def run_through(folder):
    """Keys that are revoked twice, a source that is down, a right that is away for a while."""
    cloud, port = aws_cloud.serve()
    cloud.put(texts(1, 40))
    worker = Worker(folder, f"http://127.0.0.1:{port}", container(port), "--retry-cap", "300ms")
    try:
        worker.wait_for_records(texts(1, 40))

        cloud.put(texts(41, 60))
        cloud.expire_all()
        cloud.put(texts(61, 80))
        worker.wait_for_records(texts(1, 80))
        if not cloud.expired or worker.stderr():
            raise Failed(f"{cloud.expired} keys expired; a refresh is nothing to talk about:\n"
                         + worker.stderr())

        cloud.container_is_down = True
        cloud.expire_all()
        cloud.put(texts(81, 100))
        worker.wait_for("the source is asked in vain", lambda: cloud.container_failed > 0)
        worker.wait_for("a warning", lambda: " warn " in worker.stderr())
        cloud.container_is_down = False
        worker.wait_for_records(texts(1, 100))

        for refusal in ("AccessDeniedException", "InternalFailure"):
            first = len(cloud.records) + 1
            cloud.refuse("GetRecords", refusal)
            cloud.put(texts(first, first + 19))
            worker.wait_for(refusal, lambda: cloud.refused.get("GetRecords", 0) >= 3)
            worker.wait_for(f"a warning of {refusal}", lambda r=refusal: r in worker.stderr())
            cloud.refused.clear()
            cloud.allow("GetRecords")
            worker.wait_for_records(texts(1, first + 19))

        worker.process.terminate()
        if worker.end() != 0:
            raise Failed(f"SIGTERM: exit status {worker.process.returncode}:\n{worker.stderr()}")
        if worker.printed() != texts(1, 140):
            raise Failed("records came at the end")
        if len(cloud.served_by) < 3:
            raise Failed(f"only the keys {cloud.served_by} were used")
        return worker.stderr()
    finally:
        worker.kill()


def short_lived(folder):
    """Every key lives for two seconds and says so; records come all the while."""
    cloud, port = aws_cloud.serve()
    cloud.lifetime_s = 2
    worker = Worker(folder, f"http://127.0.0.1:{port}", container(port))
    try:
        count = 0
        while len([key for key in list(cloud.served_by) if cloud.served_by[key] > 0]) < 3:
            cloud.put(texts(count + 1, count + 5))
            count += 5
            worker.wait_for_records(texts(1, count))
        worker.process.terminate()
        if worker.end() != 0 or worker.printed() != texts(1, count):
            raise Failed(f"status {worker.process.returncode}:\n{worker.stderr()}")
        return f"{count} records by {len(cloud.served_by)} keys, {cloud.expired} requests too " \
               f"late\n{worker.stderr()}"
    finally:
        worker.kill()


# --- at its start ---


def expect_line(folder, worker, words):
    """One line with these words, status 1, and nothing on stdout."""
    try:
        status = worker.end()
        err = worker.stderr()
        if status != 1 or err.count("\n") != 1 or not err.startswith("weir: "):
            raise Failed(f"status {status} and instead of one line:\n{err}")
        for word in words:
            if word not in err:
                raise Failed(f"no \"{word}\" in: {err}")
        if worker.printed():
            raise Failed("it printed records")
        return err
    finally:
        worker.kill()


def refused(operation, refusal, words, *options):
    def case(folder):
        cloud, port = aws_cloud.serve()
        cloud.put(texts(1, 20))
        cloud.refuse(operation, refusal)
        more = [option.format(port=port) for option in options]
        return expect_line(
            folder, Worker(folder, f"http://127.0.0.1:{port}", container(port), *more), words)
    return case


def wrong_key(folder):
    _, port = aws_cloud.serve()
    variables = environment(AWS_ACCESS_KEY_ID="AKIAWRONG", AWS_SECRET_ACCESS_KEY="no")
    return expect_line(
        folder, Worker(folder, f"http://127.0.0.1:{port}", variables),
        ["UnrecognizedClientException", "the access key is not known here"])


def wrong_secret(folder):
    cloud, port = aws_cloud.serve()
    given = cloud.hand_out()
    variables = environment(AWS_ACCESS_KEY_ID=given["AccessKeyId"], AWS_SECRET_ACCESS_KEY="no",
                            AWS_SESSION_TOKEN=given["Token"])
    return expect_line(
        folder, Worker(folder, f"http://127.0.0.1:{port}", variables),
        ["InvalidSignatureException", "the secret key does not fit the access key"])


def wrong_region(folder):
    _, port = aws_cloud.serve()
    return expect_line(
        folder, Worker(folder, f"http://127.0.0.1:{port}", container(port), region="eu-west-1"),
        ["eu-west-1", "InvalidSignatureException", "the region does not fit the endpoint"])


def expired_for_good(folder):
    cloud, port = aws_cloud.serve()
    given = cloud.hand_out()
    cloud.expire_all()
    variables = environment(AWS_ACCESS_KEY_ID=given["AccessKeyId"],
                            AWS_SECRET_ACCESS_KEY=given["SecretAccessKey"],
                            AWS_SESSION_TOKEN=given["Token"])
    return expect_line(
        folder, Worker(folder, f"http://127.0.0.1:{port}", variables),
        ["ExpiredTokenException", "get new temporary credentials"])


def no_credentials(folder):
    _, port = aws_cloud.serve()
    return expect_line(
        folder, Worker(folder, f"http://127.0.0.1:{port}", environment()), ["credentials"])


def container_down(folder):
    cloud, port = aws_cloud.serve()
    cloud.container_is_down = True
    return expect_line(
        folder, Worker(folder, f"http://127.0.0.1:{port}", container(port)),
        ["container", "500"])


def closed_port(folder):
    _, port = aws_cloud.serve()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # nobody listens, and nobody else gets it
        nobody = f"http://127.0.0.1:{held.getsockname()[1]}"
        return expect_line(
            folder, Worker(folder, nobody, container(port)), ["DescribeStreamSummary", nobody])


def closed_port_of_table(folder):
    _, port = aws_cloud.serve()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{held.getsockname()[1]}"
        return expect_line(
            folder, Worker(folder, f"http://127.0.0.1:{port}", container(port), "--table",
                           f"dynamodb:leases?region=us-east-1&endpoint={nobody}"),
            ["DescribeTable", nobody])


def unknown_host(folder):
    _, port = aws_cloud.serve()
    return expect_line(
        folder, Worker(folder, "http://kinesis.invalid:1", container(port)), ["kinesis.invalid"])


def self_signed(folder):
    _, port = aws_cloud.serve()
    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    server = aws_cloud.aws_server.Server(("127.0.0.1", 0), aws_cloud.Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return expect_line(
        folder, Worker(folder, f"https://127.0.0.1:{server.server_port}", container(port)),
        ["certificate", "AWS_CA_BUNDLE"])


def plain_server(folder):
    """https to a port that speaks no TLS."""
    _, port = aws_cloud.serve()
    return expect_line(
        folder, Worker(folder, f"https://127.0.0.1:{port}", container(port)),
        ["https", "or is it one for http"])


TABLE = ("--table", "dynamodb:leases?region=us-east-1&endpoint=http://127.0.0.1:{port}")
OTHER_TABLE = ("--table", "dynamodb:others?region=us-east-1&endpoint=http://127.0.0.1:{port}")
DENIED = "AccessDeniedException"
RIGHT = "give the identity the right to this operation"
CASES = {
    "it runs through": run_through,
    "short-lived credentials": short_lived,
    "wrong access key": wrong_key,
    "wrong secret key": wrong_secret,
    "wrong region": wrong_region,
    "expired for good": expired_for_good,
    "no credentials": no_credentials,
    "container down": container_down,
    "no such stream": refused(
        "DescribeStreamSummary", "ResourceNotFoundException",
        ["orders", "us-east-1", "check the name, the region"]),
    "no right to describe": refused(
        "DescribeStreamSummary", DENIED, ["kinesis DescribeStreamSummary", DENIED, RIGHT]),
    "no right to list": refused("ListShards", DENIED, ["kinesis ListShards", DENIED, RIGHT]),
    "no right to iterate": refused(
        "GetShardIterator", DENIED, ["kinesis GetShardIterator", DENIED, RIGHT]),
    "no right to get": refused("GetRecords", DENIED, ["kinesis GetRecords", DENIED, RIGHT]),
    "no such table": refused("-", "-", ["others", "create=if-missing"], *OTHER_TABLE),
    **{f"no right to {operation}": refused(
        operation, DENIED, [f"dynamodb {operation}", "leases", DENIED, RIGHT], *TABLE)
       for operation in ("DescribeTable", "GetItem", "Scan", "Query", "PutItem", "UpdateItem",
                         "DeleteItem")},
    "closed port": closed_port,
    "closed port of the table": closed_port_of_table,
    "unknown host": unknown_host,
    "self-signed certificate": self_signed,
    "no TLS at all": plain_server,
}


def main():
    failures = 0
    for name, case in CASES.items():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"{name}:\n    {case(folder)}".rstrip(), flush=True)
            except Failed as failure:
                failures += 1
                print(f"FAILED: {name}: {failure}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
