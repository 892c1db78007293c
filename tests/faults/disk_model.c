#include "tests/faults/disk_model.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/weir_test.h"

#define NODES_MAX   512U
#define PENDING_MAX 4096U
#define NAME_SIZE   96U
#define DEPTH_MAX   8U
#define ROOT        0U
#define NOTHING     UINT32_MAX

/* A name in a folder. */
struct link {
    uint32_t folder;
    uint32_t node; /* NOTHING: the name is free */
    char name[NAME_SIZE];
};

struct links {
    struct link items[NODES_MAX];
    size_t count;
};

/* A change of one or two names at once. */
struct pending_links {
    struct link changes[2];
    size_t count;
};

/* A write, or with bytes NULL a new size. */
struct pending_write {
    uint64_t at;
    uint64_t size;
    const unsigned char *bytes;
};

/* A folder, or a file with what is synced of it. */
struct node {
    bool is_folder;
    uint64_t inode;
    unsigned char *bytes;
    size_t room;
    size_t used; /* bytes; the rest up to size is zeros */
    uint64_t size;
    struct pending_write *pending; /* PENDING_MAX */
    size_t pending_count;
};

struct disk_model {
    unsigned char *log;
    size_t log_size;
    size_t at;
    size_t entries;
    struct node nodes[NODES_MAX];
    size_t node_count;
    struct links seen;    /* what programs see */
    struct links durable; /* what no power loss takes away */
    struct pending_links pending[PENDING_MAX];
    size_t pending_count;
    struct wi_pcg pcg;
};

/* --- names --- */

static struct link *
find_link(struct links *links, uint32_t folder, const char *name)
{
    for (size_t i = 0; i < links->count; i++) {
        if (links->items[i].folder == folder && strcmp(links->items[i].name, name) == 0) {
            return &links->items[i];
        }
    }
    return NULL;
}

static void
apply_link(struct links *links, const struct link *change)
{
    struct link *found = find_link(links, change->folder, change->name);

    if (found == NULL) {
        assert_true(links->count < NODES_MAX);
        links->items[links->count++] = *change;
    } else {
        found->node = change->node;
    }
}

/* The folder that holds the last part of a path, and that part. */
static uint32_t
find_folder(struct disk_model *model, const char *path, const char **ret_name)
{
    uint32_t folder = ROOT;
    const char *slash;

    while ((slash = strchr(path, '/')) != NULL) {
        char name[NAME_SIZE];
        const struct link *link;

        (void)snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
        link = find_link(&model->seen, folder, name);
        assert_true(link != NULL && link->node != NOTHING);
        folder = link->node;
        path = slash + 1;
    }
    *ret_name = path;
    return folder;
}

static struct link
link_of(struct disk_model *model, const char *path, uint32_t node)
{
    const char *name;
    struct link link = {.folder = find_folder(model, path, &name), .node = node};

    assert_true(strlen(name) < sizeof link.name);
    (void)snprintf(link.name, sizeof link.name, "%s", name);
    return link;
}

static uint32_t
node_at(struct disk_model *model, const char *path)
{
    struct link wanted = link_of(model, path, NOTHING);
    const struct link *found = find_link(&model->seen, wanted.folder, wanted.name);

    return found == NULL ? NOTHING : found->node;
}

static void
change_links(struct disk_model *model, struct pending_links change)
{
    for (size_t i = 0; i < change.count; i++) {
        apply_link(&model->seen, &change.changes[i]);
    }
    assert_true(model->pending_count < PENDING_MAX);
    model->pending[model->pending_count++] = change;
}

static void
sync_folder(struct disk_model *model, uint32_t folder)
{
    size_t kept = 0;

    for (size_t i = 0; i < model->pending_count; i++) {
        const struct pending_links change = model->pending[i];

        if (change.changes[0].folder != folder) {
            model->pending[kept++] = change;
            continue;
        }
        for (size_t c = 0; c < change.count; c++) {
            apply_link(&model->durable, &change.changes[c]);
        }
    }
    model->pending_count = kept;
}

/* --- contents --- */

static uint32_t
add_node(struct disk_model *model, bool is_folder, uint64_t inode)
{
    struct node *node = &model->nodes[model->node_count];

    assert_true(model->node_count < NODES_MAX);
    *node = (struct node){.is_folder = is_folder, .inode = inode};
    if (!is_folder) {
        node->pending = calloc(PENDING_MAX, sizeof *node->pending);
        assert_non_null(node->pending);
    }
    return (uint32_t)model->node_count++;
}

/* The newest: inodes are used again. */
static struct node *
find_file(struct disk_model *model, uint64_t inode)
{
    for (size_t i = model->node_count; i-- > 1;) {
        if (!model->nodes[i].is_folder && model->nodes[i].inode == inode) {
            return &model->nodes[i];
        }
    }
    return NULL;
}

/* What is there of a file after the power came back. */
struct image {
    unsigned char *bytes;
    size_t room;
    size_t used;
    uint64_t size;
};

