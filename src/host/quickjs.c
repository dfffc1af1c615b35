/* main() of the QuickJS executables, and the system calls that QuickJS's own `os` module lacks.
   Calls give what the kernel gives: a number, negative errno when they fail. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include "quickjs-libc.h"

/* `modules`: the program's own, in bytecode, its main one first; build.ts writes it. */
#include "modules.h"

#define CALL(name) static JSValue name(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)

static JSValue result(JSContext *ctx, int value) { return JS_NewInt32(ctx, value < 0 ? -errno : value); }

static int number(JSContext *ctx, JSValueConst value) {
  int32_t n = -1;
  JS_ToInt32(ctx, &n, value);
  return n;
}

CALL(error_name) {
  const char *name = strerrorname_np(number(ctx, argv[0]));
  return JS_NewString(ctx, name ? name : "EUNKNOWN");
}

/* How many bytes at `bytes` are one character of UTF-8; 0 when they are none, and `bad` those that make one U+FFFD. */
static size_t character(const uint8_t *bytes, size_t left, size_t *bad) {
  uint8_t lead = bytes[0], low = 0x80, high = 0xbf;
  size_t i = 1;
  int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : -1;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  for (; more > 0 && i < left && bytes[i] >= low && bytes[i] <= high; more--, i++) low = 0x80, high = 0xbf;
  *bad = i;
  return more == 0 ? i : 0;
}

/* QuickJS's own decoder swallows the byte after a stray one, even a newline: so each bad sequence becomes U+FFFD here. */
CALL(decode) {
  size_t size, length = 0, bad, from = number(ctx, argv[1]), to = number(ctx, argv[2]), stray = 0;
  const uint8_t *bytes = JS_GetArrayBuffer(ctx, &size, argv[0]);
  if (!bytes && size) return JS_EXCEPTION;
  if (from > to || to > size) return JS_ThrowRangeError(ctx, "decode");
  for (size_t i = from; i < to; i += bad)
    if (!character(bytes + i, to - i, &bad)) stray++;
  if (!stray) return JS_NewStringLen(ctx, (const char *)bytes + from, to - from);
  char *text = js_malloc(ctx, to - from + stray * 3);
  if (!text) return JS_EXCEPTION;
  for (size_t i = from; i < to; i += bad) {
    size_t whole = character(bytes + i, to - i, &bad);
    memcpy(text + length, whole ? (const char *)bytes + i : "\xef\xbf\xbd", whole ? whole : 3);
    length += whole ? whole : 3;
  }
  JSValue string = JS_NewStringLen(ctx, text, length);
  js_free(ctx, text);
  return string;
}

CALL(encode) {
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, argv[0]);
  if (!text) return JS_EXCEPTION;
  JSValue buffer = JS_NewArrayBufferCopy(ctx, (const uint8_t *)text, length);
  JS_FreeCString(ctx, text);
  return buffer;
}

