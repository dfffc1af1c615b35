/* main() of the QuickJS executables, and the system calls that QuickJS's own `os` module lacks.
   Calls give what the kernel gives: a number, negative errno when they fail. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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

extern const uint8_t piku_bytecode[];
extern const uint32_t piku_bytecode_size;

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

static char **strings(JSContext *ctx, JSValueConst list) {
  int64_t length = 0;
  JSValue size = JS_GetPropertyStr(ctx, list, "length");
  JS_ToInt64(ctx, &length, size);
  char **all = calloc(length + 1, sizeof *all);
  for (int64_t i = 0; all && i < length; i++) {
    JSValue item = JS_GetPropertyUint32(ctx, list, i);
    const char *text = JS_ToCString(ctx, item);
    all[i] = strdup(text ? text : "");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, item);
  }
  return all;
}

static const int endings[] = {SIGHUP, SIGINT, SIGTERM};
static int ignoring;

CALL(ignoreHangup) {
  ignoring = 1;
  for (int i = 0; i < 3; i++) signal(endings[i], SIG_IGN);
  return JS_UNDEFINED;
}

/* What comes out of a child's pipe. */
struct output {
  int from;
  uint8_t *bytes;
  size_t length, size;
};

/* Reads what is there; false when memory or `most` does not suffice. */
static int take(struct output *out, size_t most) {
  if (out->size - out->length < 65536) {
    size_t size = out->size ? out->size * 2 : 65536;
    uint8_t *bytes = realloc(out->bytes, size);
    if (!bytes) return 0;
    out->bytes = bytes, out->size = size;
  }
  ssize_t taken = read(out->from, out->bytes + out->length, out->size - out->length);
  if (taken > 0) out->length += taken;
  if (taken == 0 || (taken < 0 && errno != EINTR && errno != EAGAIN)) close(out->from), out->from = -1;
  return out->length <= most;
}

/* Takes what the child prints until both pipes are closed, or until it has ended: what it leaves behind may keep them open.
   True when there was too much. */
static int collect(pid_t pid, struct output out[2], size_t most, int *status, int *ended) {
  while (out[0].from >= 0 || out[1].from >= 0) {
    struct pollfd pipes[2] = {{.fd = out[0].from, .events = POLLIN}, {.fd = out[1].from, .events = POLLIN}};
    int ready = poll(pipes, 2, *ended ? 0 : 100);
    if (ready == 0 && *ended) break;
    if (ready == 0) *ended = waitpid(pid, status, WNOHANG) == pid;
    for (int i = 0; ready > 0 && i < 2; i++)
      if (pipes[i].revents && !take(&out[i], most)) return 1;
  }
  return 0;
}

/* What a child gets of us. */
struct child {
  char **arguments, **env;
  const char *cwd;
  int *stdio, report;
  struct sigaction interrupt, quit;
};

/* Starts it. Until it is the program that it is to be it shares our memory: a copy of that costs more than all else.
   So it changes nothing here but `environ`, which execvp looks into. */
static pid_t start_child(const struct child *child) {
  extern char **environ;
  char **own = environ;
  pid_t pid = vfork();
  if (pid == 0) {
    int error = 0;
    for (int i = 0; i < 3 && !error; i++)
      if (dup2(child->stdio[i], i) < 0) error = errno;
    if (child->report != 3) dup3(child->report, 3, O_CLOEXEC);
    closefrom(4);
    signal(SIGPIPE, SIG_DFL);
    sigaction(SIGINT, &child->interrupt, NULL);
    sigaction(SIGQUIT, &child->quit, NULL);
    for (int i = 0; ignoring && i < 3; i++) signal(endings[i], SIG_DFL);
    environ = child->env;
    if (!error && child->cwd && chdir(child->cwd) < 0) error = errno;
    if (!error) execvp(child->arguments[0], child->arguments), error = errno;
    if (write(3, &error, sizeof error) < 0) _exit(126);
    _exit(127);
  }
  environ = own;
  return pid;
}

/* Runs a child and gives its exit status, or negative errno. Unlike os.exec it tells why it failed, looks in the child's own PATH,
   gives the child the default SIGPIPE, and, like a shell, leaves ^C and ^\ to the child from before there is one.
   With `out`, stdout and stderr are collected there. */
