'use strict';
/* A proxy in front of a DynamoDB that writes one JSON line per request to --log: time, operation,
 * table, index, key, capacity units, status, error. It asks for the capacity units itself.
 *
 *   ddb_proxy.js --port P --to URL --log FILE [--name WHO] */
const fs = require('fs');
const http = require('http');
const { options } = require('./records.js');

const option = options({ port: 0, to: '', log: '', name: '' });
const agent = new http.Agent({ keepAlive: true });
const log = fs.openSync(option.log, 'a');
const counted = new Set(['GetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Scan', 'Query',
    'BatchGetItem', 'BatchWriteItem', 'TransactWriteItems', 'TransactGetItems']);

function parse(buffer) {
    try {
        return JSON.parse(buffer.toString());
    } catch {
        return {};
    }
}

function units(output) {
    const list = [].concat(output.ConsumedCapacity || []);
    return list.reduce((sum, one) => sum + (one.CapacityUnits || 0), 0);
}

function keyOf(input) {
    const key = Object.values(input.Key || {})[0];
    return (key && key.S) || (input.Item && input.Item.leaseKey && input.Item.leaseKey.S);
}

function note(operation, input, response, output, started) {
    fs.writeSync(log, JSON.stringify({
        t: started, who: option.name || undefined, operation, table: input.TableName,
        index: input.IndexName, key: keyOf(input), units: units(output),
        sets: input.UpdateExpression || Object.keys(input.AttributeUpdates || {}).join(),
        status: response.statusCode, error: output.__type && output.__type.split('#')[1],
        ms: Date.now() - started,
    }) + '\n');
}

function forward(request, response, body) {
    const operation = String(request.headers['x-amz-target']).split('.')[1];
    const input = parse(body);
    if (!operation) { /* somebody asks whether we are there */
        response.end();
        return;
    }
    const started = Date.now();
    if (counted.has(operation)) {
        body = Buffer.from(JSON.stringify({ ...input, ReturnConsumedCapacity: 'TOTAL' }));
    }
    const headers = { ...request.headers, 'content-length': body.length };
    delete headers['transfer-encoding'];
    delete headers['accept-encoding'];
    const onward = http.request(new URL(request.url, option.to),
        { method: request.method, headers, agent }, (answer) => {
            const pieces = [];
            answer.on('data', (piece) => pieces.push(piece));
            answer.on('end', () => {
                const output = Buffer.concat(pieces);
                note(operation, input, answer, parse(output), started);
                const back = { ...answer.headers, 'content-length': output.length };
                delete back['transfer-encoding'];
                response.writeHead(answer.statusCode, back);
                response.end(output);
            });
        });
    onward.on('error', () => response.destroy());
    onward.end(body);
}

http.createServer((request, response) => {
    const pieces = [];
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => forward(request, response, Buffer.concat(pieces)));
}).listen(option.port, '127.0.0.1');
