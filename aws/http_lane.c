#include "aws/http_lane.h"

#include <curl/curl.h>
#include <curl/curlver.h>
#include <curl/system.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>
#include <weir/version.h>

#include "aws/curl_library.h"
#include "aws/http.h"
#include "aws/http_failure.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/mono.h"
#include "core/str.h"

/* Longest name and value of a header that is sent. The session token is the longest. */
#define HEADER_SIZE_MAX 12288
/* Seconds without traffic before, and between, TCP keep-alive probes. */
#define KEEPALIVE_S 30L
/* An idle connection is not used again after this: load balancers close theirs after 60 s. */
#define IDLE_CONNECTION_MAX_S 50L
#define MS_PER_S              1000
/* Receive buffers. With the small one, libcurl's default, reading 100-byte records from Kinesis
 * costs a sixth more processor time. */
#define RECEIVE_BYTES      16384L
#define BULK_RECEIVE_BYTES (512L * 1024)

static size_t
give_body(char *to, size_t size, size_t count, void *context)
{
    struct wi_http_lane *lane = context;
    struct weir_bytes body = lane->exchange->request.body;
    size_t left = body.length - lane->body_sent;
    size_t room = size * count;
    size_t length = left < room ? left : room;

    if (length > 0) {
        memcpy(to, (const char *)body.data + lane->body_sent, length);
    }
    lane->body_sent += length;
    return length;
}

/* When a kept-alive connection ends without an answer, libcurl would send the body once more by
 * itself. Whether a request may be made twice is not for it to say. */
static int
refuse_rewinding(void *context, curl_off_t offset, int origin)
{
    const struct wi_http_lane *lane = context;

    return lane->body_sent == 0 && offset == 0 && origin == SEEK_SET ? CURL_SEEKFUNC_OK
                                                                     : CURL_SEEKFUNC_FAIL;
}

static bool
is_streamed(const struct wi_http_lane *lane)
{
    const struct wi_http_exchange *exchange = lane->exchange;

    return exchange->request.stream != NULL && exchange->status / 100 == 2;
}

/* A body that grows piece by piece is copied each time: a page of Kinesis five or six times. */
static void
expect_body(const struct wi_http_lane *lane)
{
    curl_off_t length = -1;

    (void)lane->curl->easy_getinfo(lane->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > 0 && length <= (curl_off_t)WI_HTTP_BODY_MAX) {
        wi_buffer_reserve(&lane->exchange->body, (size_t)length);
    }
}

