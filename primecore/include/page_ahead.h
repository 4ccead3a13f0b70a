/* A thread that gives reserved pages their memory shortly before their owner writes to them: zeroing a huge page takes
 * the kernel a good part of a millisecond, more on a virtual machine whose host has to find the memory first. Knows
 * addresses only. One thread for the process, started when first asked; where it cannot be, pages come when touched. */
#ifndef PRIME_PAGE_AHEAD_H
#define PRIME_PAGE_AHEAD_H

#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>

#include "threads.h"

#define PAGE_AHEAD_WAITING 64   /* requests; more are dropped, for they are only hints */

typedef struct {
    char *at;
    size_t nbytes;
    int whole;                  /* what is there already is to become one huge page */
} page_request_t;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;        /* the thread sleeps on it */
    pthread_cond_t idle;        /* who takes a range away waits here for the thread to be out of it */
    page_request_t waiting[PAGE_AHEAD_WAITING];
    int count;
    page_request_t current;
    int running;
} page_ahead = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, {{0, 0, 0}}, 0, {0, 0, 0}, 0};

#if defined(__linux__)
#if !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23  /* since Linux 5.14; an older kernel refuses it and nothing is lost */
#endif
#if !defined(MADV_COLLAPSE)
#define MADV_COLLAPSE 25        /* since Linux 6.1, likewise */
#endif

static void *page_ahead_body(void *unused) {
    (void)unused;
    pthread_mutex_lock(&page_ahead.lock);
    for (;;) {
        while (page_ahead.count == 0)
            pthread_cond_wait(&page_ahead.wake, &page_ahead.lock);
        page_ahead.current = page_ahead.waiting[0];
        page_ahead.count--;
        for (int i = 0; i < page_ahead.count; i++)
            page_ahead.waiting[i] = page_ahead.waiting[i + 1];
        pthread_mutex_unlock(&page_ahead.lock);
        if (page_ahead.current.whole) {
            (void)madvise(page_ahead.current.at, page_ahead.current.nbytes, MADV_HUGEPAGE);
            (void)madvise(page_ahead.current.at, page_ahead.current.nbytes, MADV_COLLAPSE);
        } else {
            (void)madvise(page_ahead.current.at, page_ahead.current.nbytes, MADV_POPULATE_WRITE);
        }
        pthread_mutex_lock(&page_ahead.lock);
        page_ahead.current.at = NULL;
        pthread_cond_broadcast(&page_ahead.idle);
    }
    return NULL;
}

/* A forked child has a copy of all this but not the thread. */
static void page_ahead_in_child(void) {
    pthread_mutex_init(&page_ahead.lock, NULL);
    pthread_cond_init(&page_ahead.wake, NULL);
    pthread_cond_init(&page_ahead.idle, NULL);
    page_ahead.count = 0;
    page_ahead.current.at = NULL;
    page_ahead.running = 0;
}

static void page_ahead_start(void) {
    static int watching = 0;
    pthread_t thread;
    if (!watching && pthread_atfork(NULL, NULL, page_ahead_in_child) != 0)
        return;
    watching = 1;
    if (thread_start(&thread, page_ahead_body, NULL) != 0)
        return;
    pthread_detach(thread);
    page_ahead.running = 1;
}

static inline void page_ahead_request(char *at, size_t nbytes, int whole) {
    pthread_mutex_lock(&page_ahead.lock);
    if (!page_ahead.running)
        page_ahead_start();
    if (page_ahead.running && page_ahead.count < PAGE_AHEAD_WAITING) {
        page_ahead.waiting[page_ahead.count++] = (page_request_t){at, nbytes, whole};
        pthread_cond_signal(&page_ahead.wake);
    }
    pthread_mutex_unlock(&page_ahead.lock);
}

/* Before a range is unmapped: the thread must not give memory to whoever is mapped there next. */
static inline void page_ahead_forget(const char *base, size_t nbytes) {
    pthread_mutex_lock(&page_ahead.lock);
    int kept = 0;
    for (int i = 0; i < page_ahead.count; i++)
        if (page_ahead.waiting[i].at < base || page_ahead.waiting[i].at >= base + nbytes)
            page_ahead.waiting[kept++] = page_ahead.waiting[i];
    page_ahead.count = kept;
    while (page_ahead.current.at >= base && page_ahead.current.at < base + nbytes && page_ahead.current.at)
        pthread_cond_wait(&page_ahead.idle, &page_ahead.lock);
    pthread_mutex_unlock(&page_ahead.lock);
}
#else
static inline void page_ahead_request(char *at, size_t nbytes, int whole) { (void)at; (void)nbytes; (void)whole; }
static inline void page_ahead_forget(const char *base, size_t nbytes) { (void)base; (void)nbytes; }
#endif

#endif
