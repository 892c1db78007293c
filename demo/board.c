#include "demo/board.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#define PATH_SIZE 4096

struct demo_board *
demo_board_open(const char *directory, bool create)
{
    char path[PATH_SIZE];
    void *memory = MAP_FAILED;
    int fd = -1;

    (void)snprintf(path, sizeof path, "%s/board", directory);
    fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600);
    if (fd < 0) {
        return NULL;
    }
    if (!create || posix_fallocate(fd, 0, (off_t)sizeof(struct demo_board)) == 0) {
        memory =
            mmap(NULL, sizeof(struct demo_board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)0);
    }
    (void)close(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

void
demo_board_close(struct demo_board *board)
{
    if (board != NULL) {
        (void)munmap(board, sizeof *board);
    }
}
