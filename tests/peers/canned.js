'use strict';
/* A Kinesis endpoint for measuring consumers: every shard gives the same records, rendered once for
 * each encoding that is asked for, so that next to nothing is spent on this side. Who asks in AWS CBOR
 * 1.1 is answered in it. Records cannot be put.
 *
 *   canned.js --port P [--shards 4] [--records 100000] [--size 100] [--aggregate K] [--limits 1]
 *
 * `records` are user records per shard; --aggregate K packs K of them into one record as KPL does,
 * for which --shards must be 1, since consumers check the hash keys of those. Data begins with
 * "<epoch_ms>:<index>:". --limits 1 refuses what Kinesis refuses: more than five reads or 2 MB a second
 * of a shard. At its end (SIGTERM) it prints requests, bytes and its own CPU seconds. */
const http = require('http');
const cbor = require('./cbor.js');
const { aggregate, options, payload } = require('./records.js');

const option = options({ port: 0, shards: 4, records: 100000, size: 100, aggregate: 0, limits: 0 });
const perRecord = option.aggregate || 1;
const count = Math.ceil(option.records / perRecord);
const firstSequence = 49600000000000000000000000000000000000000000000000000000n;
const sequenceStep = 16n;
const answerBytesMax = 10 * 1024 * 1024; /* of data; what Kinesis gives at most */
const limitMax = 10000;
const readsPerSecond = 5;
const bytesPerMs = 2 * 1024 * 1024 / 1000;
const shardCount = BigInt(option.shards);
const hashKeys = 1n << 128n;

const arrival = new Date(1700000000000);

/* A record in JSON, followed by a comma. */
function jsonRecord(index, data) {
    return Buffer.from(
        `{"ApproximateArrivalTimestamp":${arrival.getTime() / 1000},"Data":"${data.toString('base64')}",` +
        `"PartitionKey":"k${index}","SequenceNumber":"${sequenceOf(index)}"},`);
}

function cborRecord(index, data) {
    return cbor.encode({
        ApproximateArrivalTimestamp: arrival,
        Data: data,
        PartitionKey: 'k' + index,
        SequenceNumber: sequenceOf(index),
    });
}

/* All records in one buffer; starts[i] is where record i begins. */
function render(record) {
    const starts = new Float64Array(count + 1);
    const pieces = [];
    let at = 0;
    for (let i = 0; i < count; i++) {
        const user = [];
        for (let j = i * perRecord; j < Math.min(option.records, (i + 1) * perRecord); j++) {
            user.push({ key: 'k' + j, data: payload(arrival.getTime(), j, option.size) });
        }
        const data = option.aggregate ? aggregate(user) : user[0].data;
        const piece = record(i, data);
        starts[i] = at;
        at += piece.length;
        pieces.push(piece);
    }
    starts[count] = at;
    return { all: Buffer.concat(pieces), starts };
}

function sequenceOf(index) {
    return String(firstSequence + BigInt(index) * sequenceStep);
}

/* The first record at (or after) a sequence number. */
function indexOf(sequence, after) {
    const distance = BigInt(sequence) - firstSequence;
    const index = Number((distance + sequenceStep - 1n) / sequenceStep);
    const isOne = distance >= 0n && distance % sequenceStep === 0n;
    return Math.max(0, after && isOne ? index + 1 : index);
}

/* How requests are read and answers written; of GetRecords what stands before its records, these, and
 * what stands behind them. */
const encodings = {
    json: {
        type: 'application/x-amz-json-1.1',
        encode: (value) => Buffer.from(JSON.stringify(value, withSeconds)),
        decode: (bytes) => JSON.parse(bytes.length ? bytes.toString() : '{}'),
        record: jsonRecord,
        begin: (next, behindMs) => Buffer.from(
            `{"NextShardIterator":"${next}","MillisBehindLatest":${behindMs},"Records":[`),
        records: ({ all, starts }, from, to) =>
            all.subarray(starts[from], Math.max(starts[from], starts[to] - 1)),
        end: Buffer.from(']}'),
    },
    cbor: {
        type: 'application/x-amz-cbor-1.1',
        encode: cbor.encode,
        decode: (bytes) => (bytes.length ? cbor.decode(bytes) : {}),
        record: cborRecord,
        begin: (next, behindMs, records) => {
            const rest = { NextShardIterator: next, MillisBehindLatest: behindMs, Records: [] };
            const bytes = cbor.encode(rest);
            return Buffer.concat([bytes.subarray(0, -1), cbor.head(4, records)]);
        },
        records: ({ all, starts }, from, to) => all.subarray(starts[from], starts[to]),
        end: Buffer.alloc(0),
    },
};

/* JSON has times in seconds; `value` of a Date is text already. */
function withSeconds(name, value) {
    return this[name] instanceof Date ? this[name].getTime() / 1000 : value;
}

