'use strict';
/* Preloaded into the emulators that run on Node. */
const net = require('net');

/* They would listen on every address: here on 127.0.0.1 only. */
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenAtHome(...given) {
    if (typeof given[0] === 'object' && given[0] !== null) {
        given[0] = { ...given[0], host: '127.0.0.1' };
    } else if (typeof given[1] === 'string') {
        given[1] = '127.0.0.1';
    } else {
        given.splice(1, 0, '127.0.0.1');
    }
    return listen.apply(this, given);
};

/* kinesalite throws the error of a request whose client was killed, which would end it. */
process.on('uncaughtException', (error) => {
    if (error && (error.code === 'ECONNRESET' || error.message === 'aborted')) {
        return;
    }
    console.error(error);
    process.exit(1);
});
