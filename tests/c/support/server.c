/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "support.h"

static struct sockaddr_in address_of(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int server_find_port(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = address_of(0);
  socklen_t size = sizeof address;
  assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
  close(listener);
  return ntohs(address.sin_port);
}

int server_connect(int port) {
  int peer = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = address_of(port);
  if (connect(peer, (struct sockaddr *)&address, sizeof address) == 0) return peer;
  close(peer);
  return -1;
}

static void wait_until_up(pid_t pid, int port, int seconds, const char *program,
                          const char *advice) {
  const struct timespec pause = {0, 10 * 1000 * 1000};
  for (int i = 0; i < seconds * 100; i++) {
    int peer = server_connect(port);
    if (peer >= 0) {
      close(peer);
      return;
    }
    if (waitpid(pid, NULL, WNOHANG) != 0) fail_msg("%s ended. %s", program, advice);
    nanosleep(&pause, NULL);
  }
  fail_msg("%s did not come up within %d s. %s", program, seconds, advice);
}

pid_t server_run(const char *const *words, int port, int seconds, const char *advice) {
  fflush(NULL);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO); /* stdout is for the test report */
    execvp(words[0], (char *const *)words);
    perror(words[0]);
    _exit(127);
  }
  wait_until_up(pid, port, seconds, words[0], advice);
  return pid;
}

void server_stop(pid_t pid) {
  int status;
  kill(pid, SIGSTOP);
  assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
  assert_true(WIFSTOPPED(status));
}

void server_continue(pid_t pid) { kill(pid, SIGCONT); }

void server_kill(pid_t *pid) {
  if (*pid == 0) return;
  kill(*pid, SIGKILL);
  kill(*pid, SIGCONT);
  waitpid(*pid, NULL, 0);
  *pid = 0;
}
