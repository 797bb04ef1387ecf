"""Calls of the system that write, failing from one on: a library made on the spot stands before the system's own."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["FailingCalls", "failing_calls"]

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[4096];
static long first;
static struct { long calls, failed; } *shared;

__attribute__((constructor)) static void begin(void) {
    shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
void fault_arm(const char *path, long number) { strncpy(folder, path, 4095); first = number; }
void fault_reset(void) { shared->calls = shared->failed = 0; }
long fault_failed(void) { return shared->failed; }

static int is_full(int fd) {
    char link[64], path[4096];
    if (!folder[0]) return 0;
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (length <= 0) return 0;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder))) return 0;
    if (shared->calls++ < first) return 0;
    shared->failed++;
    errno = ENOSPC;
    return 1;
}
ssize_t write(int fd, const void *b, size_t n) { return is_full(fd) ? -1 : syscall(SYS_write, fd, b, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) {
    return is_full(fd) ? -1 : syscall(SYS_pwrite64, fd, b, n, o);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off_t o) { return pwrite(fd, b, n, o); }
ssize_t writev(int fd, const struct iovec *v, int n) { return is_full(fd) ? -1 : syscall(SYS_writev, fd, v, n); }
int ftruncate(int fd, off_t n) { return is_full(fd) ? -1 : syscall(SYS_ftruncate, fd, n); }
int ftruncate64(int fd, off_t n) { return ftruncate(fd, n); }
int fallocate(int fd, int m, off_t o, off_t n) { return is_full(fd) ? -1 : syscall(SYS_fallocate, fd, m, o, n); }
int posix_fallocate(int fd, off_t o, off_t n) { return is_full(fd) ? ENOSPC : 0; }
int posix_fallocate64(int fd, off_t o, off_t n) { return posix_fallocate(fd, o, n); }
int fsync(int fd) { return is_full(fd) ? -1 : syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return is_full(fd) ? -1 : syscall(SYS_fdatasync, fd); }
ssize_t sendfile(int to, int from, off_t *o, size_t n) {
    return is_full(to) ? -1 : syscall(SYS_sendfile, to, from, o, n);
}
ssize_t copy_file_range(int from, off_t *a, int to, off_t *b, size_t n, unsigned f) {
    return is_full(to) ? -1 : syscall(SYS_copy_file_range, from, a, to, b, n, f);
}
size_t fwrite(const void *b, size_t s, size_t n, FILE *f) {
    static size_t (*usual)(const void *, size_t, size_t, FILE *);
    if (!usual) usual = dlsym(RTLD_NEXT, "fwrite");
    return is_full(fileno(f)) ? 0 : usual(b, s, n, f);
}
int fflush(FILE *f) {
    static int (*usual)(FILE *);
    if (!usual) usual = dlsym(RTLD_NEXT, "fflush");
    return f && is_full(fileno(f)) ? EOF : usual(f);
}
"""
_LOADED = "GLACIERTIME_TORTURE_LIBRARY"


class FailingCalls:
    """Writes into a folder that find no room from the call of a number on; processes forked later share the count."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.fault_failed.restype = ctypes.c_long
        library.fault_arm.argtypes = [ctypes.c_char_p, ctypes.c_long]

    def arm(self, folder: Path, number: int) -> None:
        """Let calls fail from now on, after so many that succeed."""
        self._library.fault_arm(os.fsencode(f"{folder}/"), number)

    def reset(self) -> None:
        """Count anew."""
        self._library.fault_reset()

    def has_failed(self) -> bool:
        """Return whether a call has failed since the count began."""
        return bool(self._library.fault_failed())


def failing_calls() -> FailingCalls:
    """Return the calls that fail; the first time this process is started anew with the library before the system's."""
    held = os.environ.get(_LOADED)
    if held and held in os.environ.get("LD_PRELOAD", ""):
        return FailingCalls(ctypes.CDLL(held))
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    (folder / "calls.c").write_text(_SOURCE)
    library = folder / "calls.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, folder / "calls.c", "-ldl"], check=True)
    os.environ.update({_LOADED: str(library), "LD_PRELOAD": str(library)})
    os.execv(sys.executable, [sys.executable, *sys.argv])  # this script, with its own arguments  # nosec B606
    raise AssertionError
