/* The server of aws_server.py as a child, and what tests of all files need. */
#ifndef WI_TESTS_INTEGRATION_AWS_AWS_FIXTURE_H
#define WI_TESTS_INTEGRATION_AWS_AWS_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/env.h>

#include "aws/aws_client.h"
#include "aws/http.h"
#include "tests/support/test_dir.h"

#define KEY_ID "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct aws_fixture {
    struct test_dir dir;
    pid_t server;
    int to_server;   /* it ends when this is closed */
    char plain[64];  /* "http://127.0.0.1:port" */
    char secure[64]; /* "https://127.0.0.1:port" */
    char certificate[TEST_DIR_PATH_SIZE];
};

/* For cmocka's group; *state becomes the fixture. Exits 77 where the server cannot run. */
int start_server(void **state);
int stop_server(void **state);

/* Every variable that AWS looks at is removed, the home is the fixture's folder, IMDS is off. */
void clear_environment(const struct aws_fixture *fixture);
void set(const char *name, const char *value); /* NULL removes it */
/* A file in the fixture's folder; `ret` gets its path if it is not NULL. */
void write_file(const struct aws_fixture *fixture, const char *name, const char *text, char *ret);

struct wi_http *open_http(const char *ca_file);

/* A client with keys in the environment. */
struct wi_aws_client *open_client(struct wi_http *http, const char *endpoint, uint32_t attempts);

/* A call ready to be performed. */
struct wi_aws_call call_of(const char *operation, const char *body, bool repeatable);

/* How often the server has seen something. */
int64_t count_of(struct wi_http *http, const struct aws_fixture *fixture, const char *name);

#endif
