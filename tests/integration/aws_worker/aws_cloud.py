"""A Kinesis stream, a DynamoDB table without rows and a container's credentials, on one port.

Each request is checked as AWS checks it: a known access key, its session token, a signature that
fits, a key that has not expired; then a right that may be missing. What is refused is said by the
test, by operation.
"""
import base64
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "aws"))
import aws_server  # noqa: E402

STREAM = "orders"
REGION = "us-east-1"
SHARD = "shardId-000000000000"
FIRST_NUMBER = 49590338271490256608559692538361571095921575989136588898
RECORDS_PER_ANSWER = 7
HASH_KEY_MAX = str(2**128 - 1)
# Its name is that of a wrong signature.
WRONG_REGION = "InvalidSignatureException of another region"
# Answers of AWS by name: status and message.
REFUSALS = {
    "UnrecognizedClientException": "The security token included in the request is invalid.",
    "InvalidSignatureException":
        "The request signature we calculated does not match the signature you provided.",
    WRONG_REGION: "Credential should be scoped to a valid region, not 'eu-west-1'.",
    "ExpiredTokenException": "The security token included in the request is expired",
    "AccessDeniedException": "User: arn:aws:sts::1:assumed-role/w is not authorized to perform: "
                             "{operation} on resource: {resource} because no identity-based "
                             "policy allows it",
    "ResourceNotFoundException": "{resource} not found.",
    "InternalFailure": "",
}


class Cloud:
    """What all connections share. Members are read and written under `lock`."""

    def __init__(self):
        self.lock = threading.Lock()
        self.records = []      # texts; a record's place is its number
        self.refusals = {}     # operation -> name of the refusal
        self.keys = {}         # key id -> when it expires, in seconds of time.monotonic()
        self.served_by = {}    # key id -> records served
        self.expired = 0       # requests that were told that their token has expired
        self.refused = {}      # operation -> how often it was refused by `refusals`
        self.lifetime_s = 3600
        self.container_is_down = False
        self.container_failed = 0
        self.rows = {}

    def put(self, texts):
        with self.lock:
            self.records += texts

    def refuse(self, operation, name):
        with self.lock:
            self.refusals[operation] = name

    def allow(self, operation):
        with self.lock:
            self.refusals.pop(operation)

    def expire_all(self):
        """From now on every key handed out so far is refused."""
        with self.lock:
            self.keys = dict.fromkeys(self.keys, 0)

    def hand_out(self):
        with self.lock:
            if self.container_is_down:
                self.container_failed += 1
                return None
            key_id = f"ASIATEST{len(self.keys):04}"
            self.keys[key_id] = time.monotonic() + self.lifetime_s
            return aws_server.credentials(key_id, self.lifetime_s)

    def judge(self, handler, body, operation):
        """The name of the refusal, or None."""
        scope = handler.headers.get("Authorization", "").partition("Credential=")[2].split("/")
        key_id = scope[0]
        found, right = aws_server.signature(handler, body, aws_server.SECRET)
        with self.lock:
            if (key_id not in self.keys or
                    handler.headers.get("X-Amz-Security-Token") != f"token-of-{key_id}"):
                return "UnrecognizedClientException"
            if scope[2] != REGION:
                return WRONG_REGION
            if found != right:
                return "InvalidSignatureException"
            if time.monotonic() >= self.keys[key_id]:
                self.expired += 1
                return "ExpiredTokenException"
            if operation in self.refusals:
                self.refused[operation] = self.refused.get(operation, 0) + 1
                return self.refusals[operation]
            self.served_by.setdefault(key_id, 0)
            handler.key_id = key_id
            return None


