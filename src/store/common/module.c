/* SPDX-License-Identifier: MIT */
#include "module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *cachette__module_folder;

static const cachette__module_stamp stamp = CACHETTE__MODULE_STAMP;

static const cachette__module_table table = {
#define X(type, name, parameters, arguments) .name = name,
    CACHETTE__MODULE_FUNCTIONS(X)
#undef X
#define X(name, parameters, arguments) .name = name,
        CACHETTE__MODULE_PROCEDURES(X)
#undef X
};

/* ---- Finding its file ---- */

/* Finds the folder of the file that contains the core. Returns its length with the '/', or 0. */
static size_t core_folder(const char **folder) {
  Dl_info info;
  if (dladdr(&table, &info) == 0 || info.dli_fname == NULL) return 0;
  const char *slash = strrchr(info.dli_fname, '/');
  if (slash == NULL) return 0;
  *folder = info.dli_fname;
  return (size_t)(slash + 1 - info.dli_fname);
}

/* Fills `path`, which has PATH_MAX bytes. Returns whether the file exists. */
static bool try_path(char *path, const char *folder, size_t size, const char *subfolder,
                     const char *name) {
  int length = snprintf(path, PATH_MAX, "%.*s%scachette-%s.so", (int)size, folder, subfolder, name);
  return length < PATH_MAX && access(path, R_OK) == 0;
}

static bool find_file(const char *name, char *path) {
  const char *folder = cachette__module_folder;
  if (folder != NULL && try_path(path, folder, strlen(folder), "/", name)) return true;
  size_t size = core_folder(&folder);
  if (size == 0) return false;
  return try_path(path, folder, size, "", name) || try_path(path, folder, size, "cachette/", name);
}

/* ---- Opening it ---- */

static int fail_missing(const cachette__module *module, const char *backend,
                        cachette_error *error) {
  return cachette__fail(error, CACHETTE_EUNSUPPORTED, "backend",
                        "The \"%s\" backend is not part of this build of cachette. Install %s (on "
                        "Debian %s), then rebuild cachette with -D%s=enabled.",
                        backend, module->library, module->package, module->name);
}

static int fail_load(const cachette__module *module, const char *backend, cachette_error *error) {
  const char *reason = dlerror();
  return cachette__fail(
      error, CACHETTE_EUNSUPPORTED, "backend",
      "The \"%s\" backend could not be loaded; it needs %s (on Debian %s). The error is: %s",
      backend, module->library, module->package, reason != NULL ? reason : "nothing");
}

static int fail_mismatch(const cachette__module *module, const char *backend,
                         cachette_error *error) {
  return cachette__fail(
      error, CACHETTE_EUNSUPPORTED, "backend",
      "The \"%s\" backend's module, cachette-%s.so, does not match cachette " CACHETTE_VERSION
      ". Reinstall both.",
      backend, module->name);
}

/* Several threads may open the module at the same time, with the same result. So no lock is needed,
 * which a fork could leave locked in the child. */
static int load(cachette__module *module, const char *backend, cachette_error *error) {
  char path[PATH_MAX];
  if (!find_file(module->name, path)) return fail_missing(module, backend, error);
  void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) return fail_load(module, backend, error);
  /* ISO C does not allow to convert a void * to a function pointer; POSIX does. */
  cachette__module_entry *entry;
  *(void **)&entry = dlsym(object, CACHETTE__MODULE_ENTRY);
  if (entry == NULL) return fail_load(module, backend, error);
  const cachette__store_vtable *store = entry(&stamp, &table);
  if (store == NULL) return fail_mismatch(module, backend, error);
  atomic_store(&module->store, store);
  return CACHETTE_OK;
}

int cachette__module_open(cachette__module *module, const char *backend,
                          const cachette__store_vtable **store, cachette_error *error) {
  if (atomic_load(&module->store) == NULL) {
    int code = load(module, backend, error);
    if (code < 0) return code;
  }
  *store = atomic_load(&module->store);
  return CACHETTE_OK;
}
