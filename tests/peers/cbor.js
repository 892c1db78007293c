'use strict';
/* CBOR (RFC 8949) as AWS CBOR 1.1 uses it: encode(value) and decode(buffer). Buffers are byte strings,
 * a Date is tag 1 with milliseconds, as Kinesis and its SDKs have it. */

const typeUnsigned = 0;
const typeNegative = 1;
const typeBytes = 2;
const typeText = 3;
const typeArray = 4;
const typeMap = 5;
const typeTag = 6;
const tagEpoch = 1;
const indefinite = 31;
const breakByte = 0xff;

/* The first bytes of an item: its type and a length or value. */
function head(type, number) {
    if (number < 24) {
        return Buffer.from([(type << 5) | number]);
    }
    const size = number < 2 ** 8 ? 1 : number < 2 ** 16 ? 2 : number < 2 ** 32 ? 4 : 8;
    const bytes = Buffer.alloc(1 + size);
    bytes[0] = (type << 5) | (24 + Math.log2(size));
    if (size === 8) {
        bytes.writeBigUInt64BE(BigInt(number), 1);
    } else {
        bytes.writeUIntBE(number, 1, size);
    }
    return bytes;
}

function encodeNumber(value) {
    if (Number.isInteger(value)) {
        return value < 0 ? head(typeNegative, -1 - value) : head(typeUnsigned, value);
    }
    const bytes = Buffer.alloc(9);
    bytes[0] = 0xfb;
    bytes.writeDoubleBE(value, 1);
    return bytes;
}

function encode(value) {
    if (value === null || value === undefined) {
        return Buffer.from([0xf6]);
    }
    if (typeof value === 'boolean') {
        return Buffer.from([value ? 0xf5 : 0xf4]);
    }
    if (typeof value === 'number') {
        return encodeNumber(value);
    }
    if (typeof value === 'string') {
        const text = Buffer.from(value);
        return Buffer.concat([head(typeText, text.length), text]);
    }
    if (Buffer.isBuffer(value)) {
        return Buffer.concat([head(typeBytes, value.length), value]);
    }
    if (value instanceof Date) {
        return Buffer.concat([head(typeTag, tagEpoch), encodeNumber(value.getTime())]);
    }
    if (Array.isArray(value)) {
        return Buffer.concat([head(typeArray, value.length), ...value.map(encode)]);
    }
    const pairs = Object.entries(value);
    const encoded = pairs.flatMap(([name, member]) => [encode(name), encode(member)]);
    return Buffer.concat([head(typeMap, pairs.length), ...encoded]);
}

/* Requests of well-behaved clients, so broken ones may end in any exception. */
class Decoder {
    constructor(bytes) {
        this.bytes = bytes;
        this.at = 0;
    }

    number(info) {
        if (info < 24) {
            return info;
        }
        const size = 2 ** (info - 24);
        const at = this.at;
        this.at += size;
        return size === 8 ? Number(this.bytes.readBigUInt64BE(at)) : this.bytes.readUIntBE(at, size);
    }

    isBreak() {
        if (this.bytes[this.at] !== breakByte) {
            return false;
        }
        this.at++;
        return true;
    }

    /* What take() gives, `info` times or up to the break. */
    items(info, take) {
        const taken = [];
        if (info === indefinite) {
            while (!this.isBreak()) {
                taken.push(take());
            }
            return taken;
        }
        const count = this.number(info);
        for (let i = 0; i < count; i++) {
            taken.push(take());
        }
        return taken;
    }

    string(info, isText) {
        if (info === indefinite) {
            const pieces = this.items(info, () => this.value());
            return isText ? pieces.join('') : Buffer.concat(pieces);
        }
        const length = this.number(info);
        this.at += length;
        const piece = this.bytes.subarray(this.at - length, this.at);
        return isText ? piece.toString() : piece;
    }

    simple(info) {
        this.at += info === 27 ? 8 : info === 26 ? 4 : 0;
        switch (info) {
        case 20: return false;
        case 21: return true;
        case 26: return this.bytes.readFloatBE(this.at - 4);
        case 27: return this.bytes.readDoubleBE(this.at - 8);
        default: return null;
        }
    }

    value() {
        const type = this.bytes[this.at] >> 5;
        const info = this.bytes[this.at] & 31;
        if (this.at++ >= this.bytes.length) {
            throw new Error('cut');
        }
        switch (type) {
        case typeUnsigned: return this.number(info);
        case typeNegative: return -1 - this.number(info);
        case typeBytes: return this.string(info, false);
        case typeText: return this.string(info, true);
        case typeArray: return this.items(info, () => this.value());
        case typeMap: return Object.fromEntries(
            this.items(info, () => [this.value(), this.value()]));
        case typeTag: return this.number(info) === tagEpoch ? new Date(this.value()) : this.value();
        default: return this.simple(info);
        }
    }
}

function decode(bytes) {
    return new Decoder(bytes).value();
}

module.exports = { decode, encode, head };