class Handler(aws_server.Handler):
    cloud = None  # set by serve()

    def do_GET(self):
        given = self.cloud.hand_out() if self.path == "/container" else None
        if given is None:
            self.answer(500, b"down")
        else:
            self.answer(200, given)

    def do_POST(self):
        body = self.body()
        service, _, operation = self.headers.get("X-Amz-Target", ".").partition(".")
        refusal = self.cloud.judge(self, body, operation)
        if refusal is not None:
            resource = "arn:aws:" + ("dynamodb:us-east-1:1:table/leases"
                                     if service.startswith("DynamoDB") else
                                     f"kinesis:us-east-1:1:stream/{STREAM}")
            self.refuse(500 if refusal == "InternalFailure" else 400, refusal.split()[0],
                        REFUSALS[refusal].format(operation=operation, resource=resource))
            return
        getattr(self, "on_" + operation, self.on_unknown)(json.loads(body))

    # --- Kinesis ---

    def on_DescribeStreamSummary(self, _):
        self.answer(200, {"StreamDescriptionSummary": {
            "StreamName": STREAM, "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24,
            "StreamARN": f"arn:aws:kinesis:us-east-1:000000000001:stream/{STREAM}",
            "StreamCreationTimestamp": 1.7e9, "EnhancedMonitoring": [], "OpenShardCount": 1}})

    def on_ListShards(self, _):
        self.answer(200, {"Shards": [{
            "ShardId": SHARD,
            "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": HASH_KEY_MAX},
            "SequenceNumberRange": {"StartingSequenceNumber": str(FIRST_NUMBER - 1)}}]})

    def on_GetShardIterator(self, request):
        with self.cloud.lock:
            place = len(self.cloud.records)
        kind = request["ShardIteratorType"]
        if kind == "TRIM_HORIZON":
            place = 0
        elif kind.endswith("_SEQUENCE_NUMBER"):
            place = max(0, int(request["StartingSequenceNumber"]) - FIRST_NUMBER)
            place += 1 if kind.startswith("AFTER") else 0
        self.answer(200, {"ShardIterator": str(place)})

    def on_GetRecords(self, request):
        place = int(request["ShardIterator"])
        with self.cloud.lock:
            texts = self.cloud.records[place:][:min(RECORDS_PER_ANSWER, request["Limit"])]
            left = len(self.cloud.records) - place - len(texts)
            self.cloud.served_by[self.key_id] += len(texts)
        records = [{
            "SequenceNumber": str(FIRST_NUMBER + place + i),
            "ApproximateArrivalTimestamp": time.time(),
            "Data": base64.b64encode(text.encode()).decode(),
            "PartitionKey": "key"} for i, text in enumerate(texts)]
        self.answer(200, {"Records": records, "NextShardIterator": str(place + len(texts)),
                          "MillisBehindLatest": 1000 if left else 0})

    # --- DynamoDB: a table whose rows nobody can change once they are there ---

    def is_refused_for(self, request, key):
        """Conditions are about rows that are there, or are not."""
        with self.cloud.lock:
            exists = key in self.cloud.rows
        condition = request.get("ConditionExpression", "")
        if ("attribute_exists" in condition and not exists or
                "attribute_not_exists" in condition and exists):
            self.refuse(400, "ConditionalCheckFailedException", "The conditional request failed")
            return True
        return False

    def on_DescribeTable(self, request):
        if request["TableName"] != "leases":
            self.refuse(400, "ResourceNotFoundException", "Requested resource not found")
            return
        self.answer(200, {"Table": {
            "TableName": "leases", "TableStatus": "ACTIVE",
            "KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "LeaseOwnerToLeaseKeyIndex", "IndexStatus": "ACTIVE"}]}})

    def on_GetItem(self, request):
        with self.cloud.lock:
            item = self.cloud.rows.get(request["Key"]["leaseKey"]["S"])
        self.answer(200, {} if item is None else {"Item": item})

    def on_PutItem(self, request):
        if self.is_refused_for(request, request["Item"]["leaseKey"]["S"]):
            return
        with self.cloud.lock:
            self.cloud.rows[request["Item"]["leaseKey"]["S"]] = request["Item"]
        self.answer(200, {})

    def on_UpdateItem(self, request):
        if not self.is_refused_for(request, request["Key"]["leaseKey"]["S"]):
            self.refuse(500, "InternalFailure")

    on_DeleteItem = on_UpdateItem

    def on_Scan(self, _):
        with self.cloud.lock:
            items = list(self.cloud.rows.values())
        self.answer(200, {"Items": items, "Count": len(items), "ScannedCount": len(items)})

    def on_Query(self, _):
        self.answer(200, {"Items": [], "Count": 0, "ScannedCount": 0})


def serve():
    """A new cloud and the port where it is."""
    cloud = Cloud()
    handler = type("CloudHandler", (Handler,), {"cloud": cloud})
    server = aws_server.Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return cloud, server.server_port
