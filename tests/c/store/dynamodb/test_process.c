/* SPDX-License-Identifier: MIT */
/* Running a program on a loop: its output, its exit status, and its timeout. */
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

struct outcome {
  int calls;
  enum cachette__process_end end;
  int status;
  char output[256], error_output[256];
  size_t output_size, error_size;
};

static void copy(const cachette__text *text, char *to, size_t size, size_t *text_size) {
  snprintf(to, size, "%s", text->bytes != NULL ? text->bytes : "");
  *text_size = text->size;
}

static void on_end(const cachette__process_result *result, void *data) {
  struct outcome *outcome = data;
  outcome->calls++;
  outcome->end = result->end;
  outcome->status = result->status;
  copy(result->output, outcome->output, sizeof outcome->output, &outcome->output_size);
  copy(result->error_output, outcome->error_output, sizeof outcome->error_output,
       &outcome->error_size);
}

static int start(struct outcome *outcome, cachette__process **process, const char *program,
                 const char *text, int64_t timeout_ms) {
  char *const words[] = {(char *)program, (char *)"-c", (char *)text, NULL};
  *outcome = (struct outcome){0};
  return cachette__process_start(&loop, words, timeout_ms, on_end, outcome, process);
}

/* Runs a script until it has exited. Checks that no child process is left. */
static struct outcome run(const char *text, int64_t timeout_ms) {
  struct outcome outcome;
  cachette__process *process;
  assert_int_equal(start(&outcome, &process, "sh", text, timeout_ms), 0);
  assert_int_equal(outcome.calls, 0);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(outcome.calls, 1);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
  assert_int_equal(errno, ECHILD);
  return outcome;
}

static void output_and_exit_status_are_reported(void **state) {
  (void)state;
  struct outcome outcome = run("echo out; echo err >&2", LONG_MS);
  assert_int_equal(outcome.end, CACHETTE__PROCESS_EXITED);
  assert_int_equal(outcome.status, 0);
  assert_string_equal(outcome.output, "out\n");
  assert_string_equal(outcome.error_output, "err\n");
  outcome = run("exit 7", LONG_MS);
  assert_int_equal(outcome.status, 7);
  assert_string_equal(outcome.output, "");
  outcome = run("kill -TERM $$", LONG_MS);
  assert_int_equal(outcome.end, CACHETTE__PROCESS_KILLED);
  assert_int_equal(outcome.status, SIGTERM);
}

static void the_standard_input_is_empty(void **state) {
  (void)state;
  assert_string_equal(run("cat; echo end", LONG_MS).output, "end\n");
}

static void the_exit_status_may_come_after_the_output_closed(void **state) {
  (void)state;
  struct outcome outcome = run("echo out; exec >&- 2>&-; sleep 0.05; exit 3", LONG_MS);
  assert_int_equal(outcome.status, 3);
  assert_string_equal(outcome.output, "out\n");
}

static void output_is_limited(void **state) {
  (void)state;
  struct outcome outcome = run("head -c 65536 /dev/zero | tr '\\0' x", LONG_MS);
  assert_int_equal(outcome.end, CACHETTE__PROCESS_EXITED);
  assert_int_equal(outcome.output_size, 65536);
  assert_int_equal(run("yes", LONG_MS).end, CACHETTE__PROCESS_TOO_MUCH_OUTPUT);
  outcome = run("head -c 100000 /dev/zero | tr '\\0' x >&2; echo out", LONG_MS);
  assert_int_equal(outcome.end, CACHETTE__PROCESS_EXITED);
  assert_int_equal(outcome.error_size, 4096);
  assert_string_equal(outcome.output, "out\n");
}

static void a_program_that_exceeds_the_timeout_is_killed(void **state) {
  (void)state;
  assert_int_equal(run("exec sleep 600", 20).end, CACHETTE__PROCESS_TIMED_OUT);
  assert_int_equal(run("exec >&- 2>&-; exec sleep 600", 20).end, CACHETTE__PROCESS_TIMED_OUT);
  /* A grandchild that keeps the pipe open does not delay the timeout. */
  assert_int_equal(run("sleep 1 & echo out", 20).end, CACHETTE__PROCESS_TIMED_OUT);
}

