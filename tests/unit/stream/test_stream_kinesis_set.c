/* Several Kinesis streams as one, against a service with a script: names, shards, former ones. */
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/str.h"
#include "stream/stream_kinesis_members.h"
#include "stream/stream_kinesis_set.h"
#include "stream/stream_source.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/stream/kinesis_service.h"

#define STEPS(array) (array), WI_ARRAY_LENGTH(array)

#define OPTIONS  "?region=r&endpoint=http://127.0.0.1:1&reads_per_second=1000"
#define TWO      "kinesis:orders,payments" OPTIONS
#define ORDERS   "111122223333:orders:1700000000"
#define PAYMENTS "111122223333:payments:1700000500"
#define SHARD    "shardId-000000000000"
#define NEXT     "shardId-000000000001"
#define FULL     "\"0\",\"EndingHashKey\":\"340282366920938463463374607431768211455\""

/* What a service says of a stream of this account, created at this time. */
#define STREAM(account, name, created)                                                             \
    "{\"StreamDescriptionSummary\":{\"StreamARN\":\"arn:aws:kinesis:r:" account ":stream/" name    \
    "\",\"StreamStatus\":\"ACTIVE\",\"RetentionPeriodHours\":24,"                                  \
    "\"StreamCreationTimestamp\":" created ",\"OpenShardCount\":1}}"
#define SHARDS(id, parent)                                                                         \
    "{\"Shards\":[{\"ShardId\":\"" id "\"," parent "\"HashKeyRange\":{\"StartingHashKey\":" FULL   \
    "},\"SequenceNumberRange\":{"                                                                  \
    "\"StartingSequenceNumber\":\"1\"}}]}"
#define CHILD_PAGE                                                                                 \
    "{\"MillisBehindLatest\":0,\"Records\":[],\"ChildShards\":[{\"ShardId\":\"" NEXT               \
    "\",\"ParentShards\":[\"" SHARD "\"],\"HashKeyRange\":{\"StartingHashKey\":" FULL "}}]}"

#define OPENING                                                                                    \
    {"DescribeStreamSummary",                                                                      \
     "\"StreamName\":\"orders\"",                                                                  \
     200,                                                                                          \
     STREAM("111122223333", "orders", "1700000000.987")},                                          \
    {                                                                                              \
        "DescribeStreamSummary", "\"StreamName\":\"payments\"", 200,                               \
            STREAM("111122223333", "payments", "1.7000005E9")                                      \
    }

static enum weir_error
get_of(struct kinesis_service *service, const char *shard_id)
{
    test_env_advance_ms(&service->test, 20000);
    return weir_stream_get(
        &service->stream,
        &(struct weir_get_request){.shard_id = wi_str(shard_id),
                                   .from = horizon(),
                                   .records_max = 10,
                                   .bytes_max = 1000000},
        service->batch,
        &service->result);
}

static void
names_shards_as_java_names_their_leases(void **state)
{
    static const struct service_step steps[] = {
        OPENING,
        {"ListShards", "\"orders\"", 200, SHARDS(SHARD, "\"ParentShardId\":\"shardId-9\",")},
        {"ListShards", "\"payments\"", 200, SHARDS(SHARD, "")},
    };
    struct weir_stream_description description;
    struct kinesis_service service;

    (void)state;
    assert_int_equal(given_streams(&service, TWO, STEPS(steps), NULL), WEIR_OK);
    assert_string_equal(service.stream.name, "orders,payments");
    assert_string_equal(service.stream.url, "kinesis:*?region=r");
    assert_int_equal(weir_stream_describe(&service.stream, &description, NULL), WEIR_OK);
    assert_int_equal(description.shard_count, 2);
    assert_int_equal(description.retention_ms, 86400000);
    assert_string_equal(description.shards[0].shard_id, ORDERS ":" SHARD);
    assert_string_equal(description.shards[0].parent_shard_ids[0], ORDERS ":shardId-9");
    assert_string_equal(description.shards[0].parent_shard_ids[1], "");
    assert_string_equal(description.shards[1].shard_id, PAYMENTS ":" SHARD);
    weir_stream_description_free(&service.stream, &description);
    end_service(&service);
}

