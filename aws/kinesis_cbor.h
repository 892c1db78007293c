/*
 * The answer of GetRecords in CBOR 1.1: data as bytes, without base64, and times in milliseconds.
 * Read in one pass into the same page as the one in JSON (docs/adr/0010-cbor-by-libcbor.md). Pure.
 */
#ifndef WI_AWS_KINESIS_CBOR_H
#define WI_AWS_KINESIS_CBOR_H

#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_page.h"

/* Shortest record: a map of the three members that it must have, all of them empty. */
#define WI_KINESIS_CBOR_RECORD_LEAST 38U

/* Read the whole answer as wi_kinesis_page_read() does; a string in pieces is moved together in
 * `bytes`. WEIR_ECORRUPT for all that function refuses, for a member of a wrong type or tag and for
 * one that comes twice; page->wrong says what it is, and page->wrong_at where. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_cbor_read(
    struct wi_kinesis_page *page, char *bytes, size_t length);

#endif
