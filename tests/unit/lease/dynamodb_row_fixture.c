#include "tests/unit/lease/dynamodb_row_fixture.h"

#include <cjson/cJSON.h>

#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease_row_dynamodb.h"
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
