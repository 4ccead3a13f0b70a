/* How bytes reach stable storage: fdatasync where that is enough, the drive's own flush on macOS. 0, or errno. */
#ifndef PRIME_DISK_H
#define PRIME_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static inline int disk_sync_all(int fd) {
    int result;
    do {
#if defined(__APPLE__)
        result = fcntl(fd, F_FULLFSYNC);
#else
        result = fsync(fd);
#endif
    } while (result && errno == EINTR);
    return result ? errno : 0;
}

static inline int disk_sync_data(int fd) {
#if defined(__APPLE__)
    return disk_sync_all(fd);
#else
    int result;
    do result = fdatasync(fd);
    while (result && errno == EINTR);
    return result ? errno : 0;
#endif
}

#endif
