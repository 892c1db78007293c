'use strict';
/* Put paced records into a stream and note what was acknowledged.
 *
 *   put_records.js --kinesis URL --stream S [--shards H] [--records N] [--rate R] [--size B]
 *                  [--aggregate K [--map H]] [--ledger FILE] [--first I] [--stop-after-ms T]
 *
 * --shards creates the stream. Record i has the key k<i mod 997> and the data "<epoch_ms>:<i>:xxx".
 * --rate is in records per second, 0: as fast as it goes. The ledger gets a line `index put_ms
 * shard sequence` per acknowledged record, when it is acknowledged.
 *
 * --aggregate packs K records as KPL does: of one shard, as far as its map of the shards shows. If
 * one lands in a shard that the map does not have, since the stream was split meanwhile, all its
 * records are put again and the map is read anew. Of those that were packed by then and land in
 * another shard than the old map said, records that belong there count as acknowledged, the others
 * are put again. --map begins with a map of H even shards. */
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

function isIn(hash, range) {
    return hash >= range.first && hash <= range.last;
}

/* Groups of at most --aggregate records, each for one shard of the map. */
function aggregates(records) {
    const open = new Map();
    const groups = [];
    for (const record of records) {
        const hash = hashKey(record.key);
        const range = ranges.findIndex((r) => isIn(hash, r));
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

/* Records of the group that are acknowledged by this result. */
function taken(group, result) {
    if (result.ErrorCode || !option.aggregate) {
        return result.ErrorCode ? [] : group;
    }
    const range = ranges.find((r) => r.shard === result.ShardId);
    return range ? group.filter((r) => isIn(hashKey(r.key), range)) : [];
}

/* What is left of a group, to be put again. */
function note(group, result) {
    const acknowledged = taken(group, result);
    totals.records += acknowledged.length;
    if (result.ErrorCode) {
        totals.refused++;
    } else {
        totals.kinesis_records++;
        totals.misplaced += group.length - acknowledged.length;
    }
    if (ledger >= 0) {
        fs.writeSync(ledger, acknowledged.map((r) =>
            `${r.index} ${r.put} ${result.ShardId} ${result.SequenceNumber}\n`).join(''));
    }
    return group.filter((record) => !acknowledged.includes(record));
}

/* One request; gives the records to be put again. */
async function putGroups(groups) {
    if (groups.length === 0) {
        return [];
    }
    const answer = await kinesis.call('PutRecords',
        { StreamName: option.stream, Records: groups.map(entry) });
    const left = groups.flatMap((group, i) => note(group, answer.Records[i]));
    if (option.aggregate && left.length > 0) {
        ranges = await kinesis.openRanges(option.stream);
    }
    if (answer.FailedRecordCount) {
        await sleep(retryMs);
    }
    return left;
}

/* Until all are acknowledged. The answer to the first aggregate comes before the others are
 * sent, but after they were packed. */
async function put(records) {
    for (let left = records; left.length > 0;) {
        const groups = option.aggregate ? aggregates(left) : left.map((record) => [record]);
        const lead = option.aggregate ? 1 : 0;
        left = await putGroups(groups.slice(0, lead));
        left = left.concat(await putGroups(groups.slice(lead)));
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
