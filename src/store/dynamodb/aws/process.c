/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../base/alloc.h"
#include "../../../base/clock.h"

#ifdef __APPLE__
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#endif

enum {
  OUTPUT_MAX = 64 * 1024,
  ERRORS_MAX = 4096, /* bytes of stderr; the rest is dropped */
  POLL_MS = 5        /* between calls of waitpid() after the output has ended */
};

/* One of the two pipes that the program writes to. */
typedef struct output_pipe {
  uv_pipe_t pipe;
  cachette__text text;
  size_t limit;
  bool is_open;
} output_pipe;

struct cachette__process {
  output_pipe output, error_output;
  uv_timer_t timer;
  uv_loop_t *loop;
  size_t open_handles;
  pid_t pid; /* 0: it has ended and was reaped */
  int64_t deadline_ms;
  cachette__process_result result;
  bool is_ending;                                                   /* the result is final */
  void (*done)(const cachette__process_result *result, void *data); /* NULL: called or cancelled */
  void *data;
  char buffer[4096];
};

/* ---- End ---- */

static void free_process(cachette__process *process) {
  cachette__text_wipe(&process->output.text);
  cachette__text_wipe(&process->error_output.text);
  cachette__wipe(process->buffer, sizeof process->buffer);
  cachette__free(process);
}

static void on_closed(uv_handle_t *handle) {
  cachette__process *process = handle->data;
  if (--process->open_handles == 0) free_process(process);
}

static void close_pipe(output_pipe *from) {
  if (from->is_open) uv_close((uv_handle_t *)&from->pipe, on_closed);
  from->is_open = false;
}

static void on_timer(uv_timer_t *timer);

