/* Preloaded into a process that is to die at an exact point: counts the calls that change a disk or bring it to rest, and
 * kills the process before the n-th, after it, or with half of it done. Built and armed by points.py and nursery.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { BEFORE, AFTER, HALF };

static long counted, deadly;
static int when_to_die;

void torture_arm(long number, int when) {
    __atomic_store_n(&counted, 0, __ATOMIC_SEQ_CST);
    when_to_die = when;
    __atomic_store_n(&deadly, number, __ATOMIC_SEQ_CST);
}

long torture_counted(void) { return __atomic_load_n(&counted, __ATOMIC_SEQ_CST); }

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether this call is the one. */
static int turn(void) {
    long number = __atomic_load_n(&deadly, __ATOMIC_SEQ_CST);
    if (!number || __atomic_add_fetch(&counted, 1, __ATOMIC_SEQ_CST) != number) return 0;
    if (when_to_die == BEFORE) die();
    return 1;
}

#define CALL(result, name, parameters, arguments)                       \
    result name parameters {                                            \
        result (*plain) parameters = dlsym(RTLD_NEXT, #name);           \
        int mine = turn();                                              \
        result done = plain arguments;                                  \
        if (mine) die();                                                \
        return done;                                                    \
    }

#define WRITE(name, parameters, arguments, half_arguments)              \
    ssize_t name parameters {                                           \
        ssize_t (*plain) parameters = dlsym(RTLD_NEXT, #name);          \
        int mine = turn();                                              \
        ssize_t done = mine && when_to_die == HALF ? plain half_arguments : plain arguments; \
        if (mine) die();                                                \
        return done;                                                    \
    }

CALL(int, fdatasync, (int fd), (fd))
CALL(int, fsync, (int fd), (fd))
CALL(int, rename, (const char *from, const char *to), (from, to))
CALL(int, unlink, (const char *path), (path))
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(int, ftruncate64, (int fd, off64_t size), (fd, size))
CALL(int, posix_fallocate64, (int fd, off64_t offset, off64_t size), (fd, offset, size))
CALL(int, posix_fallocate, (int fd, off_t offset, off_t size), (fd, offset, size))
WRITE(write, (int fd, const void *data, size_t size), (fd, data, size), (fd, data, size / 2))
WRITE(pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), (fd, data, size / 2, at))
WRITE(pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), (fd, data, size / 2, at))