function rendered(encoding) {
    encoding.pages = encoding.pages || render(encoding.record);
    return encoding.pages;
}

const perAnswerMax = Math.max(1, Math.floor(answerBytesMax / (option.size * perRecord)));
const used = { requests: 0, get_records: 0, throttled: 0, bytes: 0 };

function shards() {
    return Array.from({ length: option.shards }, (_, i) => ({
        ShardId: 'shardId-' + String(i).padStart(12, '0'),
        HashKeyRange: {
            StartingHashKey: String(hashKeys * BigInt(i) / shardCount),
            EndingHashKey: String(hashKeys * BigInt(i + 1) / shardCount - 1n),
        },
        SequenceNumberRange: { StartingSequenceNumber: String(firstSequence - sequenceStep) },
    }));
}

function summary(name) {
    return {
        StreamName: name,
        StreamARN: 'arn:aws:kinesis:us-east-1:000000000000:stream/' + name,
        StreamStatus: 'ACTIVE',
        StreamModeDetails: { StreamMode: 'PROVISIONED' },
        RetentionPeriodHours: 24,
        StreamCreationTimestamp: arrival,
        EnhancedMonitoring: [{ ShardLevelMetrics: [] }],
        EncryptionType: 'NONE',
        OpenShardCount: option.shards,
        ConsumerCount: 0,
    };
}

function startOf(input) {
    switch (input.ShardIteratorType) {
    case 'LATEST': return count;
    case 'AT_SEQUENCE_NUMBER': return indexOf(input.StartingSequenceNumber, false);
    case 'AFTER_SEQUENCE_NUMBER': return indexOf(input.StartingSequenceNumber, true);
    default: return 0;
    }
}

const operations = {
    ListShards: () => ({ Shards: shards() }),
    DescribeStreamSummary: (input) => ({ StreamDescriptionSummary: summary(nameOf(input)) }),
    DescribeStream: (input) => ({
        StreamDescription: { ...summary(nameOf(input)), Shards: shards(), HasMoreShards: false },
    }),
    GetShardIterator: (input) => ({ ShardIterator: input.ShardId + '|' + startOf(input) }),
};

function nameOf(input) {
    return input.StreamName || input.StreamARN.split('/')[1];
}

/* By shard: when the next read may come, and when the last ones came. */
const paces = new Map();

function throttle(shard, bytes) {
    const now = performance.now();
    const pace = paces.get(shard) || { free: 0, reads: [] };
    paces.set(shard, pace);
    pace.reads = pace.reads.filter((at) => now - at < 1000);
    if (now < pace.free || pace.reads.length === readsPerSecond) {
        used.throttled++;
        const error = new Error(`Rate exceeded for shard ${shard}`);
        error.type = 'ProvisionedThroughputExceededException';
        throw error;
    }
    pace.reads.push(now);
    pace.free = now + bytes / bytesPerMs;
}

function getRecords(input, encoding, response) {
    const [shard, text] = input.ShardIterator.split('|');
    const from = Math.min(count, Number(text));
    const to = Math.min(count, from + Math.min(input.Limit || limitMax, limitMax, perAnswerMax));
    if (option.limits) {
        throttle(shard, (to - from) * option.size * perRecord);
    }
    const head = encoding.begin(shard + '|' + to, to < count ? 60000 : 0, to - from);
    const body = encoding.records(rendered(encoding), from, to);
    used.get_records++;
    used.bytes += body.length;
    response.setHeader('Content-Length', head.length + body.length + encoding.end.length);
    response.write(head);
    response.write(body);
    response.end(encoding.end);
}

function answer(request, response, bytes) {
    const isCbor = request.headers['content-type'] === encodings.cbor.type;
    const encoding = isCbor ? encodings.cbor : encodings.json;
    const name = String(request.headers['x-amz-target']).split('.')[1];
    used.requests++;
    response.setHeader('Content-Type', encoding.type);
    try {
        const input = encoding.decode(bytes);
        if (name === 'GetRecords') {
            getRecords(input, encoding, response);
        } else if (operations[name]) {
            response.end(encoding.encode(operations[name](input)));
        } else {
            throw new Error('not served: ' + name);
        }
    } catch (error) {
        response.statusCode = 400;
        const { message, type } = error;
        response.end(encoding.encode({ __type: type || 'InvalidArgumentException', message }));
    }
}

http.createServer((request, response) => {
    const pieces = [];
    response.on('error', () => {});
    request.on('error', () => {});
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => answer(request, response, Buffer.concat(pieces)));
}).listen(option.port, '127.0.0.1');

process.on('SIGTERM', () => {
    const { user, system } = process.cpuUsage();
    console.log(JSON.stringify({ ...used, cpu_s: (user + system) / 1e6 }));
    process.exit(0);
});
