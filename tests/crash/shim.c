/* Preloaded into retake by the tests: counts the calls that write below RETAKE_FAULT_UNDER, and lets the
 * RETAKE_FAULT_AT-th of them (from 1) fail with the error number RETAKE_FAULT_ERROR (0: write half of it);
 * all from there on with RETAKE_FAULT_STAYS. With RETAKE_FAULT_POOR the file system has neither hard links nor locks.
 * Appends what failed to RETAKE_FAULT_LOG, and at the end the count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *under, *logged;
static long at = -1;
static int failing, stays, poor;
static atomic_long calls;

__attribute__((constructor)) static void begin(void) {
    const char *text;
    under = getenv("RETAKE_FAULT_UNDER");
    logged = getenv("RETAKE_FAULT_LOG");
    if ((text = getenv("RETAKE_FAULT_AT"))) at = atol(text);
    if ((text = getenv("RETAKE_FAULT_ERROR"))) failing = atoi(text);
    stays = getenv("RETAKE_FAULT_STAYS") != NULL;
    poor = getenv("RETAKE_FAULT_POOR") != NULL;
}

static void note(const char *text) {
    if (!logged) return;
    int fd = syscall(SYS_openat, AT_FDCWD, logged, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd < 0) return;
    syscall(SYS_write, fd, text, strlen(text));
    syscall(SYS_close, fd);
}

__attribute__((destructor)) static void finish(void) {
    char line[64];
    snprintf(line, sizeof line, "count %ld\n", atomic_load(&calls));
    note(line);
}

/* Whether this call is to fail. */
static int hit(const char *what, const char *path) {
    char line[PATH_MAX + 64];
    if (!under || !path || strncmp(path, under, strlen(under)) != 0) return 0;
    long call = atomic_fetch_add(&calls, 1) + 1;
    if (at < 0 || call < at || (call > at && !stays)) return 0;
    snprintf(line, sizeof line, "%ld %s %s\n", call, what, path);
    note(line);
    return 1;
}

static int hit_fd(const char *what, int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return hit(what, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(result) do { errno = failing ? failing : EIO; return result; } while (0)
/* Half of `size`: a call may always do less than it was asked to. */
#define HALF(size) ((size) > 1 ? (size) / 2 : (size))

ssize_t write(int fd, const void *data, size_t size) {
    if (hit_fd("write", fd)) { if (failing) FAIL(-1); size = HALF(size); }
    return REAL(write)(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t from) {
    if (hit_fd("pwrite", fd)) { if (failing) FAIL(-1); size = HALF(size); }
    return REAL(pwrite)(fd, data, size, from);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t from) {
    if (hit_fd("pwrite", fd)) { if (failing) FAIL(-1); size = HALF(size); }
    return REAL(pwrite64)(fd, data, size, from);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (hit_fd("writev", fd)) { if (failing) FAIL(-1); count = HALF(count); }
    return REAL(writev)(fd, parts, count);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    if (hit_fd("copy_file_range", out)) { if (failing) FAIL(-1); size = 1; }
    return REAL(copy_file_range)(in, from, out, to, size, flags);
}
ssize_t sendfile64(int out, int in, off64_t *from, size_t size) {
    extern ssize_t sendfile64(int, int, off64_t *, size_t);
    if (hit_fd("sendfile", out)) { if (failing) FAIL(-1); size = 1; }
    return REAL(sendfile64)(out, in, from, size);
}
int ftruncate64(int fd, off64_t size) {
    if (hit_fd("ftruncate", fd) && failing) FAIL(-1);
    return REAL(ftruncate64)(fd, size);
}
int fsync(int fd) {
    if (hit_fd("fsync", fd) && failing) FAIL(-1);
    return REAL(fsync)(fd);
}
int fdatasync(int fd) {
    if (hit_fd("fdatasync", fd) && failing) FAIL(-1);
    return REAL(fdatasync)(fd);
}
int syncfs(int fd) {
    if (hit_fd("syncfs", fd) && failing) FAIL(-1);
    return REAL(syncfs)(fd);
}
int rename(const char *from, const char *to) {
    if (hit("rename", to) && failing) FAIL(-1);
    return REAL(rename)(from, to);
}
int flock(int fd, int how) {
    extern int flock(int, int);
    if (poor) { errno = ENOLCK; return -1; }
    return REAL(flock)(fd, how);
}
int link(const char *from, const char *to) {
    if (poor) { errno = EPERM; return -1; }
    if (hit("link", to) && failing) FAIL(-1);
    return REAL(link)(from, to);
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
    if (poor) { errno = EPERM; return -1; }
    if (hit("link", to) && failing) FAIL(-1);
    return REAL(linkat)(a, from, b, to, flags);
}
int mkdir(const char *path, mode_t mode) {
    extern int mkdir(const char *, mode_t);
    if (hit("mkdir", path) && failing) FAIL(-1);
    return REAL(mkdir)(path, mode);
}
int symlink(const char *target, const char *path) {
    if (hit("symlink", path) && failing) FAIL(-1);
    return REAL(symlink)(target, path);
}
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (flags & O_CREAT && hit("create", path) && failing) FAIL(-1);
    return REAL(open64)(path, flags, mode);
}