static void
reads_a_shard_of_the_stream_that_its_name_says(void **state)
{
    static const struct service_step steps[] = {
        OPENING,
        {"GetShardIterator", "\"StreamName\":\"payments\"", 200, ITERATOR("i1")},
        {"GetRecords", "i1", 200, PAGE("i2", "0", RECORD("10", "QQ=="))},
        {"GetShardIterator", "\"StreamName\":\"orders\"", 200, ITERATOR("j1")},
        {"GetRecords", "j1", 200, CHILD_PAGE},
    };
    struct kinesis_service service;

    (void)state;
    assert_int_equal(given_streams(&service, TWO, STEPS(steps), NULL), WEIR_OK);
    assert_int_equal(get_of(&service, PAYMENTS ":" SHARD), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_int_equal(get_of(&service, ORDERS ":" SHARD), WEIR_OK);
    assert_true(service.result.at_shard_end);
    assert_string_equal(service.result.child_shard_ids[0], ORDERS ":shardId-000000000001");
    assert_string_equal(service.result.child_shard_ids[1], "");
    end_service(&service);
}

static void
knows_no_shard_without_a_stream(void **state)
{
    static const char *const ids[] = {
        SHARD, "", ":", "a:b:c:" SHARD, "111122223333:orders:0:" SHARD, ORDERS ":", ORDERS};
    static const struct service_step steps[] = {OPENING};
    struct weir_stream_description description;
    struct kinesis_service service;

    (void)state;
    assert_int_equal(given_streams(&service, TWO, STEPS(steps), NULL), WEIR_OK);
    for (size_t i = 0; i < WI_ARRAY_LENGTH(ids); i++) {
        print_message("%s\n", ids[i]);
        assert_int_equal(get_of(&service, ids[i]), WEIR_ENOTFOUND);
    }
    /* "Not listed" would end the shard: nobody may conclude that. */
    assert_int_equal(
        wi_stream_describe_of(&service.stream, WI_STR(SHARD), &description, NULL), WEIR_EINVAL);
    end_service(&service);
}

/* The sync of the others goes on; whoever looks for a shard of the unlisted one gets an error. */
static void
lists_the_others_when_one_cannot_be_listed(void **state)
{
    static const struct service_step steps[] = {
        OPENING,
        {"ListShards", "\"orders\"", 400, FAILURE("ResourceNotFoundException")},
        {"ListShards", "\"payments\"", 200, SHARDS(SHARD, "")},
        {"ListShards", "\"orders\"", 400, FAILURE("ResourceNotFoundException")},
        {"ListShards", "\"orders\"", 400, FAILURE("AccessDeniedException")},
        {"ListShards", "\"payments\"", 400, FAILURE("ResourceNotFoundException")},
    };
    struct weir_stream_description description = {0};
    struct kinesis_service service;

    (void)state;
    assert_int_equal(given_streams(&service, TWO, STEPS(steps), NULL), WEIR_OK);
    assert_int_equal(weir_stream_describe(&service.stream, &description, NULL), WEIR_OK);
    assert_int_equal(description.shard_count, 1);
    assert_string_equal(description.shards[0].shard_id, PAYMENTS ":" SHARD);
    weir_stream_description_free(&service.stream, &description);
    assert_int_equal(
        wi_stream_describe_of(&service.stream, WI_STR(ORDERS ":" SHARD), &description, NULL),
        WEIR_ENOTFOUND);
    assert_int_equal(weir_stream_describe(&service.stream, &description, NULL), WEIR_EACCESS);
    end_service(&service);
}

/* As Java goes on with leases of streams that are in its list no more. */
static void
opens_a_former_stream_when_its_shard_is_read(void **state)
{
    static const struct service_step steps[] = {
        OPENING,
        {"DescribeStreamSummary", "\"refunds\"", 200, STREAM("111122223333", "refunds", "17")},
        {"GetShardIterator", "\"StreamName\":\"refunds\"", 200, ITERATOR("i1")},
        {"GetRecords", "i1", 200, PAGE("i2", "0", RECORD("10", "QQ=="))},
        {"ListShards", "\"refunds\"", 200, SHARDS(SHARD, "")},
        {"ListShards", "\"orders\"", 200, SHARDS(SHARD, "")},
        {"ListShards", "\"payments\"", 200, SHARDS(SHARD, "")},
    };
    struct weir_stream_description description;
    struct kinesis_service service;

    (void)state;
    assert_int_equal(given_streams(&service, TWO, STEPS(steps), NULL), WEIR_OK);
    assert_int_equal(wi_stream_slot_word(&service.stream, WI_STR("111122223333:refunds:17:s")), 0);
    assert_int_equal(get_of(&service, "111122223333:refunds:17:" SHARD), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_int_equal(
        wi_stream_describe_of(
            &service.stream, WI_STR("111122223333:refunds:17:" SHARD), &description, NULL),
        WEIR_OK);
    assert_string_equal(description.shards[0].shard_id, "111122223333:refunds:17:" SHARD);
    weir_stream_description_free(&service.stream, &description);
    /* The sync does not take it up again. */
    assert_int_equal(weir_stream_describe(&service.stream, &description, NULL), WEIR_OK);
    assert_int_equal(description.shard_count, 2);
    weir_stream_description_free(&service.stream, &description);
    end_service(&service);
}

/* A stream that was made anew has shards of the same ids: its records are not those of the leases.
 * And it is not asked for again and again. */
static void
does_not_take_a_new_stream_for_a_former_one(void **state)
{
    static const struct service_step steps[] = {
        OPENING,
        {"DescribeStreamSummary", "\"refunds\"", 200, STREAM("111122223333", "refunds", "18")},
        {"DescribeStreamSummary", "\"refunds\"", 200, STREAM("111122223333", "refunds", "17")},
        {"GetShardIterator", "\"refunds\"", 200, ITERATOR("i1")},
        {"GetRecords", "i1", 200, PAGE("i2", "0", "")},
    };
    struct weir_get_request request = {
        .shard_id = WI_STR("111122223333:refunds:17:" SHARD),
        .from = horizon(),
        .records_max = 1,
        .bytes_max = 1};
    struct kinesis_service service;

    (void)state;
    assert_int_equal(given_streams(&service, TWO, STEPS(steps), NULL), WEIR_OK);
    assert_int_equal(get_of(&service, "111122223333:refunds:17:" SHARD), WEIR_ENOTFOUND);
    assert_int_equal(
        weir_stream_get(&service.stream, &request, service.batch, &service.result), WEIR_ENOTFOUND);
    assert_int_equal(get_of(&service, "111122223333:refunds:17:" SHARD), WEIR_OK);
    end_service(&service);
}

/* The name alone would be a stream of this account. */
static void
asks_for_another_accounts_stream_by_its_arn(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamSummary",
         "\"StreamName\":\"orders\"",
         200,
         STREAM("111122223333", "orders", "1700000000")},
        {"DescribeStreamSummary",
         "\"StreamARN\":\"arn:aws:kinesis:r:444455556666:stream/orders\"",
         200,
         STREAM("444455556666", "orders", "1700000001")},
        {"GetShardIterator", "444455556666", 200, ITERATOR("i1")},
        {"GetRecords", "i1", 200, PAGE("i2", "0", RECORD("10", "QQ=="))},
    };
    struct kinesis_service service;

    (void)state;
    /* The epoch of the list is trusted, whatever the service says: Java code may have chosen it. */
    assert_int_equal(
        given_streams(&service, "kinesis:444455556666:orders:1" OPTIONS, STEPS(steps), NULL),
        WEIR_OK);
    assert_int_equal(get_of(&service, "444455556666:orders:1:" SHARD), WEIR_OK);
    end_service(&service);
}

