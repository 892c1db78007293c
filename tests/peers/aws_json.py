"""Calls of Kinesis and DynamoDB to servers that check no signatures."""

import http.client
import json
import urllib.parse

TARGETS = {
    "kinesis": ("Kinesis_20131202.", "application/x-amz-json-1.1"),
    "dynamodb": ("DynamoDB_20120810.", "application/x-amz-json-1.0"),
}
TIMEOUT_S = 60


class ServiceError(Exception):
    """What the service answered instead; `name` is that of the error."""

    def __init__(self, operation, status, body):
        super().__init__(f"{operation}: {status} {body[:300]}")
        try:
            self.name = json.loads(body).get("__type", "").split("#")[-1]
        except ValueError:
            self.name = ""


class Client:
    """One service at one URL. One connection per call, so it may be used by several threads."""

    def __init__(self, service, url):
        self.service = service
        self.url = urllib.parse.urlsplit(url)

    def call(self, operation, **body):
        prefix, content_type = TARGETS[self.service]
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=TIMEOUT_S)
        headers = {
            "Content-Type": content_type,
            "X-Amz-Target": prefix + operation,
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDFAKE/20260101/us-east-1/"
            f"{self.service}/aws4_request, SignedHeaders=host, Signature=00",
        }
        try:
            connection.request("POST", "/", json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise ServiceError(operation, response.status, text)
        return json.loads(text) if text else {}

    def scan(self, table):
        """All rows of a table, each as {attribute: {type: value}}."""
        rows, more = [], {}
        while True:
            answer = self.call("Scan", TableName=table, ConsistentRead=True, **more)
            rows += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return rows
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def list_shards(self, stream):
        """All shards of a stream."""
        answer = self.call("ListShards", StreamName=stream)
        shards = answer["Shards"]
        while answer.get("NextToken"):
            answer = self.call("ListShards", NextToken=answer["NextToken"])
            shards += answer["Shards"]
        return shards