CALL(change_mode) {
  const char *path = JS_ToCString(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  JSValue done = result(ctx, chmod(path, number(ctx, argv[1])));
  JS_FreeCString(ctx, path);
  return done;
}

CALL(make_folder) {
  const char *path = JS_ToCString(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  JSValue done = result(ctx, mkdir(path, number(ctx, argv[1])));
  JS_FreeCString(ctx, path);
  return done;
}

/* syncfs for each disk that these descriptors are on, once */
CALL(sync_disks) {
  dev_t seen[32];
  int count = 0, fd;
  for (;; count++) {
    struct stat st;
    JSValue item = JS_GetPropertyUint32(ctx, argv[0], count);
    int isLast = JS_IsUndefined(item);
    fd = number(ctx, item);
    JS_FreeValue(ctx, item);
    if (isLast || count == 32) return JS_NewInt32(ctx, 0);
    if (fstat(fd, &st) < 0) return result(ctx, -1);
    seen[count] = st.st_dev;
    int at = 0;
    while (seen[at] != st.st_dev) at++;
    if (at == count && syncfs(fd) < 0) return result(ctx, -1);
  }
}

CALL(sync_file) { return result(ctx, fsync(number(ctx, argv[0]))); }
CALL(lock_file) { return result(ctx, flock(number(ctx, argv[0]), LOCK_EX | LOCK_NB)); }
CALL(user) { return JS_NewInt64(ctx, getuid()); }
CALL(group) { return JS_NewInt64(ctx, getgid()); }
CALL(parent) { return JS_NewInt32(ctx, getppid()); }
CALL(memory_file) { return result(ctx, memfd_create("piku", MFD_CLOEXEC)); }

/* [error, bytes, inodes, inodes of the whole file system] */
CALL(free_space) {
  struct statvfs fs = {0};
  const char *path = JS_ToCString(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  int error = statvfs(path, &fs) < 0 ? -errno : 0;
  JS_FreeCString(ctx, path);
  JSValue found = JS_NewArray(ctx);
  JS_SetPropertyUint32(ctx, found, 0, JS_NewInt32(ctx, error));
  JS_SetPropertyUint32(ctx, found, 1, JS_NewInt64(ctx, (int64_t)fs.f_bavail * (int64_t)fs.f_frsize));
  JS_SetPropertyUint32(ctx, found, 2, JS_NewInt64(ctx, fs.f_favail));
  JS_SetPropertyUint32(ctx, found, 3, JS_NewInt64(ctx, fs.f_files));
  return found;
}

CALL(can_bind) {
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(number(ctx, argv[1]))};
  const char *address = JS_ToCString(ctx, argv[0]);
  if (!address) return JS_EXCEPTION;
  int known = inet_pton(AF_INET, address, &where.sin_addr), yes = 1;
  JS_FreeCString(ctx, address);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  int bound = known == 1 && bind(fd, (struct sockaddr *)&where, sizeof where) == 0;
  close(fd);
  return JS_NewBool(ctx, bound);
}

#include "quickjs-children.c"
#include "quickjs-memory.c"

static const JSCFunctionListEntry calls[] = {
  /* PIKU_TARGET comes from build.ts. */
  JS_PROP_STRING_DEF("target", PIKU_TARGET, 0),
  JS_CFUNC_DEF("errorName", 1, error_name), JS_CFUNC_DEF("decode", 3, decode), JS_CFUNC_DEF("encode", 1, encode),
  JS_CFUNC_DEF("chmod", 2, change_mode), JS_CFUNC_DEF("mkdir", 2, make_folder), JS_CFUNC_DEF("fsync", 1, sync_file),
  JS_CFUNC_DEF("flock", 1, lock_file), JS_CFUNC_DEF("syncfs", 1, sync_disks), JS_CFUNC_DEF("getuid", 0, user), JS_CFUNC_DEF("getgid", 0, group),
  JS_CFUNC_DEF("getppid", 0, parent), JS_CFUNC_DEF("memoryFile", 0, memory_file), JS_CFUNC_DEF("free", 1, free_space),
  JS_CFUNC_DEF("canBind", 2, can_bind), JS_CFUNC_DEF("run", 6, run), JS_CFUNC_DEF("capture", 5, capture),
  JS_CFUNC_DEF("launch", 3, launch), JS_CFUNC_DEF("processes", 0, processes),
  JS_CFUNC_DEF("ignoreHangup", 0, ignoreHangup),
};

static int fill_module(JSContext *ctx, JSModuleDef *module) {
  return JS_SetModuleExportList(ctx, module, calls, sizeof calls / sizeof *calls);
}

/* A promise counts as unhandled only if nobody has looked at it by the end: `await` attaches its handler late. */
static struct { void *promise; JSValue reason; } unhandled[64];

static void track(JSContext *ctx, JSValueConst promise, JSValueConst reason, JS_BOOL handled, void *opaque) {
  void *key = JS_VALUE_GET_PTR(promise), *wanted = handled ? key : NULL;
  for (int i = 0; i < 64; i++) {
    if (unhandled[i].promise != wanted) continue;
    unhandled[i].promise = handled ? NULL : key;
    /* Kept on purpose: a promise that is freed could lend its address to another one. */
    if (!handled) JS_DupValue(ctx, promise), unhandled[i].reason = JS_DupValue(ctx, reason);
    return;
  }
}

/* Reads a module of the program when it is first imported. */
static JSModuleDef *load(JSContext *ctx, const char *name, void *opaque) {
  for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
    if (strcmp(name, modules[i].name)) continue;
    JSValue module = JS_ReadObject(ctx, modules[i].bytes, *modules[i].size, JS_READ_OBJ_BYTECODE);
    if (JS_IsException(module)) return NULL;
    /* The context keeps it. */
    JS_FreeValue(ctx, module);
    return JS_VALUE_GET_PTR(module);
  }
  JS_ThrowReferenceError(ctx, "no module '%s'", name);
  return NULL;
}

int main(int argc, char **argv) {
  while (1) {
    int fd = open("/dev/null", O_RDWR);
    if (fd > 2) close(fd);
    if (fd < 0 || fd > 2) break;
  }
  signal(SIGPIPE, SIG_IGN);
  JSRuntime *runtime = JS_NewRuntime2(&memory, NULL);
  JS_SetMaxStackSize(runtime, 1 << 20);
  /* Loading the program makes no garbage. */
  JS_SetGCThreshold(runtime, 4 << 20);
  js_std_init_handlers(runtime);
  JSContext *ctx = JS_NewContext(runtime);
  JS_SetModuleLoaderFunc(runtime, NULL, load, NULL);
  JS_SetHostPromiseRejectionTracker(runtime, track, NULL);
  /* Not `std` and `os`: a bundler has ideas of its own about `os`. */
  js_init_module_std(ctx, "quickjs:std");
  js_init_module_os(ctx, "quickjs:os");
  JS_AddModuleExportList(ctx, JS_NewCModule(ctx, "piku:native", fill_module), calls, sizeof calls / sizeof *calls);
  js_std_add_helpers(ctx, argc, argv);
  js_std_eval_binary(ctx, modules[0].bytes, *modules[0].size, 0);
  js_std_loop(ctx);
  for (int i = 0; i < 64; i++) {
    if (!unhandled[i].promise) continue;
    fputs("Unhandled rejection: ", stderr);
    JS_Throw(ctx, unhandled[i].reason);
    js_std_dump_error(ctx);
    return 1;
  }
  return 0;
}