static void
refuses_a_stream_that_is_twice_in_the_list(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamSummary", NULL, 200, STREAM("111122223333", "orders", "1700000000")},
        {"DescribeStreamSummary", NULL, 200, STREAM("111122223333", "orders", "1700000000")},
    };
    struct kinesis_service service;
    struct weir_detail detail = {""};

    (void)state;
    assert_int_equal(
        given_streams(
            &service, "kinesis:orders,111122223333:orders:7" OPTIONS, STEPS(steps), &detail),
        WEIR_EINVAL);
    assert_non_null(strstr(detail.text, "stream orders: it is twice in the list"));
}

static void
refuses_a_name_that_is_too_long_among_several(void **state)
{
#define NAME_83                                                                                    \
    "n23456789n123456789n123456789n123456789n123456789n123456789n123456789n123456789n123"
    static const struct service_step steps[] = {
        {"DescribeStreamSummary", NULL, 200, STREAM("111122223333", NAME_83 "4", "1700000000")},
    };
    struct kinesis_service service;
    struct weir_detail detail = {""};

    (void)state;
    assert_int_equal(
        given_streams(&service, "kinesis:" NAME_83 "4,b" OPTIONS, STEPS(steps), &detail),
        WEIR_ELIMIT);
    assert_non_null(strstr(detail.text, "at most 83 characters, this one has 84"));
}

