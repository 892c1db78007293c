"""A Kinesis that knows enhanced fan-out, over TLS: HTTP/2 for SubscribeToShard, HTTP/1.1 too.

Each shard has records that come to exist over time, and a list of habits: what its first, second,
... subscription does wrong. The rules of the service are kept whatever happens: one subscription a
shard, five seconds (here: TAKE_OVER_S) until it can be taken over, positions that exist.
"""
import base64
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib

import h2.config
import h2.connection
import h2.events

STREAM = "orders"
STREAM_ARN = f"arn:aws:kinesis:us-east-1:1:stream/{STREAM}"
FIRST_NUMBER = 49590338271490256608559692538361571095921575989136588898
HASH_KEY_MAX = 2**128 - 1
TAKE_OVER_S = 1.5
FRAME_BYTES = 16384


def number_of(place):
    return FIRST_NUMBER + place * 1000


def message(headers, payload):
    """One message of an event stream."""
    packed = b"".join(
        struct.pack(f">B{len(name)}sBH", len(name), name.encode(), 7, len(value)) + value.encode()
        for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(payload):
    return message({":message-type": "event", ":event-type": "SubscribeToShardEvent",
                    ":content-type": "application/json"}, json.dumps(payload).encode())


def exception(name):
    return message({":message-type": "exception", ":exception-type": name,
                    ":content-type": "application/json"}, b'{"message":"of the test"}')


class Shard:
    """Records 0 to count - 1, of which one more exists every `record_s` from the first
    subscription on; `habits` of the subscriptions in turn, the last one for all that follow."""

    def __init__(self, name, count, habits=("good",), children=(), parents=(), record_s=0.015,
                 data_bytes=0, event_records=5, event_s=0.04):
        self.name, self.count, self.habits = name, count, habits
        self.children, self.parents, self.record_s = children, parents, record_s
        self.data_bytes, self.event_records, self.event_s = data_bytes, event_records, event_s
        self.since = None         # of the first subscription
        self.subscriptions = 0    # that were granted
        self.refusals = 0         # that were not, because the shard was taken
        self.positions = []       # where subscriptions began
        self.granted = 0.0        # when the last one was
        self.owner = None         # the subscription that has the shard
        self.is_unnoticed = False  # that it has lost it
        self.sent_bytes = 0

    def existing(self):
        if self.record_s == 0:
            return self.count
        return min(self.count, int((time.monotonic() - self.since) / self.record_s))

    def data(self, place):
        text = f"{self.name}/{place}"
        return text.ljust(self.data_bytes, ".")

    def records(self, begin, end):
        return [{"SequenceNumber": str(number_of(place)), "PartitionKey": "k",
                 "Data": base64.b64encode(self.data(place).encode()).decode(),
                 "ApproximateArrivalTimestamp": time.time()} for place in range(begin, end)]

    def first_place(self, position):
        """The place of the first record of a starting position."""
        if position["Type"] == "TRIM_HORIZON":
            return 0
        number = int(position["SequenceNumber"]) - FIRST_NUMBER
        if number < 0 or number > self.count * 1000:
            raise ValueError("a number that the shard never had")
        after = 1 if position["Type"] == "AFTER_SEQUENCE_NUMBER" else 0
        return (number + 999 * (1 - after) + 1000 * after) // 1000


class Service:
    """What all connections share. Members of shards are used under `lock`."""

    def __init__(self, shards):
        self.lock = threading.Lock()
        self.shards = {shard.name: shard for shard in shards}
        self.consumer_looks = 0    # since it was registered
        self.registered = 0        # how often
        self.registered_now = False
        self.throttled = 0
        self.complaints = []       # rules that the client broke
        self.operations = {}
        self.closing = False
        self.may_poll = False

    def complain(self, text):
        with self.lock:
            self.complaints.append(text)

    def answer(self, operation, body):
        """Status and answer of an operation that has one."""
        with self.lock:
            self.operations[operation] = self.operations.get(operation, 0) + 1
        method = getattr(self, "do_" + operation, None)
        if method is None:
            return 400, {"__type": "UnknownOperationException"}
        return method(body)

    def do_DescribeStreamSummary(self, _):
        return 200, {"StreamDescriptionSummary": {
            "StreamARN": STREAM_ARN, "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1.7e9, "OpenShardCount": len(self.shards)}}

    def do_ListShards(self, _):
        width = (HASH_KEY_MAX + 1) // len(self.shards)
        shards = []
        for i, shard in enumerate(self.shards.values()):
            numbers = {"StartingSequenceNumber": str(FIRST_NUMBER - 1)}
            if shard.children:
                numbers["EndingSequenceNumber"] = str(number_of(shard.count) + 1)
            shards.append({"ShardId": shard.name, "SequenceNumberRange": numbers, "HashKeyRange": {
                "StartingHashKey": str(i * width),
                "EndingHashKey": str((i + 1) * width - 1)}})
            if shard.parents:
                shards[-1]["ParentShardId"] = shard.parents[0]
        return 200, {"Shards": shards}

    def do_GetShardIterator(self, body):
        return 200, {"ShardIterator": body["ShardId"]}

    def do_GetRecords(self, body):
        if body["Limit"] > 1 and not self.may_poll:
            self.complain("GetRecords for more than a look")
        return 200, {"Records": [], "NextShardIterator": body["ShardIterator"],
                     "MillisBehindLatest": 0}

    def consumer(self, status):
        return {"ConsumerName": "fleet", "ConsumerARN": STREAM_ARN + "/consumer/fleet:1",
                "ConsumerStatus": status, "ConsumerCreationTimestamp": 1.7e9}

    def do_DescribeStreamConsumer(self, _):
        with self.lock:
            if not self.registered_now:
                return 400, {"__type": "ResourceNotFoundException", "message": "no consumer"}
            self.consumer_looks += 1
            status = "ACTIVE" if self.consumer_looks > 2 else "CREATING"
        return 200, {"ConsumerDescription": self.consumer(status)}

    def do_RegisterStreamConsumer(self, body):
        if body["StreamARN"] != STREAM_ARN or body["ConsumerName"] != "fleet":
            self.complain(f"registered {body}")
        with self.lock:
            if self.throttled < 4:  # more often than one call of the client tries
                self.throttled += 1
                return 400, {"__type": "LimitExceededException", "message": "slow down"}
            self.registered += 1
            self.registered_now = True
            self.consumer_looks = 0
        return 200, {"Consumer": self.consumer("CREATING")}

    def subscribe(self, body, owner):
        """A shard and the habit of the new subscription, or a status and a refusal."""
        shard = self.shards[body["ShardId"]]
        if body["ConsumerARN"] != self.consumer("")["ConsumerARN"]:
            self.complain(f"subscribed by {body}")
        with self.lock:
            now = time.monotonic()
            habit = shard.habits[min(shard.subscriptions, len(shard.habits) - 1)]
            is_held = shard.owner is not None and now - shard.granted < TAKE_OVER_S
            if is_held or shard.is_unnoticed:
                shard.refusals += 1
                shard.is_unnoticed = False
                return 400, {"__type": "ResourceInUseException", "message": "active subscription"}
            shard.subscriptions += 1
            shard.granted = now
            shard.since = shard.since or now
            shard.positions.append(body["StartingPosition"])
            shard.owner = owner if habit not in ("refuse", "deregistered") else None
            if habit == "deregistered":
                self.registered_now = False
        if habit == "refuse":
            return 500, {"__type": "InternalFailureException", "message": "of the test"}
        if habit == "deregistered":
            return 400, {"__type": "ResourceNotFoundException", "message": "no such consumer"}
        return shard, habit

    def release(self, shard, owner, habit):
        """The service learns late of a connection that broke: the next call is refused."""
        with self.lock:
            if shard.owner is owner:
                shard.owner = None
                shard.is_unnoticed = habit == "cut"


class Gone(Exception):
    pass


class Http2:
    """One connection: requests one after the other."""

    def __init__(self, service, sock):
        self.service, self.sock = service, sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.requests = {}
        self.ready = []
        self.reset = set()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def receive(self, wait_s):
        self.flush()
        self.sock.settimeout(max(wait_s, 0.001))
        try:
            data = self.sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return
        finally:
            self.sock.settimeout(20)
        if not data:
            raise Gone()
        for event_of in self.h2.receive_data(data):
            if isinstance(event_of, h2.events.RequestReceived):
                self.requests[event_of.stream_id] = (dict(event_of.headers), bytearray())
            elif isinstance(event_of, h2.events.DataReceived):
                self.requests[event_of.stream_id][1].extend(event_of.data)
                self.h2.acknowledge_received_data(event_of.flow_controlled_length,
                                                  event_of.stream_id)
            elif isinstance(event_of, h2.events.StreamEnded):
                self.ready.append(event_of.stream_id)
            elif isinstance(event_of, h2.events.StreamReset):
                self.reset.add(event_of.stream_id)
            elif isinstance(event_of, h2.events.ConnectionTerminated):
                raise Gone()
        self.flush()

    def send(self, stream, data):
        view = memoryview(data)
        while view:
            if stream in self.reset or self.service.closing:
                raise Gone()
            window = min(self.h2.local_flow_control_window(stream), FRAME_BYTES, len(view))
            if window <= 0:
                self.receive(0.05)
                continue
            self.h2.send_data(stream, bytes(view[:window]))
            view = view[window:]
            self.flush()

    def respond(self, stream, status, kind):
        self.h2.send_headers(stream, [(":status", str(status)), ("content-type", kind),
                                      ("x-amzn-requestid", "r")])
        self.flush()

    def serve(self):
        self.h2.initiate_connection()
        while not self.service.closing:
            self.receive(0.2)
            while self.ready:
                stream = self.ready.pop(0)
                self.handle(stream, *self.requests.pop(stream))

    def handle(self, stream, headers, body):
        operation = headers[b"x-amz-target"].decode().split(".")[1]
        if operation != "SubscribeToShard":
            self.service.complain(f"{operation} over HTTP/2")
            return
        port = self.sock.getsockname()[1]
        if headers[b":authority"] != f"127.0.0.1:{port}".encode() or b"host" in headers:
            self.service.complain(f"the signed host is not what is asked: {headers}")
        owner = object()
        shard, habit = self.service.subscribe(json.loads(bytes(body)), owner)
        if isinstance(shard, int):
            self.respond(stream, shard, "application/x-amz-json-1.1")
            self.send(stream, json.dumps(habit).encode())
            self.h2.end_stream(stream)
            self.flush()
            return
        try:
            Subscription(self, stream, shard, habit, owner).run()
        finally:
            self.service.release(shard, owner, habit)


class Subscription:
    """What is sent, and what goes wrong: after how many events, and how."""

    def __init__(self, connection, stream, shard, habit, owner):
        self.connection, self.stream, self.shard = connection, stream, shard
        self.habit, self.owner = habit, owner
        self.place = shard.first_place(shard.positions[-1])
        self.began = time.monotonic()
        self.events = 0

    def send(self, data):
        self.connection.send(self.stream, data)
        with self.connection.service.lock:
            self.shard.sent_bytes += len(data)

    def run(self):
        connection = self.connection
        if self.habit == "mute":
            connection.receive(6)
            return
        connection.respond(self.stream, 200, "application/vnd.amazon.eventstream")
        if self.habit != "no initial-response":
            self.send(message({":message-type": "event", ":event-type": "initial-response"}, b"{}"))
        while self.habit != "empty" and self.next_event():
            connection.receive(self.shard.event_s)
            if self.stream in connection.reset:
                return
        connection.h2.end_stream(self.stream)
        connection.flush()

    def page(self):
        end = min(self.place + self.shard.event_records, self.shard.existing())
        last = end - 1 if end > 0 else 0
        payload = {"Records": self.shard.records(self.place, end),
                   # Between two records, so that it is no record's number.
                   "ContinuationSequenceNumber": str(number_of(last) + 1) if end > 0
                   else str(FIRST_NUMBER),
                   "MillisBehindLatest": 0 if end == self.shard.existing() else 5}
        if end == self.shard.count and self.shard.children:
            payload["ContinuationSequenceNumber"] = None
            payload["ChildShards"] = [{"ShardId": child, "ParentShards": [self.shard.name],
                                       "HashKeyRange": {"StartingHashKey": "0",
                                                        "EndingHashKey": "1"}}
                                      for child in self.shard.children]
        return end, payload

    def next_event(self):
        """Send an event; False: that was the last one."""
        with self.connection.service.lock:
            is_taken = self.shard.owner is not self.owner
        if is_taken:
            self.send(exception("ResourceInUseException"))
            return False
        end, payload = self.page()
        data = event(payload)
        self.events += 1
        if self.events > 6 and not self.misbehave(data, payload):
            return False
        self.send(data)
        self.place = end
        is_end = payload["ContinuationSequenceNumber"] is None
        return not is_end and not (self.habit == "short" and
                                   time.monotonic() - self.began > 1)

    def misbehave(self, data, payload):
        """What a habit does instead of the seventh event; False: the stream is over."""
        sock = self.connection.sock
        if self.habit in ("InternalFailureException", "KMSThrottlingException",
                          "ResourceInUseException"):
            self.send(exception(self.habit))
            return False
        if self.habit == "cut":
            self.send(data[:len(data) // 2])
            sock.close()
            raise Gone()
        if self.habit == "half":  # an answer that ends properly inside of an event
            self.send(data[:len(data) // 2])
            return False
        if self.habit == "checksum":
            self.send(data[:-1] + bytes([data[-1] ^ 1]))
            self.send(data)
        elif self.habit == "silent":
            for _ in range(60):
                self.connection.receive(0.1)
            return False
        elif self.habit == "no end":  # neither a continuation nor children
            payload["ContinuationSequenceNumber"] = None
            payload.pop("ChildShards", None)
            self.send(event(payload))
        elif self.habit == "no JSON":
            self.send(event(payload).replace(b"Sequence", b"Seq"))
            self.send(message({":message-type": "event",
                               ":event-type": "SubscribeToShardEvent"}, b'{"Records":[{}]}'))
        elif self.habit == "again":  # records that have been sent
            self.place = max(0, self.place - 3)
            self.events = 0
            return True
        return True


class Http1(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].split(".")[1]
        if operation == "SubscribeToShard":
            self.server.service.complain("SubscribeToShard over HTTP/1.1")
        status, answer = self.server.service.answer(operation, body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server:
    """Listens on a free port of 127.0.0.1; `certificate` is the file that vouches for it."""

    def __init__(self, folder, shards):
        self.service = Service(shards)
        key = os.path.join(folder, "key.pem")
        self.certificate = os.path.join(folder, "certificate.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", self.certificate, "-days", "2", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.connection, args=(sock, address), daemon=True).start()

    def connection(self, sock, address):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            sock = self.context.wrap_socket(sock, server_side=True)
            if sock.selected_alpn_protocol() == "h2":
                Http2(self.service, sock).serve()
            else:
                Http1(sock, address, self)
        except (Gone, OSError, ValueError, h2.exceptions.ProtocolError) as error:
            if isinstance(error, ValueError):
                self.service.complain(str(error))
        finally:
            sock.close()

    def close(self):
        self.service.closing = True
        self.listener.close()
