/* A process that has this one's memory as it is now, for as long as it takes to write it out. It makes system calls and
 * nothing else: it has one thread, no Python, and locks that nobody will ever let go of. */
#ifndef PRIME_ASIDE_H
#define PRIME_ASIDE_H

#include <errno.h>
#include <signal.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#define ASIDE_CLONES 1
#define ASIDE_WAIT __WALL
#else
#define ASIDE_CLONES 0
#define ASIDE_WAIT 0
#endif

/* ThreadSanitizer has locks of its own, which a process that it knows nothing of would find taken. */
#if defined(__SANITIZE_THREAD__)
#define ASIDE_NEVER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ASIDE_NEVER 1
#endif
#endif
#ifndef ASIDE_NEVER
#define ASIDE_NEVER 0
#endif

/* Files of the parent are let go of: what it closes must be closed, the lock of its store above all. */
static inline void aside_close_all_but(int keep)
{
#if defined(__linux__) && defined(SYS_close_range)
    if ((keep == 0 || syscall(SYS_close_range, 0u, (unsigned)keep - 1, 0u) == 0)
        && syscall(SYS_close_range, (unsigned)keep + 1, ~0u, 0u) == 0)
        return;
#endif
    long most = sysconf(_SC_OPEN_MAX);
    for (int fd = 0; fd < (most > 0 && most < 65536 ? (int)most : 65536); fd++)
        if (fd != keep)
            close(fd);
}

/* 0 in the new process, which has only `keep` open; its pid in this one, or -errno.
 *
 * On Linux no handler of fork runs (a library's may take long), and no SIGCHLD comes when it ends, so that a program that
 * waits for children of its own never sees this one. It ends with the thread that made it. */
static inline int aside_fork(int keep)
{
#if ASIDE_NEVER
    (void)keep;
    return -ENOSYS;
#else
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before))
        return -EAGAIN;
    pid_t parent = getpid();
#if ASIDE_CLONES
    int pid = (int)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
#else
    int pid = (int)fork();
#endif
    int error = errno;
    if (pid == 0) {
#if defined(__linux__)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        if (getppid() != parent)
            _exit(1);
        aside_close_all_but(keep);
        return 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -error : pid;
#endif
}

static inline void aside_exit(void)
{
    _exit(0);
}

static inline void aside_kill(int pid)
{
    kill((pid_t)pid, SIGKILL);
}

/* Waits until the process has ended. */
static inline void aside_wait(int pid)
{
    int status;
    while (waitpid((pid_t)pid, &status, ASIDE_WAIT) < 0 && errno == EINTR)
        ;
}

#endif