static void
refuses_a_stream_that_is_not_there(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamSummary", NULL, 200, STREAM("111122223333", "orders", "1700000000")},
        {"DescribeStreamSummary", NULL, 400, FAILURE("ResourceNotFoundException")},
    };
    struct kinesis_service service;
    struct weir_detail detail = {""};

    (void)state;
    assert_int_equal(given_streams(&service, TWO, STEPS(steps), &detail), WEIR_ENOTFOUND);
    assert_non_null(strstr(detail.text, "stream payments"));
}

/* No time and no account: no key that Java would write. */
static void
refuses_a_service_that_does_not_say_when_a_stream_was_created(void **state)
{
    static const struct service_step no_time[] = {
        {"DescribeStreamSummary", NULL, 200, STREAM("111122223333", "orders", "null")}};
    static const struct service_step no_account[] = {
        {"DescribeStreamSummary", NULL, 200, STREAM("", "orders", "1700000000")}};
    struct kinesis_service service;
    struct weir_detail detail = {""};

    (void)state;
    assert_int_equal(given_streams(&service, TWO, STEPS(no_time), &detail), WEIR_ECORRUPT);
    assert_non_null(strstr(detail.text, "ACCOUNT:NAME:EPOCH"));
    assert_int_equal(given_streams(&service, TWO, STEPS(no_account), &detail), WEIR_ECORRUPT);
}

static void
refuses_an_arn_of_another_region(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamSummary", NULL, 200, STREAM("111122223333", "orders", "1700000000")}};
    struct kinesis_service service;
    struct weir_detail detail = {""};

    (void)state;
    assert_int_equal(
        given_streams(
            &service,
            "kinesis:orders,arn:aws:kinesis:q:111122223333:stream/payments" OPTIONS,
            STEPS(steps),
            &detail),
        WEIR_EINVAL);
    assert_non_null(strstr(detail.text, "region r"));
}

static void
does_to_one_stream_what_is_done_to_one(void **state)
{
    static const struct service_step steps[] = {OPENING};
    const struct weir_put_entry entry = {.partition_key = WI_STR("k")};
    struct weir_put_result result;
    struct weir_sequence_number number;
    struct weir_detail detail = {""};
    struct kinesis_service service;
    uint64_t deleted = 0;
    bool any = false;

    (void)state;
    assert_int_equal(given_streams(&service, TWO, STEPS(steps), NULL), WEIR_OK);
    assert_int_equal(
        weir_stream_put(&service.stream, &entry, 1, &result, &detail), WEIR_EUNSUPPORTED);
    assert_non_null(strstr(detail.text, "name it alone"));
    assert_int_equal(
        weir_stream_split(&service.stream, WI_STR(ORDERS ":" SHARD), NULL, NULL),
        WEIR_EUNSUPPORTED);
    assert_int_equal(
        weir_stream_merge(&service.stream, WI_STR("a"), WI_STR("b"), NULL), WEIR_EUNSUPPORTED);
    assert_int_equal(weir_stream_scale(&service.stream, 2, NULL), WEIR_EUNSUPPORTED);
    assert_int_equal(weir_stream_trim(&service.stream, &deleted, NULL), WEIR_EUNSUPPORTED);
    assert_int_equal(
        wi_stream_tail(&service.stream, WI_STR(SHARD), &number, &any), WEIR_EUNSUPPORTED);
    assert_int_equal(weir_stream_version(&service.stream), 0);
    wi_stream_interrupt(&service.stream); /* ends this wait, and all to come */
    assert_int_equal(wi_stream_wait_word(&service.stream, 0, 60000), 0);
    end_service(&service);
}

