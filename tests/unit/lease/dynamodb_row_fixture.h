/* Rows of a DynamoDB lease table as text, in DynamoDB's JSON. */
#ifndef WI_TESTS_UNIT_LEASE_DYNAMODB_ROW_FIXTURE_H
#define WI_TESTS_UNIT_LEASE_DYNAMODB_ROW_FIXTURE_H

#include <weir/error.h>

#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"

/* The members that every row of a lease has. */
#define DYNAMODB_ROW                                                                               \
    "\"leaseKey\":{\"S\":\"shard-a\"},\"leaseCounter\":{\"N\":\"7\"},"                             \
    "\"checkpoint\":{\"S\":\"100\"},\"checkpointSubSequenceNumber\":{\"N\":\"3\"}"

/* Read a row; the initial position is TRIM_HORIZON. */
enum weir_error dynamodb_row_read(const char *text, struct wi_dynamodb_lease *ret);
/* The same of a row that can be read. */
struct wi_dynamodb_lease dynamodb_row_given(const char *text);

/* Room for the text of a row that is created. */
#define DYNAMODB_ROW_SIZE 4096

/* What is written when this lease is created, and the row as which it is read back. */
struct wi_dynamodb_lease dynamodb_row_created(
    const struct wi_lease *lease, char ret_text[DYNAMODB_ROW_SIZE]);

#endif
