/* SPDX-License-Identifier: MIT */
/*
 * Credentials from every kind of profile, while each allocation fails in turn. A call fails with an
 * error or succeeds, and leaks no block, descriptor or child process. The data is in DynamoDB
 * Local. A child process is a fake of the AWS services that issue credentials.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "dynamodb_server.h"
#include "nomem.h"
#include "peer.h"
#include "support.h"

static struct dynamodb_server server;
static char home[] = "/tmp/cachette-home-XXXXXX";
static pid_t fake_services;

/* ---- The fake services ---- */

#define END "2099-01-31T12:34:56Z"

static const char sts_answer[] =
    "<R><AccessKeyId>id</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
    "<SessionToken>token</SessionToken><Expiration>" END "</Expiration></R>";
static const char portal_answer[] =
    "{\"roleCredentials\": {\"accessKeyId\": \"id\", \"secretAccessKey\": \"secret\", "
    "\"sessionToken\": \"token\", \"expiration\": 4073545200000}}";
static const char oidc_answer[] =
    "{\"accessToken\": \"newer\", \"expiresIn\": 3600, \"refreshToken\": \"next\"}";

static void answer(int fd) {
  static char request[16384];
  char head[256];
  size_t size = 0, wanted = 0;
  while (wanted == 0 || size < wanted) {
    ssize_t got = read(fd, request + size, sizeof request - 1 - size);
    if (got <= 0) return;
    size += (size_t)got;
    request[size] = '\0';
    const char *end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length: ");
    if (end == NULL) continue;
    wanted = (size_t)(end + 4 - request);
    if (length != NULL && length < end) wanted += strtoul(length + 16, NULL, 10);
  }
  const char *body = strstr(request, "/federation/") != NULL     ? portal_answer
                     : strncmp(request, "POST /token ", 12) == 0 ? oidc_answer
                                                                 : sts_answer;
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
           strlen(body));
  peer_write(fd, head, strlen(head));
  peer_write(fd, body, strlen(body));
}

/* Starts the fake services in a child process. Returns their port. */
static uint16_t start_fake_services(void) {
  int listener = listen_on("127.0.0.1", 0, 16);
  uint16_t port = port_of(listener);
  fake_services = fork();
  assert_true(fake_services >= 0);
  while (fake_services == 0) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) _exit(1);
    answer(fd);
    close(fd);
  }
  close(listener);
  return port;
}

/* ---- Profiles ---- */

static void write_file(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", home, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

/* The token file of the SSO session "s". Its name is the SHA-1 of "s". */
#define LOGIN ".aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json"
#define REGISTERED                                                          \
  "\"refreshToken\": \"r\", \"clientId\": \"c\", \"clientSecret\": \"s\", " \
  "\"registrationExpiresAt\": \"" END "\", "

static const struct kind {
  const char *name, *config, *login;
} kinds[] = {
    {"keys", "aws_access_key_id = id\naws_secret_access_key = secret\n", NULL},
    {"role",
     "role_arn = arn:b\nsource_profile = b\nexternal_id = x\nduration_seconds = 900\n"
     "[profile b]\nrole_arn = arn:c\nsource_profile = c\n"
     "[profile c]\naws_access_key_id = id\naws_secret_access_key = secret\n",
     NULL},
    {"identity", "role_arn = arn\nweb_identity_token_file = ~/token\n", NULL},
    {"program", "credential_process = cat keys.json\n", NULL},
    {"login", "sso_session = s\nsso_account_id = 1\nsso_role_name = r\n",
     "{\"accessToken\": \"token\", \"expiresAt\": \"" END "\"}"},
    {"old login", "sso_session = s\nsso_account_id = 1\nsso_role_name = r\n",
     "{" REGISTERED "\"accessToken\": \"token\", \"expiresAt\": \"2020-01-31T12:34:56Z\"}"},
};

static void write_kind(const struct kind *kind) {
  char config[1024];
  snprintf(config, sizeof config,
           "[default]\nregion = eu-west-1\nservices = own\n%s"
           "[sso-session s]\nsso_start_url = https://s\nsso_region = eu-west-1\n"
           "[services own]\ndynamodb =\n  endpoint_url = %s\n",
           kind->config, server.url);
  write_file(".aws/config", config);
}

/* Restores the token file, which a refresh may have replaced. */
static void write_login(const struct kind *kind) {
  if (kind->login != NULL) write_file(LOGIN, kind->login);
}

/* ---- The calls ---- */

struct attempt {
  struct nomem_store store;
  const struct kind *kind;
};

static int log_in_and_ping(void *data) {
  struct attempt *attempt = data;
  write_login(attempt->kind);
  return nomem_use_store(&attempt->store);
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  static const struct nomem_call ping = {.verb = CACHETTE_PING};
  cachette_options *options = options_with("backend", "dynamodb", "timeout", "20", NULL);
  for (size_t i = 0; i < LENGTH(kinds); i++) {
    struct attempt attempt = {{options, &ping, 1, {CACHETTE_EBACKEND, CACHETTE_EUNAVAILABLE}},
                              &kinds[i]};
    write_kind(attempt.kind);
    if (log_in_and_ping(&attempt) != 0) fail_msg("%s", attempt.kind->name);
    assert_true(nomem_each(log_in_and_ping, &attempt) > 20);
  }
  cachette_options_free(options);
}

static void create_home(void) {
  static const char *const folders[] = {".aws", ".aws/sso", ".aws/sso/cache"};
  char path[256];
  assert_non_null(mkdtemp(home));
  for (size_t i = 0; i < LENGTH(folders); i++) {
    snprintf(path, sizeof path, "%s/%s", home, folders[i]);
    assert_int_equal(mkdir(path, 0700), 0);
  }
  write_file("token", "token\n");
  write_file("keys.json", "{\"Version\": 1, \"AccessKeyId\": \"id\", \"SecretAccessKey\": \"s\"}");
  setenv("HOME", home, 1);
  assert_int_equal(chdir(home), 0);
}

static int start(void **state) {
  static const char *const others[] = {
      "AWS_PROFILE",       "AWS_DEFAULT_PROFILE",         "AWS_CONFIG_FILE",
      "AWS_ACCESS_KEY_ID", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
      "AWS_REGION",        "AWS_DEFAULT_REGION",          "AWS_ENDPOINT_URL"};
  static const char *const services[] = {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO",
                                         "AWS_ENDPOINT_URL_SSO_OIDC"};
  char url[64];
  (void)state;
  for (size_t i = 0; i < LENGTH(others); i++) unsetenv(others[i]);
  create_home();
  snprintf(url, sizeof url, "http://127.0.0.1:%u", start_fake_services());
  for (size_t i = 0; i < LENGTH(services); i++) setenv(services[i], url, 1);
  dynamodb_server_share(&server);
  /* Makes the libraries allocate what they keep for the whole process. */
  cachette_close(dynamodb_open(&server, NULL));
  return 0;
}

static int stop(void **state) {
  char command[64];
  (void)state;
  kill(fake_services, SIGKILL);
  waitpid(fake_services, NULL, 0);
  dynamodb_server_kill(&server);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no other child process is left */
  snprintf(command, sizeof command, "rm -r '%s'", home);
  return system(command);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_failing_allocation_is_handled)};
  failing_allocator_install();
  json_set_alloc_funcs(cachette__malloc, cachette__free);
  return cmocka_run_group_tests_name("dynamodb_profiles", tests, start, stop);
}