static int run_child(JSContext *ctx, JSValueConst *argv, int stdio[3], struct output *out, size_t most, int *is_cut) {
  int report[2], pipes[2][2] = {{-1, -1}, {-1, -1}}, status = 0, error = 0, ended = 0;
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  if (pipe2(report, O_CLOEXEC) < 0) return -errno;
  for (int i = 0; out && i < 2 && !error; i++) {
    if (pipe2(pipes[i], O_CLOEXEC) < 0) error = errno;
    out[i].from = pipes[i][0], stdio[i + 1] = pipes[i][1];
  }
  const char *cwd = JS_IsUndefined(argv[2]) ? NULL : JS_ToCString(ctx, argv[2]);
  struct child child = {.arguments = strings(ctx, argv[0]), .env = strings(ctx, argv[1]), .cwd = cwd, .stdio = stdio, .report = report[1]};
  sigaction(SIGINT, &ignore, &child.interrupt);
  sigaction(SIGQUIT, &ignore, &child.quit);
  pid_t pid = error ? -1 : start_child(&child);
  if (pid < 0 && !error) error = errno;
  close(report[1]);
  for (int i = 0; i < 2; i++)
    if (pipes[i][1] >= 0) close(pipes[i][1]);
  while (pid > 0 && read(report[0], &error, sizeof error) < 0 && errno == EINTR) {}
  close(report[0]);
  if (pid > 0 && out && collect(pid, out, most, &status, &ended)) *is_cut = 1, kill(pid, SIGKILL);
  for (int i = 0; out && i < 2; i++)
    if (out[i].from >= 0) close(out[i].from);
  while (pid > 0 && !ended && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  sigaction(SIGINT, &child.interrupt, NULL);
  sigaction(SIGQUIT, &child.quit, NULL);
  JS_FreeCString(ctx, cwd);
  for (char **p = child.arguments; p && *p; p++) free(*p);
  for (char **p = child.env; p && *p; p++) free(*p);
  free(child.arguments);
  free(child.env);
  if (error) return -error;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* run(argv, ["NAME=value", ...], cwd, stdin, stdout, stderr): the child's exit status */
CALL(run) {
  int stdio[3] = {number(ctx, argv[3]), number(ctx, argv[4]), number(ctx, argv[5])};
  return JS_NewInt32(ctx, run_child(ctx, argv, stdio, NULL, 0, NULL));
}

static void free_bytes(JSRuntime *runtime, void *opaque, void *bytes) { free(bytes); }

/* capture(argv, ["NAME=value", ...], cwd, stdin, most): [exit status, stdout, stderr, whether there was more] */
CALL(capture) {
  struct output out[2] = {{.from = -1}, {.from = -1}};
  int stdio[3] = {number(ctx, argv[3]), -1, -1}, is_cut = 0;
  int status = run_child(ctx, argv, stdio, out, number(ctx, argv[4]), &is_cut);
  JSValue found = JS_NewArray(ctx);
  JS_SetPropertyUint32(ctx, found, 0, JS_NewInt32(ctx, status));
  for (int i = 0; i < 2; i++)
    JS_SetPropertyUint32(ctx, found, i + 1, JS_NewArrayBuffer(ctx, out[i].bytes, out[i].length, free_bytes, NULL, 0));
  JS_SetPropertyUint32(ctx, found, 3, JS_NewBool(ctx, is_cut));
  return found;
}

static const JSCFunctionListEntry calls[] = {
  /* PIKU_TARGET comes from build.ts. */
  JS_PROP_STRING_DEF("target", PIKU_TARGET, 0),
  JS_CFUNC_DEF("errorName", 1, error_name), JS_CFUNC_DEF("decode", 3, decode), JS_CFUNC_DEF("encode", 1, encode),
  JS_CFUNC_DEF("chmod", 2, change_mode), JS_CFUNC_DEF("mkdir", 2, make_folder), JS_CFUNC_DEF("fsync", 1, sync_file),
  JS_CFUNC_DEF("flock", 1, lock_file), JS_CFUNC_DEF("getuid", 0, user), JS_CFUNC_DEF("getgid", 0, group),
  JS_CFUNC_DEF("getppid", 0, parent), JS_CFUNC_DEF("memoryFile", 0, memory_file), JS_CFUNC_DEF("free", 1, free_space),
  JS_CFUNC_DEF("canBind", 2, can_bind), JS_CFUNC_DEF("run", 6, run), JS_CFUNC_DEF("capture", 5, capture),
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

int main(int argc, char **argv) {
  while (1) {
    int fd = open("/dev/null", O_RDWR);
    if (fd > 2) close(fd);
    if (fd < 0 || fd > 2) break;
  }
  signal(SIGPIPE, SIG_IGN);
  JSRuntime *runtime = JS_NewRuntime();
  JS_SetMaxStackSize(runtime, 1 << 20);
  /* Loading the program makes no garbage. */
  JS_SetGCThreshold(runtime, 4 << 20);
  js_std_init_handlers(runtime);
  JSContext *ctx = JS_NewContext(runtime);
  JS_SetHostPromiseRejectionTracker(runtime, track, NULL);
  /* Not `std` and `os`: a bundler has ideas of its own about `os`. */
  js_init_module_std(ctx, "quickjs:std");
  js_init_module_os(ctx, "quickjs:os");
  JS_AddModuleExportList(ctx, JS_NewCModule(ctx, "piku:native", fill_module), calls, sizeof calls / sizeof *calls);
  js_std_add_helpers(ctx, argc, argv);
  js_std_eval_binary(ctx, piku_bytecode, piku_bytecode_size, 0);
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
