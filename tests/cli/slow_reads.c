/* A disk that is slow for large files: read() as libc has it, after a pause where much is asked for.
 * Loaded with LD_PRELOAD by the test of the load's progress line. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) ssize_t read(int fd, void *bytes, size_t size) {
  /* Weights are read by the megabyte; nothing else is. 0.7 s is past the half second after which a
   * load speaks. */
  const size_t much = (size_t)1 << 20;
  const struct timespec pause = {0, 700000000};
  ssize_t (*next)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
  if (size >= much) nanosleep(&pause, NULL);
  return next(fd, bytes, size);
}