/* What an application remembers: shards can be read, but there is no list. */
static void
reads_shards_of_any_stream(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamSummary", "\"orders\"", 200, STREAM("111122223333", "orders", "17E8")},
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", "i1", 200, PAGE("i2", "0", RECORD("10", "QQ=="))},
    };
    struct weir_stream_description description;
    struct kinesis_service service;

    (void)state;
    assert_int_equal(given_streams(&service, "kinesis:*" OPTIONS, STEPS(steps), NULL), WEIR_OK);
    assert_int_equal(weir_stream_describe(&service.stream, &description, NULL), WEIR_EUNSUPPORTED);
    assert_int_equal(get_of(&service, ORDERS ":" SHARD), WEIR_OK);
    end_service(&service);
}

static enum weir_error
get_at_once(struct kinesis_service *service, const char *shard_id)
{
    return weir_stream_get(
        &service->stream,
        &(struct weir_get_request){.shard_id = wi_str(shard_id),
                                   .from = horizon(),
                                   .records_max = 1,
                                   .bytes_max = 1000000},
        service->batch,
        &service->result);
}

/* Leases of streams that are gone fill every place; one of a stream that is there comes last. */
static void
streams_that_are_gone_do_not_keep_out_one_that_is_there(void **state)
{
    static const struct service_step gone = {
        "DescribeStreamSummary", "\"gone\"", 400, FAILURE("AccessDeniedException")};
    static const struct service_step there[] = {
        {"DescribeStreamSummary", "\"orders\"", 200, STREAM("111122223333", "orders", "17E8")},
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", "i1", 200, PAGE("i2", "0", RECORD("10", "QQ=="))},
        {"DescribeStreamSummary", "\"gone\"", 400, FAILURE("AccessDeniedException")},
    };
    struct service_step steps[WI_KINESIS_MEMBERS_MAX + WI_ARRAY_LENGTH(there)];
    struct kinesis_service service;
    char id[WEIR_NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < WI_KINESIS_MEMBERS_MAX; i++) {
        steps[i] = gone;
    }
    memcpy(steps + WI_KINESIS_MEMBERS_MAX, there, sizeof there);
    assert_int_equal(given_streams(&service, "kinesis:*" OPTIONS, STEPS(steps), NULL), WEIR_OK);
    for (size_t i = 0; i < WI_KINESIS_MEMBERS_MAX; i++) {
        (void)snprintf(id, sizeof id, "111122223333:gone:%zu:" SHARD, i + 1);
        assert_int_equal(get_at_once(&service, id), WEIR_EACCESS);
    }
    assert_int_equal(get_at_once(&service, ORDERS ":" SHARD), WEIR_ELIMIT);
    assert_int_equal(get_of(&service, ORDERS ":" SHARD), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    /* The one whose place it took is asked for again, in the place of another. */
    assert_int_equal(get_at_once(&service, "111122223333:gone:1:" SHARD), WEIR_EACCESS);
    end_service(&service);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_shards_as_java_names_their_leases),
        cmocka_unit_test(reads_a_shard_of_the_stream_that_its_name_says),
        cmocka_unit_test(knows_no_shard_without_a_stream),
        cmocka_unit_test(lists_the_others_when_one_cannot_be_listed),
        cmocka_unit_test(opens_a_former_stream_when_its_shard_is_read),
        cmocka_unit_test(does_not_take_a_new_stream_for_a_former_one),
        cmocka_unit_test(asks_for_another_accounts_stream_by_its_arn),
        cmocka_unit_test(refuses_a_stream_that_is_twice_in_the_list),
        cmocka_unit_test(refuses_a_name_that_is_too_long_among_several),
        cmocka_unit_test(refuses_a_stream_that_is_not_there),
        cmocka_unit_test(refuses_a_service_that_does_not_say_when_a_stream_was_created),
        cmocka_unit_test(refuses_an_arn_of_another_region),
        cmocka_unit_test(does_to_one_stream_what_is_done_to_one),
        cmocka_unit_test(reads_shards_of_any_stream),
        cmocka_unit_test(streams_that_are_gone_do_not_keep_out_one_that_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
