/* SPDX-License-Identifier: MIT */
/* Programs are run on a loop: what they print and how they end, in time or not. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "nomem.h"
#include "store/dynamodb/aws/process.h"
#include "support.h"

enum { LONG_MS = 100000 };

static uv_loop_t loop;

struct told {
  int calls;
  enum cachette__process_end end;
  int status;
  char output[256], complaints[256];
  size_t output_size, complaints_size;
};

static void copy(const cachette__text *text, char *to, size_t size, size_t *text_size) {
  snprintf(to, size, "%s", text->bytes != NULL ? text->bytes : "");
  *text_size = text->size;
}

static void on_end(const cachette__process_result *result, void *data) {
  struct told *told = data;
  told->calls++;
  told->end = result->end;
  told->status = result->status;
  copy(result->output, told->output, sizeof told->output, &told->output_size);
  copy(result->error_output, told->complaints, sizeof told->complaints, &told->complaints_size);
}

static int start(struct told *told, cachette__process **process, const char *program,
                 const char *text, int64_t timeout_ms) {
  char *const words[] = {(char *)program, (char *)"-c", (char *)text, NULL};
  *told = (struct told){0};
  return cachette__process_start(&loop, words, timeout_ms, on_end, told, process);
}

/* Runs a script to its end, and holds that nothing of it is left. */
static struct told run(const char *text, int64_t timeout_ms) {
  struct told told;
  cachette__process *process;
  assert_int_equal(start(&told, &process, "sh", text, timeout_ms), 0);
  assert_int_equal(told.calls, 0);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(told.calls, 1);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
  assert_int_equal(errno, ECHILD);
  return told;
}

static void what_it_prints_is_told(void **state) {
  (void)state;
  struct told told = run("echo out; echo err >&2", LONG_MS);
  assert_int_equal(told.end, CACHETTE__PROCESS_EXITED);
  assert_int_equal(told.status, 0);
  assert_string_equal(told.output, "out\n");
  assert_string_equal(told.complaints, "err\n");
  told = run("exit 7", LONG_MS);
  assert_int_equal(told.status, 7);
  assert_string_equal(told.output, "");
  told = run("kill -TERM $$", LONG_MS);
  assert_int_equal(told.end, CACHETTE__PROCESS_KILLED);
  assert_int_equal(told.status, SIGTERM);
}

static void it_has_nothing_to_read(void **state) {
  (void)state;
  assert_string_equal(run("cat; echo end", LONG_MS).output, "end\n");
}

static void it_may_end_later_than_what_it_prints(void **state) {
  (void)state;
  struct told told = run("echo out; exec >&- 2>&-; sleep 0.05; exit 3", LONG_MS);
  assert_int_equal(told.status, 3);
  assert_string_equal(told.output, "out\n");
}

static void much_is_read_and_too_much_is_not(void **state) {
  (void)state;
  struct told told = run("head -c 65536 /dev/zero | tr '\\0' x", LONG_MS);
  assert_int_equal(told.end, CACHETTE__PROCESS_EXITED);
  assert_int_equal(told.output_size, 65536);
  assert_int_equal(run("yes", LONG_MS).end, CACHETTE__PROCESS_TOO_MUCH_OUTPUT);
  told = run("head -c 100000 /dev/zero | tr '\\0' x >&2; echo out", LONG_MS);
  assert_int_equal(told.end, CACHETTE__PROCESS_EXITED);
  assert_int_equal(told.complaints_size, 4096);
  assert_string_equal(told.output, "out\n");
}

static void one_that_takes_too_long_is_ended(void **state) {
  (void)state;
  assert_int_equal(run("exec sleep 600", 20).end, CACHETTE__PROCESS_TIMED_OUT);
  assert_int_equal(run("exec >&- 2>&-; exec sleep 600", 20).end, CACHETTE__PROCESS_TIMED_OUT);
  /* A child of its own that keeps the pipe is not waited for. */
  assert_int_equal(run("sleep 1 & echo out", 20).end, CACHETTE__PROCESS_TIMED_OUT);
}

