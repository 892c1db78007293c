'use strict';
/* Records as our producers make them, KPL's aggregation, and options of a command line. */
const crypto = require('crypto');

const magic = Buffer.from([0xf3, 0x89, 0x9a, 0xc2]);

/* options({ name: default }): --name value of the command line; the default gives the type. */
function options(defaults) {
    const found = { ...defaults };
    for (let i = 2; i < process.argv.length; i += 2) {
        const name = process.argv[i].replace(/^--/, '');
        if (!(name in defaults) || i + 1 >= process.argv.length) {
            console.error('unknown option or no value: ' + process.argv[i]);
            process.exit(2);
        }
        const value = process.argv[i + 1];
        found[name] = typeof defaults[name] === 'number' ? Number(value) : value;
    }
    return found;
}

/* "<epoch_ms>:<index>:" and then x up to `size` bytes. */
function payload(epochMs, index, size) {
    const head = Buffer.from(epochMs + ':' + index + ':');
    return Buffer.concat([head, Buffer.alloc(Math.max(0, size - head.length), 'x')]);
}

/* The 128-bit hash key of a partition key. */
function hashKey(partitionKey) {
    return BigInt('0x' + crypto.createHash('md5').update(partitionKey).digest('hex'));
}

function varint(value) {
    const bytes = [];
    for (; value > 127; value = Math.floor(value / 128)) {
        bytes.push((value & 127) | 128);
    }
    return Buffer.from([...bytes, value]);
}

function field(number, bytes) {
    return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

/* One aggregated record of user records { key, data }. */
function aggregate(records) {
    const keys = [...new Set(records.map((record) => record.key))];
    const parts = keys.map((key) => field(1, Buffer.from(key)));
    for (const { key, data } of records) {
        const index = Buffer.concat([Buffer.from([8]), varint(keys.indexOf(key))]);
        parts.push(field(3, Buffer.concat([index, field(3, data)])));
    }
    const message = Buffer.concat(parts);
    const digest = crypto.createHash('md5').update(message).digest();
    return Buffer.concat([magic, message, digest]);
}

module.exports = { aggregate, hashKey, options, payload };
