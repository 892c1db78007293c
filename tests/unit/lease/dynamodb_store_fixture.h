/* The DynamoDB backend with canned answers: no network, no waiting. */
#ifndef WI_TESTS_UNIT_LEASE_DYNAMODB_STORE_FIXTURE_H
#define WI_TESTS_UNIT_LEASE_DYNAMODB_STORE_FIXTURE_H

#include <stddef.h>

#include "aws/http.h"
#include "lease/lease_rules.h"
#include "lease/lease_store_dynamodb.h"
#include "tests/support/test_env.h"

#define DYNAMODB_ASKED_MAX 256U
#define DYNAMODB_TEXT_SIZE 4096U

/* One request, as it came. */
struct dynamodb_asked {
    char operation[32];
    char body[DYNAMODB_TEXT_SIZE];
    unsigned batch; /* the same number: side by side */
};

struct dynamodb_scene;

/* The answer to a request; one that begins with {"__type" is an error of the service. */
typedef const char *(*dynamodb_answer_fn)(
    struct dynamodb_scene *scene, const struct dynamodb_asked *asked);

struct dynamodb_scene {
    struct test_env test;
    struct wi_http http;
    struct wi_dynamodb_store store; /* of the table "t", everything in it, under 3.x's rules */
    dynamodb_answer_fn answer;
    struct dynamodb_asked asked[DYNAMODB_ASKED_MAX];
    size_t asked_count;
    unsigned batches;
    uint32_t version_at_batch[DYNAMODB_ASKED_MAX]; /* of the hint */
};

/* A worker's credentials for the whole program: the group's setup. */
int dynamodb_scene_setup(void **state);
struct dynamodb_scene *dynamodb_scene_new(dynamodb_answer_fn answer);
void dynamodb_scene_free(struct dynamodb_scene *scene);

/* How many requests of this operation have the text in them. */
size_t dynamodb_scene_count(
    const struct dynamodb_scene *scene, const char *operation, const char *text);

#endif