static void
put(struct image *image, uint64_t at, const unsigned char *bytes, size_t size)
{
    const size_t end = (size_t)at + size;

    if (end > image->room) {
        unsigned char *larger = realloc(image->bytes, 2 * end);

        assert_non_null(larger);
        memset(larger + image->room, 0, 2 * end - image->room);
        image->bytes = larger;
        image->room = 2 * end;
    }
    memcpy(image->bytes + at, bytes, size);
    image->used = end > image->used ? end : image->used;
    image->size = end > image->size ? end : image->size;
}

static bool
is_kept(struct disk_model *model, unsigned keep_percent)
{
    return keep_percent == 100 || wi_pcg_below(&model->pcg, 100) < keep_percent;
}

static void
apply_write(
    struct disk_model *model,
    struct image *image,
    const struct pending_write *write,
    size_t sector,
    unsigned keep_percent)
{
    uint64_t done = 0;

    if (write->bytes == NULL && is_kept(model, keep_percent)) {
        image->size = write->size;
        if (image->used > write->size) {
            memset(image->bytes + write->size, 0, image->used - (size_t)write->size);
            image->used = (size_t)write->size;
        }
    }
    while (write->bytes != NULL && done < write->size) {
        const uint64_t rest = sector - (write->at + done) % sector;
        const uint64_t size = rest < write->size - done ? rest : write->size - done;

        if (is_kept(model, keep_percent)) {
            put(image, write->at + done, write->bytes + done, (size_t)size);
        }
        done += size;
    }
}

/* What is durable of a file from now on. */
static void
keep_image(struct node *node, const struct image *image)
{
    node->bytes = image->bytes;
    node->room = image->room;
    node->used = image->used;
    node->size = image->size;
}

/* All that is pending becomes durable. */
static void
sync_file(struct disk_model *model, struct node *node)
{
    struct image image = {node->bytes, node->room, node->used, node->size};

    for (size_t i = 0; i < node->pending_count; i++) {
        apply_write(model, &image, &node->pending[i], 512, 100);
    }
    keep_image(node, &image);
    node->pending_count = 0;
}

static void
note_content(struct disk_model *model, const struct disk_entry *entry, const unsigned char *bytes)
{
    struct node *node = find_file(model, entry->file);
    struct pending_write write = {entry->at, entry->size, bytes};

    if (node == NULL) {
        return; /* opened without O_CREAT, so not by weir */
    }
    if (entry->event == DISK_SYNC) {
        sync_file(model, node);
    } else if (entry->event == DISK_WRITE_SYNCED) {
        struct image image = {node->bytes, node->room, node->used, node->size};

        apply_write(model, &image, &write, 512, 100);
        keep_image(node, &image);
    } else {
        assert_true(node->pending_count < PENDING_MAX);
        node->pending[node->pending_count++] = write;
    }
}

/* --- the log --- */

static void
note_names(struct disk_model *model, const struct disk_entry *entry, const char *names)
{
    struct pending_links change = {.count = 1};
    const char *second = names + strlen(names) + 1;

    switch ((enum disk_event)entry->event) {
    case DISK_CREATE: {
        const uint32_t old = node_at(model, names);

        if (old != NOTHING && model->nodes[old].inode == entry->file) {
            return;
        }
        change.changes[0] = link_of(model, names, add_node(model, false, entry->file));
        break;
    }
    case DISK_MAKE_DIRECTORY:
        change.changes[0] = link_of(model, names, add_node(model, true, 0));
        break;
    case DISK_RENAME:
        change.changes[0] = link_of(model, second, node_at(model, names));
        change.changes[1] = link_of(model, names, NOTHING);
        change.count = 2;
        break;
    case DISK_UNLINK:
        change.changes[0] = link_of(model, names, NOTHING);
        break;
    case DISK_SYNC_DIRECTORY:
        sync_folder(model, names[0] == '\0' ? ROOT : node_at(model, names));
        return;
    case DISK_WRITE:
    case DISK_WRITE_SYNCED:
    case DISK_RESIZE:
    case DISK_SYNC:
    case DISK_NOTE:
        return;
    }
    change_links(model, change);
}

static size_t
bytes_behind(const struct disk_entry *entry)
{
    const bool is_write = entry->event == DISK_WRITE || entry->event == DISK_WRITE_SYNCED;

    return is_write ? (size_t)entry->size : 0;
}