static size_t
take_body(char *data, size_t size, size_t count, void *context)
{
    struct wi_http_lane *lane = context;
    struct wi_http_exchange *exchange = lane->exchange;
    size_t length = size * count;

    if (is_streamed(lane)) {
        if (!exchange->request.stream(
                exchange->request.stream_context, (struct weir_bytes){data, length})) {
            lane->refused = WEIR_ECANCELED;
            return 0;
        }
        lane->heard = wi_mono_now(lane->env); /* after it, however long it blocked */
        return length;
    }
    lane->heard = wi_mono_now(lane->env);
    if (length > WI_HTTP_BODY_MAX - exchange->body.length) {
        lane->refused = WEIR_ELIMIT;
        return 0;
    }
    if (exchange->body.length == 0) {
        expect_body(lane);
    }
    wi_buffer_append(&exchange->body, data, length);
    if (wi_buffer_error(&exchange->body) != WEIR_OK) {
        lane->refused = WEIR_ENOMEM;
        return 0;
    }
    return length;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct weir_str
trimmed(struct weir_str text)
{
    while (text.length > 0 && is_blank(text.data[text.length - 1])) {
        text.length--;
    }
    while (text.length > 0 && is_blank(text.data[0])) {
        text.data++;
        text.length--;
    }
    return text;
}

/* HTTP's date as milliseconds since the epoch; -1 if it is none. */
static int64_t
parse_date(const struct wi_http_lane *lane, struct weir_str value)
{
    char text[64];
    time_t seconds;

    if (!wi_str_copy(text, sizeof text, value)) {
        return -1;
    }
    seconds = lane->curl->getdate(text, NULL);
    return seconds < 0 ? -1 : (int64_t)seconds * MS_PER_S;
}

/* Retry-After is a number of seconds or a date. */
static int64_t
parse_retry_after(const struct wi_http_lane *lane, struct weir_str value)
{
    int64_t seconds = 0;
    int64_t date_ms;
    int64_t now_ms;

    if (wi_str_to_i64(value, &seconds) == WEIR_OK) {
        return seconds >= 0 && seconds <= INT32_MAX ? seconds * MS_PER_S : -1;
    }
    date_ms = parse_date(lane, value);
    now_ms = wi_wall_now(lane->env).ms;
    return date_ms < 0 ? -1 : date_ms > now_ms ? date_ms - now_ms : 0;
}

/* The name of an error as it comes: "com.amazon...#Name:http://..." has its ends cut off later. */
static void
note_header(struct wi_http_lane *lane, struct weir_str name, struct weir_str value)
{
    struct wi_http_exchange *exchange = lane->exchange;
    char text[32];

    if (!wi_str_copy(text, sizeof text, name)) {
        return;
    }
    if (strcasecmp(text, "x-amzn-requestid") == 0 || strcasecmp(text, "x-amz-request-id") == 0) {
        (void)wi_str_copy(exchange->request_id, sizeof exchange->request_id, value);
    } else if (strcasecmp(text, "x-amzn-errortype") == 0) {
        (void)wi_str_copy(exchange->error_type, sizeof exchange->error_type, value);
    } else if (strcasecmp(text, "date") == 0) {
        int64_t date_ms = parse_date(lane, value);
        exchange->date_ms = date_ms < 0 ? 0 : date_ms;
    } else if (strcasecmp(text, "retry-after") == 0) {
        exchange->retry_after_ms = parse_retry_after(lane, value);
    }
}

static void
forget_answer(struct wi_http_exchange *exchange)
{
    exchange->status = 0;
    exchange->request_id[0] = '\0';
    exchange->error_type[0] = '\0';
    exchange->date_ms = 0;
    exchange->retry_after_ms = -1;
}

static size_t /* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type */
take_header(char *data, size_t size, size_t count, void *context)
{
    struct wi_http_lane *lane = context;
    struct weir_str line = {data, size * count};
    struct weir_str name;
    struct weir_str value;
    long status = 0;

    lane->heard = wi_mono_now(lane->env);
    if (wi_str_starts_with(line, WI_STR("HTTP/"))) {
        /* Of several heads, 100 Continue for instance, the last one counts. */
        forget_answer(lane->exchange);
        lane->head_ended = false;
        (void)lane->curl->easy_getinfo(lane->easy, CURLINFO_RESPONSE_CODE, &status);
        lane->exchange->status = (int)status;
        return line.length;
    }
    if (wi_str_cut(line, ':', &name, &value)) {
        note_header(lane, name, trimmed(value));
    } else if (trimmed(line).length == 0) {
        lane->head_ended = true;
    }
    return line.length;
}

static enum weir_error
add_line(struct wi_http_lane *lane, const char *line)
{
    struct curl_slist *longer = lane->curl->slist_append(lane->headers, line);

    if (longer == NULL) {
        return WEIR_ENOMEM;
    }
    lane->headers = longer;
    return WEIR_OK;
}

static enum weir_error
add_header(struct wi_http_lane *lane, const char *name, const char *value)
{
    struct wi_buffer line;
    enum weir_error error;

    if (strpbrk(name, "\r\n:") != NULL || strpbrk(value, "\r\n") != NULL ||
        strlen(name) + strlen(value) > HEADER_SIZE_MAX) {
        return WEIR_EINVAL;
    }
    wi_buffer_init(&line, lane->env);
    wi_buffer_append_z(&line, name);
    /* libcurl sends a header without content only if it ends in a semicolon. */
    wi_buffer_append_z(&line, *value == '\0' ? ";" : ": ");
    wi_buffer_append_z(&line, value);
    error = wi_buffer_error(&line);
    if (error == WEIR_OK) {
        error = add_line(lane, wi_buffer_text(&line));
    }
    wi_buffer_free(&line);
    return error;
}

static enum weir_error
add_headers(struct wi_http_lane *lane)
{
    const struct wi_http_request *request = &lane->exchange->request;
    enum weir_error error = add_line(lane, "User-Agent: weir/" WEIR_VERSION);

    /* libcurl would wait for "100 Continue". */
    if (error == WEIR_OK) {
        error = add_line(lane, "Expect:");
    }
    for (size_t i = 0; i < request->header_count && error == WEIR_OK; i++) {
        error = add_header(lane, request->headers[i].name, request->headers[i].value);
    }
    return error;
}

/* Credentials come from addresses of this host and its network that no proxy leads to. */
static bool
is_beside_us(const char *url)
{
    static const char *const starts[] = {
        "http://127.",
        "https://127.",
        "http://localhost",
        "https://localhost",
        "http://169.254.",
        "http://[::1]",
        "https://[::1]",
        "http://[fd00:ec2:"};

    for (size_t i = 0; i < WI_ARRAY_LENGTH(starts); i++) {
        if (strncasecmp(url, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* curl_easy_setopt() takes anything; these hold an option to its kind of value. */
static void
set_number(const struct wi_http_lane *lane, CURLoption option, long value)
{
    WEIR_ASSERT((int)option < CURLOPTTYPE_OBJECTPOINT);
    (void)lane->curl->easy_setopt(lane->easy, option, value);
}

static CURLcode
set_pointer(const struct wi_http_lane *lane, CURLoption option, const void *value)
{
    WEIR_ASSERT(option > CURLOPTTYPE_OBJECTPOINT && option < CURLOPTTYPE_FUNCTIONPOINT);
    return lane->curl->easy_setopt(lane->easy, option, value);
}

static void
set_limits(const struct wi_http_lane *lane)
{
    const struct wi_http_request *request = &lane->exchange->request;

    set_number(lane, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    set_number(lane, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    set_number(lane, CURLOPT_TCP_NODELAY, 1);
    set_number(lane, CURLOPT_BUFFERSIZE, request->bulk ? BULK_RECEIVE_BYTES : RECEIVE_BYTES);
    set_number(lane, CURLOPT_TCP_KEEPALIVE, 1);
    set_number(lane, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    set_number(lane, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
    set_number(lane, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_MAX_S);
    set_number(lane, CURLOPT_NOSIGNAL, 1);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Past the time limit nobody waits for the thread that still resolves a name. */
    set_number(lane, CURLOPT_QUICK_EXIT, 1);
#endif
    set_number(lane, CURLOPT_FOLLOWLOCATION, 0);
    set_number(lane, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    set_number(
        lane,
        CURLOPT_HTTP_VERSION,
        request->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
    /* libcurl would take any idle connection to the host, whatever HTTP it speaks. */
    set_number(lane, CURLOPT_FRESH_CONNECT, request->http2);
    set_number(lane, CURLOPT_FORBID_REUSE, request->http2);
}

static void
set_callbacks(struct wi_http_lane *lane)
{
    /* As variables of libcurl's types: beyond them nobody checks what a callback takes. */
    const curl_write_callback body = take_body;
    const curl_write_callback header = take_header;
    const curl_read_callback upload = give_body;
    const curl_seek_callback rewind = refuse_rewinding;
    CURL *easy = lane->easy;

    (void)lane->curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, body);
    (void)lane->curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, header);
    (void)lane->curl->easy_setopt(easy, CURLOPT_READFUNCTION, upload);
    (void)lane->curl->easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind);
    (void)set_pointer(lane, CURLOPT_WRITEDATA, lane);
    (void)set_pointer(lane, CURLOPT_HEADERDATA, lane);
    (void)set_pointer(lane, CURLOPT_READDATA, lane);
    (void)set_pointer(lane, CURLOPT_SEEKDATA, lane);
    (void)set_pointer(lane, CURLOPT_ERRORBUFFER, lane->words);
    (void)set_pointer(lane, CURLOPT_PRIVATE, lane);
    (void)set_pointer(lane, CURLOPT_HTTPHEADER, lane->headers);
}

/* CURLE_OUT_OF_MEMORY, or what an option says about its text. */
static CURLcode
set_texts(const struct wi_http_lane *lane, const char *ca_file)
{
    const struct wi_http_request *request = &lane->exchange->request;
    CURLcode code = set_pointer(lane, CURLOPT_URL, request->url);

    if (code == CURLE_OK) {
        code = set_pointer(lane, CURLOPT_PROTOCOLS_STR, "http,https");
    }
    if (code == CURLE_OK && ca_file != NULL) {
        code = set_pointer(lane, CURLOPT_CAINFO, ca_file);
    }
    if (code == CURLE_OK && is_beside_us(request->url)) {
        code = set_pointer(lane, CURLOPT_PROXY, "");
    }
    if (code == CURLE_OK) {
        code = set_pointer(lane, CURLOPT_CUSTOMREQUEST, request->method);
    }
    return code;
}

static void
set_method(const struct wi_http_lane *lane)
{
    const struct wi_http_request *request = &lane->exchange->request;
    const curl_off_t length = (curl_off_t)request->body.length;

    if (strcmp(request->method, "GET") == 0) {
        set_number(lane, CURLOPT_HTTPGET, 1);
        return;
    }
    set_number(lane, CURLOPT_POST, 1);
    (void)lane->curl->easy_setopt(lane->easy, CURLOPT_POSTFIELDSIZE_LARGE, length);
}

static void
forget_exchange(struct wi_http_lane *lane)
{
    lane->curl->slist_free_all(lane->headers);
    lane->headers = NULL;
    lane->exchange = NULL;
}

enum weir_error
wi_http_lane_start(
    struct wi_http_lane *lane, struct wi_http_exchange *exchange, const char *ca_file)
{
    enum weir_error error;

    WEIR_ASSERT(exchange->request.timeout_ms > 0);
    WEIR_ASSERT(exchange->request.connect_timeout_ms > 0);
    WEIR_ASSERT(lane->exchange == NULL);
    lane->exchange = exchange;
    lane->body_sent = 0;
    lane->refused = WEIR_OK;
    lane->head_ended = false;
    lane->heard = wi_mono_now(lane->env);
    lane->words[0] = '\0';
    wi_buffer_reset(&exchange->body);
    forget_answer(exchange);
    if (lane->easy == NULL) {
        lane->easy = lane->curl->easy_init();
    } else {
        lane->curl->easy_reset(lane->easy);
    }
    error = lane->easy == NULL ? WEIR_ENOMEM : add_headers(lane);
    if (error == WEIR_OK) {
        set_method(lane);
        error = set_texts(lane, ca_file) == CURLE_OK ? WEIR_OK : WEIR_ENOMEM;
    }
    if (error != WEIR_OK) {
        forget_exchange(lane);
        return wi_detail(
            &exchange->detail,
            error,
            "%s",
            error == WEIR_EINVAL ? "a header of the request is too long or has a line break"
                                 : "no memory for an HTTP request");
    }
    set_limits(lane);
    set_callbacks(lane);
    return WEIR_OK;
}

/* Whether a single byte of the request may have left us. */
static bool
was_sent(const struct wi_http_lane *lane)
{
    curl_off_t connected_us = 0;
    long request_size = 0;

    (void)lane->curl->easy_getinfo(lane->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    (void)lane->curl->easy_getinfo(lane->easy, CURLINFO_REQUEST_SIZE, &request_size);
    return lane->body_sent > 0 || connected_us > 0 || request_size > 0;
}

static enum weir_error
outcome(struct wi_http_lane *lane, CURLcode code)
{
    struct wi_http_exchange *exchange = lane->exchange;
    const char *words = lane->words[0] != '\0' ? lane->words : lane->curl->easy_strerror(code);

    if (lane->refused != WEIR_OK) {
        return wi_http_describe_refused(exchange, lane->refused);
    }
    /* After a request was sent it means a head beyond libcurl's bounds. */
    if (code == CURLE_OUT_OF_MEMORY && exchange->failure == WI_HTTP_NOT_SENT) {
        return wi_http_describe_refused(exchange, WEIR_ENOMEM);
    }
    return exchange->failure == WI_HTTP_NOT_SENT
               ? wi_http_describe_unsent(exchange, code, words)
               : wi_http_describe_unanswered(exchange, code, words);
}

void
wi_http_lane_finish(struct wi_http_lane *lane, CURLcode code)
{
    struct wi_http_exchange *exchange = lane->exchange;

    /* For libcurl a head that breaks off is an answer. */
    if (code == CURLE_OK && !lane->head_ended) {
        code = CURLE_PARTIAL_FILE;
    }
    if (code == CURLE_OK) {
        exchange->error = WEIR_OK;
        exchange->failure = WI_HTTP_ANSWERED;
    } else {
        exchange->failure = was_sent(lane) ? WI_HTTP_OUTCOME_UNKNOWN : WI_HTTP_NOT_SENT;
        exchange->error = outcome(lane, code);
    }
    forget_exchange(lane);
}

void
wi_http_lane_abandon(struct wi_http_lane *lane, enum weir_error error, const char *why)
{
    struct wi_http_exchange *exchange = lane->exchange;

    exchange->failure = was_sent(lane) ? WI_HTTP_OUTCOME_UNKNOWN : WI_HTTP_NOT_SENT;
    exchange->error = wi_detail(&exchange->detail, error, "%s: %s", exchange->request.url, why);
    forget_exchange(lane);
}

int64_t
wi_http_lane_quiet_left_ms(const struct wi_http_lane *lane, struct weir_mono now)
{
    int64_t limit_ms = lane->exchange->request.quiet_timeout_ms;

    if (limit_ms <= 0) {
        return INT64_MAX;
    }
    return wi_mono_until_ms(now, wi_mono_add_ms(lane->heard, limit_ms));
}

void
wi_http_lane_free(struct wi_http_lane *lane)
{
    WEIR_ASSERT(lane->exchange == NULL);
    if (lane->easy != NULL) {
        lane->curl->easy_cleanup(lane->easy);
    }
    lane->easy = NULL;
}
