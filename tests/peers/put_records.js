'use strict';
/* Put paced records into a stream and note what was acknowledged.
 *
 *   put_records.js --kinesis URL --stream S [--shards H] [--records N] [--rate R] [--size B]
 *                  [--aggregate K] [--ledger FILE] [--first I] [--stop-after-ms T]
 *
 * --shards creates the stream. Record i has the key k<i mod 997> and the data "<epoch_ms>:<i>:xxx".
 * --rate is in records per second, 0: as fast as it goes. --aggregate packs K records, whose keys are
 * then those of one shard as the stream's list shows it at the start, as KPL does. The ledger gets a
 * line `index put_ms shard sequence` per acknowledged record, when it is acknowledged. */
const fs = require('fs');
const { Kinesis, sleep } = require('./kinesis.js');
const { aggregate, hashKey, options, payload } = require('./records.js');

const option = options({
    kinesis: '', stream: '', shards: 0, records: 1000, rate: 0, size: 100, aggregate: 0, ledger: '',
    first: 0, 'stop-after-ms': 0,
});
const keys = 997;
const batchMax = 500;
const batchesPerSecond = 10;
const kinesis = new Kinesis(option.kinesis);
const ledger = option.ledger ? fs.openSync(option.ledger, 'a') : -1;
const totals = { records: 0, kinesis_records: 0, refused: 0 };

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

/* Groups of at most --aggregate records, each for one shard of `ranges`. */
function aggregates(records, ranges) {
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

function note(group, result) {
    if (result.ErrorCode) {
        totals.refused += group.length;
        return group;
    }
    totals.records += group.length;
    totals.kinesis_records++;
    if (ledger >= 0) {
        fs.writeSync(ledger, group.map((r) =>
            `${r.index} ${r.put} ${result.ShardId} ${result.SequenceNumber}\n`).join(''));
    }
    return [];
}

/* Until all are acknowledged: what is refused goes again. */
async function put(records, ranges) {
    let groups = option.aggregate ? aggregates(records, ranges) : records.map((record) => [record]);
    while (groups.length > 0) {
        const answer = await kinesis.call('PutRecords',
            { StreamName: option.stream, Records: groups.map(entry) });
        groups = groups.filter((group, i) => note(group, answer.Records[i]).length > 0);
        if (groups.length > 0) {
            await sleep(100);
        }
    }
}

async function main() {
    if (option.shards) {
        await kinesis.createStream(option.stream, option.shards);
    }
    const ranges = option.aggregate ? await kinesis.openRanges(option.stream) : [];
    const start = Date.now();
    const end = option.first + option.records;
    for (let next = option.first; next < end;) {
        const due = option.rate ? start + (next - option.first) / option.rate * 1000 : 0;
        await sleep(due - Date.now());
        if (option['stop-after-ms'] && Date.now() - start >= option['stop-after-ms']) {
            break;
        }
        const count = Math.min(batchSize(), end - next);
        await put(makeRecords(next, count), ranges);
        next += count;
    }
    console.log(JSON.stringify({ ...totals, seconds: (Date.now() - start) / 1000 }));
    kinesis.close();
}

main().catch((error) => {
    console.error('put_records.js: ' + error.message);
    process.exit(1);
});