static void a_program_that_cannot_be_run_is_reported_at_once(void **state) {
  struct outcome outcome;
  cachette__process *process;
  (void)state;
  int before = count_descriptors();
  assert_int_equal(start(&outcome, &process, "/none", "", LONG_MS), ENOENT);
  assert_int_equal(start(&outcome, &process, "/tmp", "", LONG_MS), EACCES);
  assert_int_equal(count_descriptors(), before);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(outcome.calls, 0);
}

static void a_stopped_program_reports_nothing(void **state) {
  struct outcome outcome;
  cachette__process *process;
  (void)state;
  assert_int_equal(start(&outcome, &process, "sh", "exec sleep 600", LONG_MS), 0);
  uv_run(&loop, UV_RUN_NOWAIT);
  cachette__process_stop(process, false);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(outcome.calls, 0);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void a_forked_child_does_not_stop_the_program_of_its_parent(void **state) {
  struct outcome outcome;
  cachette__process *process;
  (void)state;
  assert_int_equal(start(&outcome, &process, "sh", "sleep 0.1; echo out", LONG_MS), 0);
  pid_t child = fork();
  if (child == 0) {
    cachette__process_stop(process, true);
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(outcome.calls, 1);
  assert_string_equal(outcome.output, "out\n");
}

static int signals_received;

static void on_sigchld(int number) {
  (void)number;
  signals_received++;
}

/* A handler of the host for SIGCHLD stays installed. SIGCHLD may also be ignored. */
static void the_signal_handler_of_the_host_stays_installed(void **state) {
  struct sigaction action = {.sa_handler = on_sigchld}, before, after;
  (void)state;
  assert_int_equal(sigaction(SIGCHLD, &action, &before), 0);
  assert_string_equal(run("echo out", LONG_MS).output, "out\n");
  assert_true(signals_received > 0);
  assert_int_equal(sigaction(SIGCHLD, NULL, &after), 0);
  assert_true(after.sa_handler == on_sigchld);
  action.sa_handler = SIG_IGN;
  assert_int_equal(sigaction(SIGCHLD, &action, NULL), 0);
  struct outcome outcome = run("echo out; exit 3", LONG_MS);
  assert_int_equal(outcome.end, CACHETTE__PROCESS_EXITED); /* its exit status is unknown */
  assert_string_equal(outcome.output, "out\n");
  assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

static void a_program_has_the_default_signal_handling(void **state) {
  sigset_t all, before;
  (void)state;
  void (*pipes)(int) = signal(SIGPIPE, SIG_IGN);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  struct outcome outcome = run("kill -PIPE $$; exit 3", LONG_MS);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  signal(SIGPIPE, pipes);
  assert_int_equal(outcome.end, CACHETTE__PROCESS_KILLED);
  assert_int_equal(outcome.status, SIGPIPE);
}

static int run_with_little_memory(void *data) {
  struct outcome outcome;
  cachette__process *process;
  (void)data;
  int reason = start(&outcome, &process, "sh", "echo out; echo err >&2", LONG_MS);
  if (reason == 0) assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(outcome.calls, reason == 0);
  return reason == ENOMEM || outcome.end == CACHETTE__PROCESS_NO_MEMORY;
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  nomem_each_needed(run_with_little_memory, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(output_and_exit_status_are_reported),
      cmocka_unit_test(the_standard_input_is_empty),
      cmocka_unit_test(the_exit_status_may_come_after_the_output_closed),
      cmocka_unit_test(output_is_limited),
      cmocka_unit_test(a_program_that_exceeds_the_timeout_is_killed),
      cmocka_unit_test(a_program_that_cannot_be_run_is_reported_at_once),
      cmocka_unit_test(a_stopped_program_reports_nothing),
      cmocka_unit_test(a_forked_child_does_not_stop_the_program_of_its_parent),
      cmocka_unit_test(the_signal_handler_of_the_host_stays_installed),
      cmocka_unit_test(a_program_has_the_default_signal_handling),
      cmocka_unit_test(each_failing_allocation_is_handled),
  };
  failing_allocator_install();
  if (uv_loop_init(&loop) < 0) return 1;
  int failed = cmocka_run_group_tests_name("process", tests, NULL, NULL);
  return uv_loop_close(&loop) == 0 ? failed : 1;
}
