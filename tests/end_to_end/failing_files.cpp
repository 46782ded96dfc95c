// A library to be preloaded: lets the nth call that changes files below a folder fail, once.
//
//     FAILING_FOLDER  calls on files below it count; others pass untouched
//     FAILING_CALL    which call fails, from 1; 0: none
//     FAILING_COUNT   a file that holds the number of calls so far
//
// Counted: open for writing (fails with EACCES), write, writev, pwrite (in turn ENOSPC, EIO, and a
// short write, which is no error), fsync and fdatasync (EIO), rename and renameat2 (EACCES).
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

std::atomic<long> num_calls{0};

const char* folder() {
  static const char* const value = getenv("FAILING_FOLDER");
  return value;
}
long failing_call() {
  static const long value = getenv("FAILING_CALL") != nullptr ? atol(getenv("FAILING_CALL")) : 0;
  return value;
}

bool is_below(const char* path) {
  if (folder() == nullptr || path == nullptr) return false;
  char whole[PATH_MAX];
  if (path[0] != '/') {
    if (getcwd(whole, sizeof whole) == nullptr) return false;
    return (std::string(whole) + "/" + path).rfind(folder(), 0) == 0;
  }
  return strncmp(path, folder(), strlen(folder())) == 0;
}

bool is_below(int fd) {
  if (folder() == nullptr) return false;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return is_below(path);
}

/// By system calls, which nothing here counts; at once, because the program ends without clearing
/// up.
void tell(long calls) {
  static const char* const file = getenv("FAILING_COUNT");
  static const long fd =
      file == nullptr ? -1 : syscall(SYS_open, file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0) return;
  char text[32];
  const int length = snprintf(text, sizeof text, "%ld\n", calls);
  syscall(SYS_pwrite64, fd, text, static_cast<size_t>(length), 0L);
}

/// True when this counted call is the one to fail.
bool fails() {
  const long calls = ++num_calls;
  tell(calls);
  return calls == failing_call();
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

bool writes(int flags) {
  return (flags & (O_WRONLY | O_RDWR)) != 0;
}

/// What becomes of a write of @p count bytes: -1 with errno, or a shorter count.
ssize_t fail_write(size_t count) {
  switch (failing_call() % 3) {
    case 0:
      errno = ENOSPC;
      return -1;
    case 1:
      errno = EIO;
      return -1;
    default:
      return static_cast<ssize_t>(count / 2);
  }
}

}  // namespace

extern "C" {

#define FAILING_OPEN(name)                                                      \
  int name(const char* path, int flags, ...) {                                  \
    va_list arguments;                                                          \
    va_start(arguments, flags);                                                 \
    const unsigned mode = va_arg(arguments, unsigned);                          \
    va_end(arguments);                                                          \
    if (writes(flags) && is_below(path) && fails()) {                           \
      errno = EACCES;                                                           \
      return -1;                                                                \
    }                                                                           \
    return next<int (*)(const char*, int, unsigned)>(#name)(path, flags, mode); \
  }
FAILING_OPEN(open)
FAILING_OPEN(open64)

#define FAILING_FOPEN(name)                                              \
  FILE* name(const char* path, const char* mode) {                       \
    if (strpbrk(mode, "wa+") != nullptr && is_below(path) && fails()) {  \
      errno = EACCES;                                                    \
      return nullptr;                                                    \
    }                                                                    \
    return next<FILE* (*)(const char*, const char*)>(#name)(path, mode); \
  }
FAILING_FOPEN(fopen)
FAILING_FOPEN(fopen64)

ssize_t write(int fd, const void* bytes, size_t count) {
  const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  if (!is_below(fd) || !fails()) return real(fd, bytes, count);
  const ssize_t allowed = fail_write(count);
  return allowed <= 0 ? (allowed < 0 ? -1 : real(fd, bytes, count))
                      : real(fd, bytes, static_cast<size_t>(allowed));
}

ssize_t writev(int fd, const struct iovec* parts, int num_parts) {
  const auto real = next<ssize_t (*)(int, const struct iovec*, int)>("writev");
  if (!is_below(fd) || !fails()) return real(fd, parts, num_parts);
  if (failing_call() % 3 == 2) return real(fd, parts, 1);
  errno = failing_call() % 3 == 0 ? ENOSPC : EIO;
  return -1;
}

#define FAILING_PWRITE(name)                                                     \
  ssize_t name(int fd, const void* bytes, size_t count, off_t offset) {          \
    const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>(#name); \
    if (!is_below(fd) || !fails()) return real(fd, bytes, count, offset);        \
    const ssize_t allowed = fail_write(count);                                   \
    return allowed <= 0 ? (allowed < 0 ? -1 : real(fd, bytes, count, offset))    \
                        : real(fd, bytes, static_cast<size_t>(allowed), offset); \
  }
FAILING_PWRITE(pwrite)
FAILING_PWRITE(pwrite64)

#define FAILING_SYNC(name)                \
  int name(int fd) {                      \
    if (is_below(fd) && fails()) {        \
      errno = EIO;                        \
      return -1;                          \
    }                                     \
    return next<int (*)(int)>(#name)(fd); \
  }
FAILING_SYNC(fsync)
FAILING_SYNC(fdatasync)

int rename(const char* from, const char* to) {
  if (is_below(to) && fails()) {
    errno = EACCES;
    return -1;
  }
  return next<int (*)(const char*, const char*)>("rename")(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  if (is_below(to) && fails()) {
    errno = EACCES;
    return -1;
  }
  return next<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(
      from_folder, from, to_folder, to, flags);
}

}  // extern "C"