static void one_that_cannot_be_run_is_told_at_once(void **state) {
  struct told told;
  cachette__process *process;
  (void)state;
  int before = count_descriptors();
  assert_int_equal(start(&told, &process, "/none", "", LONG_MS), ENOENT);
  assert_int_equal(start(&told, &process, "/tmp", "", LONG_MS), EACCES);
  assert_int_equal(count_descriptors(), before);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(told.calls, 0);
}

static void one_that_is_stopped_tells_nothing(void **state) {
  struct told told;
  cachette__process *process;
  (void)state;
  assert_int_equal(start(&told, &process, "sh", "exec sleep 600", LONG_MS), 0);
  uv_run(&loop, UV_RUN_NOWAIT);
  cachette__process_stop(process, false);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(told.calls, 0);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void that_of_a_parent_is_let_alone(void **state) {
  struct told told;
  cachette__process *process;
  (void)state;
  assert_int_equal(start(&told, &process, "sh", "sleep 0.1; echo out", LONG_MS), 0);
  pid_t child = fork();
  if (child == 0) {
    cachette__process_stop(process, true);
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(told.calls, 1);
  assert_string_equal(told.output, "out\n");
}

static int children_told;

static void on_child(int number) {
  (void)number;
  children_told++;
}

/* Whoever has a handler for the ends of children keeps it; who wants none to be told has none. */
static void the_hosts_signals_stay(void **state) {
  struct sigaction action = {.sa_handler = on_child}, before, after;
  (void)state;
  assert_int_equal(sigaction(SIGCHLD, &action, &before), 0);
  assert_string_equal(run("echo out", LONG_MS).output, "out\n");
  assert_true(children_told > 0);
  assert_int_equal(sigaction(SIGCHLD, NULL, &after), 0);
  assert_true(after.sa_handler == on_child);
  action.sa_handler = SIG_IGN;
  assert_int_equal(sigaction(SIGCHLD, &action, NULL), 0);
  struct told told = run("echo out; exit 3", LONG_MS);
  assert_int_equal(told.end, CACHETTE__PROCESS_EXITED); /* with what is not known */
  assert_string_equal(told.output, "out\n");
  assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

static void signals_are_for_it_what_they_usually_are(void **state) {
  sigset_t all, before;
  (void)state;
  void (*pipes)(int) = signal(SIGPIPE, SIG_IGN);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  struct told told = run("kill -PIPE $$; exit 3", LONG_MS);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  signal(SIGPIPE, pipes);
  assert_int_equal(told.end, CACHETTE__PROCESS_KILLED);
  assert_int_equal(told.status, SIGPIPE);
}

static int run_with_little_memory(void *data) {
  struct told told;
  cachette__process *process;
  (void)data;
  int reason = start(&told, &process, "sh", "echo out; echo err >&2", LONG_MS);
  if (reason == 0) assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(told.calls, reason == 0);
  return reason == ENOMEM || told.end == CACHETTE__PROCESS_NO_MEMORY;
}

static void each_allocation_fails(void **state) {
  (void)state;
  nomem_each_needed(run_with_little_memory, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_it_prints_is_told),
      cmocka_unit_test(it_has_nothing_to_read),
      cmocka_unit_test(it_may_end_later_than_what_it_prints),
      cmocka_unit_test(much_is_read_and_too_much_is_not),
      cmocka_unit_test(one_that_takes_too_long_is_ended),
      cmocka_unit_test(one_that_cannot_be_run_is_told_at_once),
      cmocka_unit_test(one_that_is_stopped_tells_nothing),
      cmocka_unit_test(that_of_a_parent_is_let_alone),
      cmocka_unit_test(the_hosts_signals_stay),
      cmocka_unit_test(signals_are_for_it_what_they_usually_are),
      cmocka_unit_test(each_allocation_fails),
  };
  failing_allocator_install();
  if (uv_loop_init(&loop) < 0) return 1;
  int failed = cmocka_run_group_tests_name("process", tests, NULL, NULL);
  return uv_loop_close(&loop) == 0 ? failed : 1;
}
