/* A part of quickjs.c: how it runs other programs. */

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
  int *stdio, report, isLeader;
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
    if (child->isLeader) setsid();
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

static void free_child(JSContext *ctx, struct child *child) {
  JS_FreeCString(ctx, child->cwd);
  for (char **p = child->arguments; p && *p; p++) free(*p);
  for (char **p = child->env; p && *p; p++) free(*p);
  free(child->arguments);
  free(child->env);
}

static struct child child_of(JSContext *ctx, JSValueConst *argv, int *stdio, int report) {
  const char *cwd = JS_IsUndefined(argv[2]) ? NULL : JS_ToCString(ctx, argv[2]);
  return (struct child){.arguments = strings(ctx, argv[0]), .env = strings(ctx, argv[1]), .cwd = cwd, .stdio = stdio, .report = report};
}

/* Why a child could not become its program, 0 when it did. */
static int reported(int report) {
  int error = 0;
  while (read(report, &error, sizeof error) < 0 && errno == EINTR) {}
  close(report);
  return error;
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
  struct child child = child_of(ctx, argv, stdio, report[1]);
  sigaction(SIGINT, &ignore, &child.interrupt);
  sigaction(SIGQUIT, &ignore, &child.quit);
  pid_t pid = error ? -1 : start_child(&child);
  if (pid < 0 && !error) error = errno;
  close(report[1]);
  for (int i = 0; i < 2; i++)
    if (pipes[i][1] >= 0) close(pipes[i][1]);
  int failed = reported(report[0]);
  if (pid > 0) error = failed;
  if (pid > 0 && out && collect(pid, out, most, &status, &ended)) *is_cut = 1, kill(pid, SIGKILL);
  for (int i = 0; out && i < 2; i++)
    if (out[i].from >= 0) close(out[i].from);
  while (pid > 0 && !ended && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  sigaction(SIGINT, &child.interrupt, NULL);
  sigaction(SIGQUIT, &child.quit, NULL);
  free_child(ctx, &child);
  if (error) return -error;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* run(argv, ["NAME=value", ...], cwd, stdin, stdout, stderr): the child's exit status */
CALL(run) {
  int stdio[3] = {number(ctx, argv[3]), number(ctx, argv[4]), number(ctx, argv[5])};
  return JS_NewInt32(ctx, run_child(ctx, argv, stdio, NULL, 0, NULL));
}

/* launch(argv, ["NAME=value", ...], cwd): the number of a child in a session of its own, that reads and says nothing */
CALL(launch) {
  int report[2], null = open("/dev/null", O_RDWR | O_CLOEXEC), stdio[3] = {null, null, null}, error = 0;
  if (null < 0 || pipe2(report, O_CLOEXEC) < 0) return result(ctx, -1);
  struct child child = child_of(ctx, argv, stdio, report[1]);
  child.isLeader = 1;
  sigaction(SIGINT, NULL, &child.interrupt);
  sigaction(SIGQUIT, NULL, &child.quit);
  pid_t pid = start_child(&child);
  if (pid < 0) error = errno;
  close(report[1]);
  close(null);
  int failed = reported(report[0]);
  if (pid > 0 && failed) error = failed, waitpid(pid, NULL, 0);
  free_child(ctx, &child);
  return JS_NewInt32(ctx, error ? -error : pid);
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

/* processes(): six numbers of each process that is alive (proc(5)): its id, parent, group and session, its CPU time with that
   of its children, and when it began, both in ticks. */
CALL(processes) {
  size_t count = 0, size = 0;
  double *all = NULL;
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; proc && (entry = readdir(proc));) {
    char path[300], text[1024], state;
    int parent, group, session;
    unsigned long long user, system, began;
    long long user_below, system_below;
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (length <= 0) continue;
    text[length] = 0;
    /* Its name may have brackets. */
    char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest, ") %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %*d %*d %llu", &state, &parent,
                        &group, &session, &user, &system, &user_below, &system_below, &began) != 9)
      continue;
    if (state == 'Z' || state == 'X') continue;
    if (count + 6 > size) {
      double *more = realloc(all, (size = size ? size * 2 : 1536) * sizeof *all);
      if (!more) break;
      all = more;
    }
    double found[6] = {atoi(entry->d_name), parent, group, session, user + system + user_below + system_below, began};
    memcpy(all + count, found, sizeof found);
    count += 6;
  }
  if (proc) closedir(proc);
  return JS_NewArrayBuffer(ctx, (uint8_t *)all, count * sizeof *all, free_bytes, NULL, 0);
}
