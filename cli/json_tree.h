/** Objects for --json, by cJSON: a description, one line. */
#ifndef WI_CLI_JSON_TREE_H
#define WI_CLI_JSON_TREE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/** Add a number, as a string if a double cannot hold it exactly. False: memory ran out. */
bool cli_json_add_integer(cJSON *object, const char *name, int64_t value);

/** Append a string to an array. False: memory ran out. */
bool cli_json_append_string(cJSON *array, const char *text);

/** Append a new object to an array; NULL: memory ran out. */
cJSON *cli_json_append_object(cJSON *array);

/** Print the tree as one line and delete it; a line about memory if it is not `whole`. Exit status.
 */
int cli_json_print(cJSON *root, bool whole);

/** Print {"<key>":"<name>"}, and "<done>":true unless `done` is NULL. Exit status. */
int cli_json_print_names(const char *key, const char *name, const char *done);

#endif