static void set_timer(cachette__process *process, int64_t delay_ms) {
  uv_update_time(process->loop);
  uv_timer_start(&process->timer, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

/* Whether the program has ended; reaps it. Its status is lost if the host reaps all children and
 * was faster. */
static bool has_ended(cachette__process *process) {
  int status = 0;
  if (process->pid == 0) return true;
  pid_t found = waitpid(process->pid, &status, WNOHANG);
  if (found == 0 || (found < 0 && errno == EINTR)) return false;
  process->pid = 0;
  if (process->is_ending || found < 0) return true;
  bool by_signal = WIFSIGNALED(status);
  process->result.end = by_signal ? CACHETTE__PROCESS_KILLED : CACHETTE__PROCESS_EXITED;
  process->result.status = by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
  return true;
}

static void kill_process(cachette__process *process) {
  if (!has_ended(process)) kill(process->pid, SIGKILL);
}

static void call_done(cachette__process *process) {
  void (*done)(const cachette__process_result *, void *) = process->done;
  process->done = NULL;
  if (done == NULL) return;
  process->result.output = &process->output.text;
  process->result.error_output = &process->error_output.text;
  done(&process->result, process->data);
}

/* Reports the result. The memory is freed when the program was reaped. */
static void finish(cachette__process *process) {
  close_pipe(&process->output);
  close_pipe(&process->error_output);
  call_done(process);
  process->is_ending = true;
  if (has_ended(process))
    uv_close((uv_handle_t *)&process->timer, on_closed);
  else
    set_timer(process, POLL_MS);
}

static void stop(cachette__process *process, enum cachette__process_end reason) {
  kill_process(process);
  process->result.end = reason;
  finish(process);
}

static void on_timer(uv_timer_t *timer) {
  cachette__process *process = timer->data;
  bool is_closed = !process->output.is_open && !process->error_output.is_open;
  if (process->is_ending || (is_closed && has_ended(process)))
    finish(process);
  else if (cachette__machine_now() >= process->deadline_ms)
    stop(process, CACHETTE__PROCESS_TIMED_OUT);
  else
    set_timer(process, is_closed ? POLL_MS : process->deadline_ms - cachette__machine_now());
}

/* ---- Output ---- */

static void provide_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
  cachette__process *process = handle->data;
  (void)size;
  *buffer = uv_buf_init(process->buffer, sizeof process->buffer);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
  cachette__process *process = stream->data;
  bool is_output = stream == (uv_stream_t *)&process->output.pipe;
  output_pipe *from = is_output ? &process->output : &process->error_output;
  if (got < 0) {
    close_pipe(from);
    if (!process->output.is_open && !process->error_output.is_open) set_timer(process, 0);
    return;
  }
  size_t capacity = from->limit - from->text.size;
  if ((size_t)got > capacity && is_output)
    stop(process, CACHETTE__PROCESS_TOO_MUCH_OUTPUT);
  else
    cachette__text_add(&from->text, buffer->base, (size_t)got < capacity ? (size_t)got : capacity);
  cachette__wipe(process->buffer, sizeof process->buffer);
  if (from->text.failed && from->is_open) stop(process, CACHETTE__PROCESS_NO_MEMORY);
}

/* ---- Start ---- */

static int make_pipe(int ends[2]) {
#ifdef __linux__
  return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
#else
  if (pipe(ends) < 0) return errno;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  return 0;
#endif
}

/* Starts the program with an empty stdin, because there is no terminal, and with default signal
 * handlers. */
static int spawn(pid_t *pid, char *const *words, int output, int error_output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGXFSZ);
  sigaddset(&defaults, SIGCHLD);
  int reason = posix_spawn_file_actions_init(&actions);
  if (reason != 0) return reason;
  reason = posix_spawnattr_init(&attributes);
  if (reason == 0) {
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    reason = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (reason == 0) reason = posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (reason == 0) reason = posix_spawn_file_actions_adddup2(&actions, error_output, 2);
    if (reason == 0) reason = posix_spawnp(pid, words[0], &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return reason;
}

/* Starts the program with both pipes, and returns the read ends in `output` and `error_output`.
 * Returns 0 or an errno. */
static int spawn_with_pipes(pid_t *pid, char *const *words, int *output, int *error_output) {
  int out[2], err[2];
  int reason = make_pipe(out);
  if (reason != 0) return reason;
  reason = make_pipe(err);
  if (reason == 0) {
    reason = spawn(pid, words, out[1], err[1]);
    close(err[1]);
    if (reason != 0) close(err[0]);
  }
  close(out[1]);
  if (reason != 0) close(out[0]);
  *output = out[0];
  *error_output = err[0];
  return reason;
}

static void open_pipe(cachette__process *process, output_pipe *from, int fd, size_t limit) {
  uv_pipe_init(process->loop, &from->pipe, 0);
  from->pipe.data = process;
  from->limit = limit;
  from->is_open = true;
  if (uv_pipe_open(&from->pipe, fd) < 0) close(fd);
  if (uv_read_start((uv_stream_t *)&from->pipe, provide_buffer, on_read) < 0) close_pipe(from);
}

int cachette__process_start(uv_loop_t *loop, char *const *words, int64_t timeout_ms,
                            void (*done)(const cachette__process_result *result, void *data),
                            void *data, cachette__process **process) {
  int output, error_output;
  cachette__process *created = cachette__calloc(1, sizeof *created);
  if (created == NULL) return ENOMEM;
  int reason = spawn_with_pipes(&created->pid, words, &output, &error_output);
  if (reason != 0) {
    cachette__free(created);
    return reason;
  }
  created->loop = loop;
  created->done = done;
  created->data = data;
  created->deadline_ms = cachette__machine_now() + timeout_ms;
  created->open_handles = 3;
  uv_timer_init(loop, &created->timer);
  created->timer.data = created;
  open_pipe(created, &created->output, output, OUTPUT_MAX);
  open_pipe(created, &created->error_output, error_output, ERRORS_MAX);
  set_timer(created, timeout_ms);
  *process = created;
  return 0;
}

static void close_inherited(output_pipe *from) {
  uv_os_fd_t fd;
  if (from->is_open && uv_fileno((uv_handle_t *)&from->pipe, &fd) == 0) close(fd);
}

void cachette__process_stop(cachette__process *process, bool forked) {
  process->done = NULL;
  if (forked) {
    close_inherited(&process->output);
    close_inherited(&process->error_output);
    free_process(process);
  } else {
    kill_process(process);
    finish(process);
  }
}
