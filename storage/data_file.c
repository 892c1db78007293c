#include "storage/data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "core/detail.h"
#include "storage/filesystem.h"

/* The file format of LMDB 0.9 on a 64-bit machine of this byte order. */
#define META_MAGIC       0xBEEFC0DEU
#define META_VERSION     1U
#define META_FLAG        0x08U /* page flag: a meta page */
#define BRANCH_FLAG      0x01U /* page flags: a node of a tree */
#define LEAF_FLAG        0x02U
#define FREE_DB_FLAGS    0x08U /* MDB_INTEGERKEY and no environment flag such as MDB_FIXEDMAP */
#define MAIN_DB_FLAGS    0x7FU /* any flag of a database */
#define PAGE_SIZE_MIN    512U
#define PAGE_SIZE_MAX    65536U
#define DEPTH_MAX        32U /* CURSOR_STACK of LMDB */
#define MAP_BYTES_MAX    ((uint64_t)1 << 47U)
#define NO_PAGE          UINT64_MAX
#define META_PAGES       2U
#define LOCK_HEADER_MAX  4096 /* lock.mdb: more than its header, then one line for each reader */
#define LOCK_READER_SIZE 64
#define TRIES            200 /* to get a whole meta page while another process writes it */
#define TRY_PAUSE_NS     500000

struct page_header {
    uint64_t page_number;
    uint16_t unused;
    uint16_t flags;
    uint32_t bounds;
};

struct database {
    uint32_t page_size; /* of the file; in the free database only */
    uint16_t flags;
    uint16_t depth;
    uint64_t branch_pages;
    uint64_t leaf_pages;
    uint64_t overflow_pages;
    uint64_t entries;
    uint64_t root;
};

struct meta_page {
    struct page_header header;
    uint32_t magic;
    uint32_t version;
    uint64_t address;
    uint64_t map_bytes;
    struct database free_database;
    struct database main_database;
    uint64_t last_page;
    uint64_t transaction_id;
};

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "LMDB's numbers are as wide as size_t");
_Static_assert(sizeof(struct page_header) == 16, "LMDB's MDB_page header");
_Static_assert(offsetof(struct meta_page, map_bytes) == 32, "LMDB's MDB_meta");
_Static_assert(sizeof(struct meta_page) == 152, "LMDB's MDB_meta");

/* Read exactly; false if the file is too short or the read fails. */
static bool
read_at(int fd, void *memory, size_t size, uint64_t place)
{
    return pread(fd, memory, size, (off_t)place) == (ssize_t)size;
}

/* What is wrong with a database of a meta page, or NULL. */
static const char *
find_database_fault(const struct database *database, uint64_t last_page)
{
    if (database->depth > DEPTH_MAX) {
        return "a tree is too deep";
    }
    if (database->root == NO_PAGE) {
        return database->depth == 0 ? NULL : "a tree has depth but no root";
    }
    if (database->depth == 0 || database->root < META_PAGES || database->root > last_page) {
        return "a root page is outside the file";
    }
    return NULL;
}

/* What is wrong with a meta page, or NULL. */
static const char *
find_meta_fault(const struct meta_page *meta, uint64_t index, uint64_t file_size)
{
    uint64_t page_size = meta->free_database.page_size;

    if (meta->magic != META_MAGIC || meta->version != META_VERSION ||
        meta->header.page_number != index || meta->header.flags != META_FLAG) {
        return "a meta page is none";
    }
    if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX ||
        (page_size & (page_size - 1)) != 0) {
        return "the page size is impossible";
    }
    if (meta->map_bytes > MAP_BYTES_MAX || meta->last_page < META_PAGES - 1 ||
        meta->last_page >= MAP_BYTES_MAX / page_size) {
        return "the size of the map is impossible";
    }
    if ((meta->last_page + 1) * page_size > file_size) {
        return "the file is shorter than its last page";
    }
    if (meta->free_database.flags != FREE_DB_FLAGS ||
        (meta->main_database.flags & ~MAIN_DB_FLAGS) != 0) {
        return "a database has unknown flags";
    }
    return NULL;
}

/* Of the meta page that counts. In the other one a commit whose last write failed leaves its new
 * roots above the old number: LMDB takes back only what makes it the other one. */
static const char *
find_tree_fault(const struct meta_page *meta)
{
    const char *fault = find_database_fault(&meta->free_database, meta->last_page);

    return fault != NULL ? fault : find_database_fault(&meta->main_database, meta->last_page);
}

/* Commits alternate between the two pages, so their numbers are neighbours. */
static const char *
find_pair_fault(const struct meta_page meta[META_PAGES])
{
    uint64_t first = meta[0].transaction_id;
    uint64_t second = meta[1].transaction_id;

    if (meta[0].free_database.page_size != meta[1].free_database.page_size) {
        return "the two meta pages disagree about the page size";
    }
    if (first == 0 && second == 0) {
        return NULL;
    }
    if (first % META_PAGES != 0 || second % META_PAGES != 1 ||
        (first > second ? first - second : second - first) != 1) {
        return "the two meta pages do not follow each other";
    }
    return NULL;
}

