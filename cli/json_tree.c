#include "cli/json_tree.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/error.h>

#include "cli/cli.h"

/* Integers up to here are exact in a double. */
#define EXACT_MAX (INT64_C(1) << 53)

bool
cli_json_add_integer(cJSON *object, const char *name, int64_t value)
{
    char text[CLI_VALUE_SIZE];

    if (value >= -EXACT_MAX && value <= EXACT_MAX) {
        return cJSON_AddNumberToObject(object, name, (double)value) != NULL;
    }
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    return cJSON_AddStringToObject(object, name, text) != NULL;
}

bool
cli_json_append_string(cJSON *array, const char *text)
{
    cJSON *item = cJSON_CreateString(text);

    if (item == NULL || !cJSON_AddItemToArray(array, item)) {
        cJSON_Delete(item);
        return false;
    }
    return true;
}

cJSON *
cli_json_append_object(cJSON *array)
{
    cJSON *item = cJSON_CreateObject();

    if (item == NULL || !cJSON_AddItemToArray(array, item)) {
        cJSON_Delete(item);
        return NULL;
    }
    return item;
}

int
cli_json_print(cJSON *root, bool whole)
{
    char *text = whole ? cJSON_PrintUnformatted(root) : NULL;

    cJSON_Delete(root);
    if (text == NULL) {
        return cli_fail_error(WEIR_ENOMEM, NULL, "--json");
    }
    printf("%s\n", text);
    cJSON_free(text);
    return CLI_OK;
}

int
cli_json_print_names(const char *key, const char *name, const char *done)
{
    cJSON *root = cJSON_CreateObject();
    const bool whole = cJSON_AddStringToObject(root, key, name) != NULL &&
                       (done == NULL || cJSON_AddTrueToObject(root, done) != NULL);

    return cli_json_print(root, whole);
}
