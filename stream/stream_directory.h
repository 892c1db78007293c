/* The folder of embedded streams, DATA/streams: one folder per stream (docs/embedded-stream.md 1).
 */
#ifndef WI_STREAM_STREAM_DIRECTORY_H
#define WI_STREAM_STREAM_DIRECTORY_H

#include <weir/env.h>
#include <weir/stream.h>

/* Longest path of a data directory. */
#define WI_PATH_SIZE 4096

/* DATA/streams/NAME; WEIR_EINVAL if it is too long. */
enum weir_error wi_stream_path(
    const char *data_directory,
    const char *name,
    char ret[WI_PATH_SIZE],
    struct weir_detail *detail);

enum weir_error wi_stream_directory_create(
    const struct weir_env *env,
    const char *data_directory,
    const char *name,
    const struct weir_stream_create_options *options,
    struct weir_detail *detail);

enum weir_error wi_stream_directory_delete(
    const struct weir_env *env,
    const char *data_directory,
    const char *name,
    struct weir_detail *detail);

enum weir_error wi_stream_directory_list(
    const struct weir_env *env,
    const char *data_directory,
    weir_stream_list_fn each,
    void *context,
    struct weir_detail *detail);

#endif