const struct disk_entry *
disk_model_next(struct disk_model *model)
{
    static struct disk_entry entry;
    const unsigned char *behind;

    if (model->at == model->log_size) {
        return NULL;
    }
    assert_true(model->at + sizeof entry <= model->log_size);
    memcpy(&entry, model->log + model->at, sizeof entry);
    behind = model->log + model->at + sizeof entry;
    model->at += sizeof entry + entry.names_size + bytes_behind(&entry);
    assert_true(model->at <= model->log_size);
    switch ((enum disk_event)entry.event) {
    case DISK_WRITE:
    case DISK_WRITE_SYNCED:
    case DISK_SYNC:
    case DISK_RESIZE:
        note_content(model, &entry, entry.event == DISK_RESIZE ? NULL : behind);
        break;
    case DISK_CREATE:
    case DISK_MAKE_DIRECTORY:
    case DISK_RENAME:
    case DISK_UNLINK:
    case DISK_SYNC_DIRECTORY:
        note_names(model, &entry, (const char *)behind);
        break;
    case DISK_NOTE:
        break;
    }
    return &entry;
}

static void
count_entries(struct disk_model *model)
{
    size_t at = 0;

    while (at < model->log_size) {
        struct disk_entry entry;

        memcpy(&entry, model->log + at, sizeof entry);
        at += sizeof entry + entry.names_size + bytes_behind(&entry);
        model->entries++;
    }
}

struct disk_model *
disk_model_new(const char *log_path, uint64_t seed)
{
    struct disk_model *model = calloc(1, sizeof *model);
    const int fd = open(log_path, O_RDONLY | O_CLOEXEC);
    struct stat status;

    assert_true(model != NULL && fd >= 0 && fstat(fd, &status) == 0);
    model->log_size = (size_t)status.st_size;
    model->log = malloc(model->log_size + 1);
    assert_non_null(model->log);
    for (size_t done = 0; done < model->log_size;) {
        const ssize_t size = read(fd, model->log + done, model->log_size - done);

        assert_true(size > 0);
        done += (size_t)size;
    }
    close(fd);
    wi_pcg_seed(&model->pcg, seed, 1);
    (void)add_node(model, true, 0);
    count_entries(model);
    return model;
}

void
disk_model_free(struct disk_model *model)
{
    for (size_t i = 0; i < model->node_count; i++) {
        free(model->nodes[i].bytes);
        free(model->nodes[i].pending);
    }
    free(model->log);
    free(model);
}

size_t
disk_model_count(const struct disk_model *model)
{
    return model->entries;
}

/* --- a state --- */

/* How to get to a node from the root; false if the way is lost. */
static bool
make_path(struct links *links, const struct link *link, const char *folder, char ret[PATH_MAX])
{
    const struct link *way[DEPTH_MAX];
    size_t depth = 0;
    size_t length;

    for (way[depth++] = link; way[depth - 1]->folder != ROOT;) {
        const struct link *above = NULL;

        for (size_t i = 0; i < links->count && above == NULL; i++) {
            above = links->items[i].node == way[depth - 1]->folder ? &links->items[i] : NULL;
        }
        if (above == NULL || depth == DEPTH_MAX) {
            return false;
        }
        way[depth++] = above;
    }
    length = (size_t)snprintf(ret, PATH_MAX, "%s", folder);
    while (depth-- > 0) {
        length += (size_t)snprintf(ret + length, PATH_MAX - length, "/%s", way[depth]->name);
    }
    return true;
}

static void
write_file(struct disk_model *model, const struct node *node, const char *path, unsigned keep)
{
    const size_t sector = wi_pcg_below(&model->pcg, 2) == 0 ? 512 : 4096;
    struct image image = {.size = node->size};
    int fd;

    put(&image, 0, node->bytes, node->used);
    image.size = node->size;
    for (size_t i = 0; i < node->pending_count; i++) {
        apply_write(model, &image, &node->pending[i], sector, keep);
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, image.bytes, image.used, 0), image.used);
    assert_int_equal(ftruncate(fd, (off_t)image.size), 0);
    close(fd);
    free(image.bytes);
}

/* The names that are there. */
static void
choose_links(struct disk_model *model, unsigned keep, struct links *ret)
{
    *ret = model->durable;
    for (size_t i = 0; i < model->pending_count; i++) {
        const size_t count = is_kept(model, keep) ? model->pending[i].count : 0;

        for (size_t c = 0; c < count; c++) {
            apply_link(ret, &model->pending[i].changes[c]);
        }
    }
}

static void
write_node(struct disk_model *model, const struct node *node, const char *path, unsigned keep)
{
    if (node->is_folder) {
        assert_int_equal(mkdir(path, 0700), 0);
    } else {
        write_file(model, node, path, keep);
    }
}

void
disk_model_write_state(struct disk_model *model, const char *folder)
{
    static const unsigned keeps[] = {0, 10, 50, 90, 100};
    static struct links links;
    const unsigned keep = keeps[wi_pcg_below(&model->pcg, 5)];
    char path[PATH_MAX];

    choose_links(model, keep, &links);
    assert_int_equal(mkdir(folder, 0700), 0);
    for (uint32_t node = 1; node < model->node_count; node++) { /* folders before what is in them */
        for (size_t i = 0; i < links.count; i++) {
            if (links.items[i].node == node && make_path(&links, &links.items[i], folder, path)) {
                write_node(model, &model->nodes[node], path, keep);
            }
        }
    }
}