/* The root pages themselves: LMDB would take any bytes there for a node. */
static const char *
find_root_fault(int fd, const struct meta_page *meta)
{
    const uint64_t roots[] = {meta->free_database.root, meta->main_database.root};

    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        struct page_header header;

        if (roots[i] == NO_PAGE) {
            continue;
        }
        if (!read_at(fd, &header, sizeof header, roots[i] * meta->free_database.page_size) ||
            header.page_number != roots[i] ||
            (header.flags != BRANCH_FLAG && header.flags != LEAF_FLAG)) {
            return "a root page holds something else";
        }
    }
    return NULL;
}

/* One look at the file; a fault may be another process's write that we saw by half. */
static const char *
find_fault(int fd, bool is_quiet, uint64_t file_size, struct wi_data_file *ret)
{
    struct meta_page meta[META_PAGES];
    const struct meta_page *newest;
    const char *fault;

    if (!read_at(fd, &meta[0], sizeof meta[0], 0)) {
        return "the file is too short";
    }
    fault = find_meta_fault(&meta[0], 0, file_size);
    if (fault != NULL) {
        return fault;
    }
    if (!read_at(fd, &meta[1], sizeof meta[1], meta[0].free_database.page_size)) {
        return "the file is too short";
    }
    fault = find_meta_fault(&meta[1], 1, file_size);
    if (fault != NULL) {
        return fault;
    }
    newest = meta[1].transaction_id > meta[0].transaction_id ? &meta[1] : &meta[0];
    fault = find_tree_fault(newest);
    if (fault == NULL && is_quiet) {
        fault = find_pair_fault(meta);
        fault = fault != NULL ? fault : find_root_fault(fd, newest);
    }
    *ret = (struct wi_data_file){newest->map_bytes, newest->transaction_id};
    return fault;
}

enum weir_error
wi_data_file_check(
    int directory_fd, bool is_quiet, struct wi_data_file *ret, struct weir_detail *detail)
{
    static const struct timespec pause = {.tv_nsec = TRY_PAUSE_NS};
    int fd = openat(directory_fd, WI_DATA_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const char *fault = NULL;
    struct wi_data_file found = {0};
    struct stat status;

    if (fd < 0) {
        return errno == ENOENT ? WEIR_ENOTFOUND
                               : wi_detail(
                                     detail,
                                     wi_error_from_errno(errno),
                                     "cannot read " WI_DATA_FILE ": %s",
                                     wi_errno_text(errno));
    }
    for (int tries = is_quiet ? 1 : TRIES; tries > 0; tries--) {
        if (fstat(fd, &status) != 0 || status.st_size == 0) {
            close(fd);
            return WEIR_ENOTFOUND;
        }
        fault = find_fault(fd, is_quiet, (uint64_t)status.st_size, &found);
        if (fault == NULL) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    close(fd);
    if (fault != NULL) {
        return wi_detail(detail, WEIR_ECORRUPT, WI_DATA_FILE " is damaged: %s", fault);
    }
    *ret = found;
    return WEIR_OK;
}

static bool
is_zero(const void *memory, size_t size)
{
    const unsigned char *bytes = memory;
    size_t i = 0;

    while (i < size && bytes[i] == 0) {
        i++;
    }
    return i == size;
}

bool
wi_data_file_is_unfinished(int directory_fd)
{
    int fd = openat(directory_fd, WI_DATA_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_unfinished = fd >= 0;

    for (uint64_t i = 0; is_unfinished && i < META_PAGES; i++) {
        struct meta_page meta = {.magic = 0};

        /* What is not there counts as zeros. */
        is_unfinished =
            pread(fd, &meta, sizeof meta, (off_t)i * (off_t)sysconf(_SC_PAGESIZE)) >= 0 &&
            (is_zero(&meta, sizeof meta) || (meta.magic == META_MAGIC && meta.transaction_id == 0));
    }
    if (fd >= 0) {
        close(fd);
    }
    return is_unfinished;
}

enum weir_error
wi_lock_file_allocate(int directory_fd, unsigned readers_min, unsigned readers_max)
{
    const off_t least = LOCK_HEADER_MAX + (off_t)readers_min * LOCK_READER_SIZE;
    struct stat status = {.st_size = 0};
    int fd =
        openat(directory_fd, WI_LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, WI_FILE_MODE);
    int code;

    if (fd < 0) {
        return wi_error_from_errno(errno);
    }
    (void)fstat(fd, &status);
    code = posix_fallocate(fd, 0, LOCK_HEADER_MAX + (off_t)readers_max * LOCK_READER_SIZE);
    if (code == ENOSPC && status.st_size >= least) {
        code = posix_fallocate(fd, 0, status.st_size); /* what is there, without holes */
    }
    close(fd);
    return wi_error_from_errno(code);
}

enum weir_error
wi_data_file_extend(int fd, uint64_t bytes)
{
    struct rlimit limit;
    struct stat status;

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) {
        bytes = limit.rlim_cur; /* nothing can be written behind it, so nothing can be missing */
    }
    if (fstat(fd, &status) != 0) {
        return WEIR_EIO;
    }
    if ((uint64_t)status.st_size >= bytes) {
        return WEIR_OK;
    }
    return ftruncate(fd, (off_t)bytes) == 0 ? WEIR_OK : wi_error_from_errno(errno);
}
