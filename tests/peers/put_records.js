'use strict';
/* Put paced records into a stream and note what was acknowledged.
 *
 *   put_records.js --kinesis URL --stream S [--shards H] [--records N] [--rate R] [--size B]
 *                  [--aggregate K [--map H]] [--ledger FILE] [--first I] [--stop-after-ms T]
 *
 * --shards creates the stream. Record i has the key k<i mod 997> and the data "<epoch_ms>:<i>:xxx".
 * --rate is in records per second, 0: as fast as it goes. The ledger gets a line `index put_ms shard
 * sequence` per acknowledged record, when it is acknowledged.
 *
 * --aggregate packs K records as KPL does: of one shard, as far as its map of the shards shows. If the
 * aggregate lands in another shard, since the stream was split meanwhile, the records that belong there
 * count as acknowledged, the others are put again by a new map. --map begins with a map of H even shards. */
const fs = require('fs');
const { Kinesis, sleep } = require('./kinesis.js');
const { aggregate, hashKey, options, payload } = require('./records.js');

const option = options({
    kinesis: '', stream: '', shards: 0, records: 1000, rate: 0, size: 100, aggregate: 0, ledger: '',
    first: 0, 'stop-after-ms': 0, map: 0,
});
const keys = 997;
const batchMax = 500;
const batchesPerSecond = 10;
const kinesis = new Kinesis(option.kinesis);
const ledger = option.ledger ? fs.openSync(option.ledger, 'a') : -1;
const totals = { records: 0, kinesis_records: 0, refused: 0, misplaced: 0 };
const retryMs = 100;
let ranges = []; /* our map of the shards */

/* As many user records as one request may carry at this rate. */
function batchSize() {
    const paced = option.rate ? Math.ceil(option.rate / batchesPerSecond) : batchMax;
    return Math.min(paced, batchMax) * (option.aggregate || 1);
}

function makeRecords(first, count) {
    return Array.from({ length: count }, (_, i) => {
        const index = first + i;
        return { index, key: 'k' + (index % keys), put: Date.now(),
            data: payload(Date.now(), index, option.size) };
    });
}

/* Groups of at most --aggregate records, each for one shard of the map. */
function aggregates(records) {
    const open = new Map();
    const groups = [];
    for (const record of records) {
        const hash = hashKey(record.key);
        const range = ranges.findIndex((r) => hash >= r.first && hash <= r.last);
        let group = open.get(range);
        if (!group || group.length >= option.aggregate) {
            group = [];
            open.set(range, group);
            groups.push(group);
        }
        group.push(record);
    }
    return groups;
}

function entry(group) {
    const data = option.aggregate ? aggregate(group) : group[0].data;
    return {
        PartitionKey: option.aggregate ? 'a' : group[0].key,
        ExplicitHashKey: option.aggregate ? String(hashKey(group[0].key)) : undefined,
        Data: data.toString('base64'),
    };
}

/* What is left of a group to be put again. */
function note(group, result) {
    const range = option.aggregate && ranges.find((r) => r.shard === result.ShardId);
    const taken = (record) => !result.ErrorCode &&
        (!range || (hashKey(record.key) >= range.first && hashKey(record.key) <= range.last));
    const acknowledged = group.filter(taken);
    totals.records += acknowledged.length;
    totals.kinesis_records += result.ErrorCode ? 0 : 1;
    totals.refused += result.ErrorCode ? 1 : 0;
    totals.misplaced += result.ErrorCode ? 0 : group.length - acknowledged.length;
    if (ledger >= 0) {
        fs.writeSync(ledger, acknowledged.map((r) =>
            `${r.index} ${r.put} ${result.ShardId} ${result.SequenceNumber}\n`).join(''));
    }
    return group.filter((record) => !taken(record));
}

/* Until all are acknowledged. */
async function put(records) {
    for (let left = records; left.length > 0;) {
        const groups = option.aggregate ? aggregates(left) : left.map((record) => [record]);
        const answer = await kinesis.call('PutRecords',
            { StreamName: option.stream, Records: groups.map(entry) });
        if (answer.Records.some((r) => r.ShardId && !ranges.some((k) => k.shard === r.ShardId))) {
            ranges = await kinesis.openRanges(option.stream);
        }
        left = groups.flatMap((group, i) => note(group, answer.Records[i]));
        if (answer.FailedRecordCount) {
            await sleep(retryMs);
        }
    }
}

function evenRanges(count) {
    const size = (1n << 128n) / BigInt(count);
    return Array.from({ length: count }, (_, i) => ({
        shard: 'guessed', first: size * BigInt(i), last: size * BigInt(i + 1) - 1n }));
}

async function main() {
    if (option.shards) {
        await kinesis.createStream(option.stream, option.shards);
    }
    if (option.aggregate) {
        ranges = option.map ? evenRanges(option.map) : await kinesis.openRanges(option.stream);
    }
    const start = Date.now();
    const end = option.first + option.records;
    for (let next = option.first; next < end;) {
        const due = option.rate ? start + (next - option.first) / option.rate * 1000 : 0;
        await sleep(due - Date.now());
        if (option['stop-after-ms'] && Date.now() - start >= option['stop-after-ms']) {
            break;
        }
        const count = Math.min(batchSize(), end - next);
        await put(makeRecords(next, count));
        next += count;
    }
    console.log(JSON.stringify({ ...totals, seconds: (Date.now() - start) / 1000 }));
    kinesis.close();
}

main().catch((error) => {
    console.error('put_records.js: ' + error.message);
    process.exit(1);
});
