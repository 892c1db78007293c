#include "tests/unit/lease/dynamodb_row_fixture.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

enum weir_error
dynamodb_row_read(const char *text, struct wi_dynamodb_lease *ret)
{
    const struct weir_position horizon = {.type = WEIR_TRIM_HORIZON};
    cJSON *item = cJSON_Parse(text);
    enum weir_error error = WEIR_OK;

    assert_non_null(item);
    error = wi_dynamodb_lease_read(item, &horizon, ret);
    cJSON_Delete(item);
    return error;
}

struct wi_dynamodb_lease
dynamodb_row_given(const char *text)
{
    struct wi_dynamodb_lease row;

    assert_int_equal(dynamodb_row_read(text, &row), WEIR_OK);
    return row;
}

struct wi_dynamodb_lease
dynamodb_row_created(const struct wi_lease *lease, char ret_text[DYNAMODB_ROW_SIZE])
{
    struct wi_dynamodb_write write;
    struct test_env test;
    int length;

    test_env_init(&test);
    wi_dynamodb_write_init(&write, &test.env, true);
    wi_dynamodb_lease_create(&write, lease);
    assert_int_equal(wi_dynamodb_write_error(&write), WEIR_OK);
    length = snprintf(ret_text, DYNAMODB_ROW_SIZE, "{%s}", wi_buffer_text(&write.set));
    assert_in_range(length, 1, DYNAMODB_ROW_SIZE - 1);
    wi_dynamodb_write_free(&write);
    test_env_assert_no_leak(&test);
    return dynamodb_row_given(ret_text);
}
