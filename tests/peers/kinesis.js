'use strict';
/* The few calls of Kinesis that our tools need, to servers that do not check signatures. */
const http = require('http');

const triesMax = 6;
const pollMs = 50;
const authorization = 'AWS4-HMAC-SHA256 ' +
    'Credential=AKIDFAKE/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=00';

function sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

class Kinesis {
    constructor(url) {
        this.url = new URL(url);
        this.agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
    }

    close() {
        this.agent.destroy();
    }

    send(operation, body) {
        const headers = {
            'Content-Type': 'application/x-amz-json-1.1',
            'Content-Length': body.length,
            'X-Amz-Target': 'Kinesis_20131202.' + operation,
            'X-Amz-Date': '20260101T000000Z',
            Authorization: authorization,
        };
        return new Promise((resolve, reject) => {
            const request = http.request(this.url, { method: 'POST', agent: this.agent, headers },
                (response) => {
                    const pieces = [];
                    response.on('data', (piece) => pieces.push(piece));
                    response.on('end', () => {
                        const text = Buffer.concat(pieces).toString();
                        if (response.statusCode === 200) {
                            resolve(text ? JSON.parse(text) : {});
                        } else {
                            reject(new Error(`${operation}: ${response.statusCode} ${text}`));
                        }
                    });
                });
            request.on('error', reject);
            request.end(body);
        });
    }

    /* A connection that the server closed meanwhile is opened again: a record may come twice. */
    async call(operation, input) {
        const body = Buffer.from(JSON.stringify(input));
        for (let i = 1; ; i++) {
            try {
                return await this.send(operation, body);
            } catch (error) {
                if (i >= triesMax || !['ECONNRESET', 'EPIPE'].includes(error.code)) {
                    throw error;
                }
            }
        }
    }

    async createStream(name, shards) {
        await this.call('CreateStream', { StreamName: name, ShardCount: shards });
        await this.untilActive(name);
    }

    async untilActive(name) {
        for (;;) {
            const answer = await this.call('DescribeStreamSummary', { StreamName: name });
            if (answer.StreamDescriptionSummary.StreamStatus === 'ACTIVE') {
                return;
            }
            await sleep(pollMs);
        }
    }

    /* { shard, first, last } of the shards that take records. */
    async openRanges(name) {
        const { Shards: shards } = await this.call('ListShards', { StreamName: name });
        return shards.filter((s) => !s.SequenceNumberRange.EndingSequenceNumber).map((s) => ({
            shard: s.ShardId,
            first: BigInt(s.HashKeyRange.StartingHashKey),
            last: BigInt(s.HashKeyRange.EndingHashKey),
        }));
    }
}

module.exports = { Kinesis, sleep };
