/** Whether a stream can be read at all, asked before a worker begins. */
#ifndef WI_CLI_STREAM_PROBE_H
#define WI_CLI_STREAM_PROBE_H

#include <weir/env.h>
#include <weir/error.h>

/**
 * Ask Kinesis for everything that a worker asks for: the stream, its shards, an iterator, records.
 * Other streams are WEIR_OK. Only what does not mend itself is an error; the log may say why.
 */
WEIR_MUST_CHECK enum weir_error cli_stream_probe(
    const struct weir_env *env, const char *data, const char *name, struct weir_detail *detail);

#endif
