/**
 * A board of our own on loopback: real sshd, uWSGI emperor and nginx, as the calling user, on free high ports, below one
 * short folder (a unix socket's path must stay under 108 bytes). Commands are synchronous: a story reads from top to bottom.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

/** How a command ended: what it printed, apart and together, and how long it took. */
export interface Ran {
  command: string;
  status: number;
  stdout: string;
  stderr: string;
  /** stdout and stderr as one text, for what a person would see. */
  output: string;
  ms: number;
}

export interface Answer {
  status: number;
  /** By lower-case name. */
  headers: Record<string, string>;
  body: string;
}

interface How {
  cwd?: string;
  env?: Record<string, string>;
  input?: string;
  /** Seconds. */
  limit?: number;
}

export interface Target {
  name: string;
  executable: string;
}

const root = path.resolve(import.meta.dir, "../..");
export const examples = path.join(root, "test/examples");

/** The executables to tell the stories about. PIKU_TARGETS names others, with blanks between: targets, or paths. */
export const targets: Target[] = (process.env.PIKU_TARGETS || `linux-${process.arch} linux-${process.arch}-lite`)
  .split(/[\s,]+/)
  .filter(Boolean)
  .map((word) =>
    word.includes("/")
      ? { name: path.basename(word), executable: path.resolve(word) }
      : { name: word, executable: path.join(root, "dist", `piku-${word}`) },
  );

export class Sandbox {
  folder = "";
  sshPort = 0;
  httpPort = 0;
  httpsPort = 0;
  readonly #servers: { name: string; child: ChildProcess }[] = [];
  #repos = 0;
  #disk = false;

  constructor(readonly target: Target) {}

  get home() {
    return `${this.folder}/home`;
  }
  get pikuRoot() {
    return `${this.home}/.piku`;
  }
  get #client() {
    return `${this.folder}/client`;
  }

  /** Sets the board up and starts its servers; with a disk of its own, of so many megabytes, for root only. */
  start(disk?: number): this {
    if (!fs.existsSync(this.target.executable)) throw new Error(`${this.target.executable} is missing: npm run build`);
    this.folder = fs.mkdtempSync("/tmp/piku-");
    if (disk !== undefined) {
      ok(this.run(["mount", "-t", "tmpfs", "-o", `size=${disk}m`, "piku-test", this.folder], { cwd: "/" }));
      this.#disk = true;
    }
    fs.chmodSync(this.folder, 0o755);
    for (const name of ["home/.piku", "ssh", "client/bin", "logs"])
      fs.mkdirSync(`${this.folder}/${name}`, { recursive: true });
    [this.sshPort, this.httpPort, this.httpsPort] = freePorts(3) as [number, number, number];
    this.#installPiku();
    this.#startSshd();
    this.#startNginx();
    this.startEmperor();
    return this;
  }

  /** Ends what was started, and only that; removes the folder. */
  async stop() {
    for (const { name, child } of this.#servers.splice(0)) {
      const gone = new Promise((resolve) =>
        (child.exitCode ?? child.signalCode) === null ? child.once("exit", resolve) : resolve(0),
      );
      child.kill(name === "emperor" ? "SIGKILL" : "SIGTERM");
      await Promise.race([gone, Bun.sleep(5000).then(() => child.kill("SIGKILL"))]);
      await gone;
    }
    for (const signal of ["SIGTERM", "SIGKILL"] as const)
      for (let i = 0; i < 20 && this.processes().length > 0; i++) {
        if (i === 0) for (const pid of this.processes()) kill(pid, signal);
        await Bun.sleep(50);
      }
    if (this.#disk) ok(this.run(["umount", "--lazy", this.folder], { cwd: "/" }));
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  /** Every process of this sandbox, whoever its parent is by now. */
  processes(): number[] {
    return fs
      .readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((pid) => {
        const words = [...readProc(pid, "environ").split("\0"), ...readProc(pid, "cmdline").split("\0")];
        return words.includes(`HOME=${this.home}`) || words.some((word) => word.includes(`${this.folder}/`));
      })
      .map(Number);
  }

  // ---- what a person does ----

  /** `ssh board WORDS`, each word quoted so that it arrives as it is. */
  ssh(...words: string[]): Ran {
    return this.sshRaw(words.map(quote).join(" "));
  }

  /** `ssh board LINE`, the line as it is; `host` names another entry of the client's ssh configuration. */
  sshRaw(line: string, how: How & { host?: string } = {}): Ran {
    return this.run(
      ["ssh", how.host ?? "board", ...(line.startsWith("-") ? ["--"] : []), ...(line === "" ? [] : [line])],
      how,
    );
  }

  /** `git push board:APP REFS`. */
  push(repo: Repo, app: string, ...refs: string[]): Ran {
    return this.run(["git", "push", `board:${app}`, ...(refs.length ? refs : ["main"])], {
      cwd: repo.folder,
      limit: 120,
    });
  }

  /** The same without waiting for it. */
  pushing(repo: Repo, app: string, ...refs: string[]): Promise<Ran> {
    const words = ["git", "push", `board:${app}`, ...(refs.length ? refs : ["main"])];
    const began = performance.now();
    return new Promise((resolve) => {
      const child = spawn(words[0]!, words.slice(1), { cwd: repo.folder, env: this.clientEnv() });
      let [stdout, stderr] = ["", ""];
      child.stdout.on("data", (data) => (stdout += data));
      child.stderr.on("data", (data) => (stderr += data));
      child.on("close", (code, signal) =>
        resolve({
          command: words.join(" "),
          status: code ?? (signal ? 128 : 1),
          stdout,
          stderr,
          output: stdout + stderr,
          ms: performance.now() - began,
        }),
      );
    });
  }

  /** Asks nginx for a page, as a browser that knows the name's address would. */
  get(
    url: string,
    how: { host?: string; https?: boolean; port?: number; headers?: Record<string, string> } = {},
  ): Answer {
    const host = how.host ?? "127.0.0.1";
    const port = how.port ?? (how.https ? this.httpsPort : this.httpPort);
    const ran = this.run([
      ...["curl", "-sSik", "--noproxy", "*", "--path-as-is", "--max-time", "20"],
      ...["--resolve", `${host}:${port}:127.0.0.1`],
      ...Object.entries(how.headers ?? {}).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
      `${how.https ? "https" : "http"}://${host}:${port}${url}`,
    ]);
    if (ran.status !== 0) return { status: 0, headers: {}, body: ran.stderr };
    const [head = "", ...rest] = ran.stdout.split("\r\n\r\n");
    const [first = "", ...lines] = head.split("\r\n");
    const headers = lines.map((line) => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 1).trim(),
    ]);
    return { status: Number(first.split(" ")[1]), headers: Object.fromEntries(headers), body: rest.join("\r\n\r\n") };
  }

  /** A new repository of the client's: an example app by name, and these files on top. Committed on `main`. */
  repo(example: string | undefined, files: Files = {}): Repo {
    const folder = `${this.#client}/repo-${++this.#repos}`;
    if (example) fs.cpSync(path.join(examples, example), folder, { recursive: true });
    fs.mkdirSync(folder, { recursive: true });
    const repo = new Repo(this, folder);
    ok(repo.git("init", "--quiet", "--initial-branch=main"));
    repo.commit("First", files);
    return repo;
  }

  /** The commit that the board's `main` (or another reference) is at. */
  tip(app: string, ref = "refs/heads/main"): string {
    return ok(this.run(["git", "ls-remote", `board:${app}`, ref])).stdout.split(/\s/)[0]!;
  }

  // ---- the machine ----

  /** The executable itself, run as the board's user on the board, not through ssh. */
  piku(...words: string[]): Ran {
    return this.run([`${this.home}/piku`, ...words], { cwd: this.home, env: this.boardEnv() });
  }

  /** Runs one command of the client's and waits for it. */
  run(argv: string[], how: How = {}): Ran {
    const began = performance.now();
    const ran = spawnSync(argv[0]!, argv.slice(1), {
      cwd: how.cwd ?? this.#client,
      env: how.env ?? this.clientEnv(),
      input: how.input ?? "",
      encoding: "utf8",
      timeout: (how.limit ?? 60) * 1000,
      killSignal: "SIGKILL",
      maxBuffer: 64 << 20,
    });
    const stderr = (ran.stderr ?? "") + (ran.error ? `\n${ran.error.message}` : "");
    const stdout = ran.stdout ?? "";
    return {
      command: argv.join(" "),
      status: ran.status ?? 128,
      stdout,
      stderr,
      output: stdout + stderr,
      ms: performance.now() - began,
    };
  }

  /** The client's environment: its own home, its own ssh and git configuration. */
  clientEnv(): Record<string, string> {
    return {
      HOME: this.#client,
      USER: user(),
      PATH: `${this.#client}/bin:${systemPath}`,
      LANG: "C.UTF-8",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      GIT_SSH_COMMAND: `ssh -F ${this.folder}/ssh/config`,
    };
  }

  /** The environment of everything that runs on the board. */
  boardEnv(): Record<string, string> {
    return { ...handedOn(), HOME: this.home, USER: user(), LOGNAME: user(), PATH: systemPath };
  }

  startEmperor() {
    this.#serve("emperor", ["uwsgi", "--ini", `${this.pikuRoot}/uwsgi/uwsgi.ini`], this.boardEnv());
    const folder = `${this.pikuRoot}/uwsgi`;
    const begun = () =>
      fs.readdirSync(folder).some((name) => name.endsWith(".log") && read(`${folder}/${name}`).includes("Emperor"));
    for (let i = 0; i < 100 && !begun(); i++) Bun.sleepSync(20);
  }

  /** Ends the emperor with everything it started, as a power cut would. */
  async killEmperor() {
    const index = this.#servers.findIndex(({ name }) => name === "emperor");
    const { child } = this.#servers.splice(index, 1)[0]!;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /** What the servers and the apps have written, for a story that went wrong. */
  logs(): string {
    const found = [
      "logs",
      "home/.piku/uwsgi",
      "home/.piku/logs",
      "home/.piku/nginx",
      "home/.piku/web",
      "home/.piku/uwsgi-enabled",
    ].flatMap((folder) =>
      filesBelow(`${this.folder}/${folder}`).filter((file) => /\.(log|conf|ini)(\.\d+)?$/.test(file)),
    );
    return found.map((file) => `==> ${file}\n${read(file).split("\n").slice(-40).join("\n")}`).join("\n");
  }

  /**
   * The names of everything in the folders that an app lives in: to see that nothing came or went. Vassals without their
   * release's number, since the last generation may still be on its way out.
   */
  inventory(): string[] {
    const folders = ["apps", "repos", "envs", "data", "logs", "nginx", "uwsgi-available", "uwsgi-enabled"];
    const names = folders.flatMap((folder) =>
      list(`${this.pikuRoot}/${folder}`)
        .filter((name) => !name.startsWith("."))
        .map((name) => `${folder}/${name.replace(/-\d+\.ini$/, ".ini")}`),
    );
    return [...new Set(names)];
  }

  #installPiku() {
    fs.copyFileSync(this.target.executable, `${this.home}/piku`);
    fs.chmodSync(`${this.home}/piku`, 0o755);
    fs.writeFileSync(
      `${this.pikuRoot}/ENV`,
      [
        "# What this machine differs in from a board of its own.",
        `PIKU_HTTP_PORT=${this.httpPort}`,
        `PIKU_HTTPS_PORT=${this.httpsPort}`,
        "NGINX_IPV4_ADDRESS=127.0.0.1",
        "DISABLE_IPV6=true",
        "",
      ].join("\n"),
    );
    ok(this.piku("setup"));
    for (const name of ["id", "other", "host"])
      ok(
        this.run([
          "ssh-keygen",
          "-q",
          "-t",
          "ed25519",
          "-N",
          "",
          "-C",
          `${name}@client`,
          "-f",
          `${this.folder}/ssh/${name}`,
        ]),
      );
    ok(this.piku("setup:ssh", `${this.folder}/ssh/id.pub`));
  }

  #startSshd() {
    const folder = `${this.folder}/ssh`;
    const settings = Object.entries(this.boardEnv()).filter(([name]) => name !== "USER" && name !== "LOGNAME");
    fs.writeFileSync(
      `${folder}/sshd_config`,
      [
        `Port ${this.sshPort}`,
        "ListenAddress 127.0.0.1",
        `HostKey ${folder}/host`,
        `PidFile ${folder}/sshd.pid`,
        `AuthorizedKeysFile ${this.home}/.ssh/authorized_keys`,
        "StrictModes no",
        // An account without a password counts as locked for sshd alone, but not for PAM.
        `UsePAM ${passwordLocked() ? "yes" : "no"}`,
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "MaxStartups 100",
        "PrintMotd no",
        "AcceptEnv LANG LC_*",
        "Subsystem sftp internal-sftp",
        "LogLevel VERBOSE",
        // sshd takes the first SetEnv line and no other.
        `SetEnv ${settings.map(([name, value]) => `"${name}=${value}"`).join(" ")}`,
        "",
      ].join("\n"),
    );
    const entry = (host: string, key: string) => [
      `Host ${host}`,
      "  HostName 127.0.0.1",
      `  Port ${this.sshPort}`,
      `  User ${user()}`,
      `  IdentityFile ${folder}/${key}`,
      "  IdentitiesOnly yes",
      "  BatchMode yes",
      "  StrictHostKeyChecking yes",
      `  UserKnownHostsFile ${folder}/known_hosts`,
      "  LogLevel ERROR",
    ];
    fs.writeFileSync(`${folder}/config`, [...entry("board", "id"), ...entry("other", "other"), ""].join("\n"));
    fs.writeFileSync(`${folder}/known_hosts`, `[127.0.0.1]:${this.sshPort} ${read(`${folder}/host.pub`)}`);
    // The original's client script says just `ssh`.
    fs.writeFileSync(`${this.#client}/bin/ssh`, `#!/bin/sh\nexec /usr/bin/ssh -F ${folder}/config "$@"\n`, {
      mode: 0o755,
    });
    fs.writeFileSync(
      `${this.#client}/.gitconfig`,
      "[user]\n  name = A Pupil\n  email = pupil@example.test\n[advice]\n  detachedHead = false\n[push]\n  default = current\n",
    );
    if (process.getuid?.() === 0) fs.mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    this.#serve("sshd", [which("sshd"), "-D", "-e", "-f", `${folder}/sshd_config`], this.boardEnv(), this.sshPort);
  }

  /** As piku-web.service does. */
  #startNginx() {
    const main = `${this.pikuRoot}/web/nginx.conf`;
    // The original, which the bench measures, knows no such command; its board has the same nginx.
    const isOriginal = read(`${this.home}/piku`).startsWith("#!");
    const ours = isOriginal ? targets.at(-1)!.executable : `${this.home}/piku`;
    ok(this.run([ours, "web"], { cwd: this.home, env: this.boardEnv() }));
    this.#serve("nginx", ["nginx", "-e", "stderr", "-c", main, "-g", "daemon off;"], this.boardEnv(), this.httpPort);
  }

  /** Starts a server that ends when we end, whatever ends us, and waits for its port. */
  #serve(name: string, argv: string[], env: Record<string, string>, port?: number) {
    const log = fs.openSync(`${this.folder}/logs/${name}.log`, "a");
    const child = spawn("setpriv", ["--pdeathsig", name === "emperor" ? "KILL" : "TERM", ...argv], {
      env,
      cwd: this.home,
      detached: true,
      stdio: ["ignore", log, log],
    });
    fs.closeSync(log);
    this.#servers.push({ name, child });
    for (let i = 0; port && !accepts(port); i++) {
      if (i === 100) throw new Error(`${name} does not listen on port ${port}\n${this.logs()}`);
      Bun.sleepSync(50);
    }
  }
}

/** Files to write by name; null removes one. */
export type Files = Record<string, string | Uint8Array | null>;

/** A repository of the client's. */
export class Repo {
  constructor(
    readonly board: Sandbox,
    readonly folder: string,
  ) {}

  git(...words: string[]): Ran {
    return this.board.run(["git", ...words], { cwd: this.folder });
  }

  write(files: Files): this {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(this.folder, name);
      if (content === null) fs.rmSync(file, { recursive: true, force: true });
      else {
        fs.mkdirSync(path.dirname(file), { recursive: true });
        fs.writeFileSync(file, content);
      }
    }
    return this;
  }

  /** Commits these changes, or none, and tells the commit. */
  commit(message: string, files: Files = {}): string {
    this.write(files);
    ok(this.git("add", "--all"));
    ok(this.git("commit", "--quiet", "--allow-empty", "-m", message));
    return this.head();
  }

  head(): string {
    return ok(this.git("rev-parse", "HEAD")).stdout.trim();
  }

  /** A second clone, beside this one, as a colleague would have it. */
  copy(suffix = "copy"): Repo {
    const folder = `${this.folder}-${suffix}`;
    fs.cpSync(this.folder, folder, { recursive: true });
    return new Repo(this.board, folder);
  }
}

/** The same, or an error that shows what the command printed. */
export function ok(ran: Ran): Ran {
  if (ran.status !== 0) throw new Error(`${ran.command}: exit status ${ran.status}\n${ran.output}`);
  return ran;
}

/** The same for a command that must fail: with this status, or with any but 0. */
export function fails(ran: Ran, status?: number): Ran {
  if (status === undefined ? ran.status === 0 : ran.status !== status)
    throw new Error(`${ran.command}: exit status ${ran.status}, not ${status ?? "a failure"}\n${ran.output}`);
  return ran;
}

/** Tries until it does not throw, for at most these seconds. */
export function eventually<T>(attempt: () => T, seconds = 10): T {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
      Bun.sleepSync(100);
    }
  }
}

/** Whether a process runs; one that has ended and waits for its parent does not. */
export function alive(pid: number): boolean {
  const stat = readProc(String(pid), "stat");
  return stat !== "" && !stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
}

export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function read(file: string): string {
  return fs.readFileSync(file, "utf8");
}

export function list(folder: string): string[] {
  return fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
}

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What this machine needs to reach its package registries; nothing else of our environment goes to the board. */
function handedOn(): Record<string, string> {
  const names =
    /^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|GIT_SSL_CAINFO|PIP_.*|UV_.*|GOPROXY|CARGO_HTTP_.*|npm_config_(registry|cafile)|(https?|no|all)_proxy)$/i;
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (pair): pair is [string, string] => names.test(pair[0]) && pair[1] !== undefined,
    ),
  );
}

function user(): string {
  const uid = String(process.getuid?.());
  return (
    read("/etc/passwd")
      .split("\n")
      .find((line) => line.split(":")[2] === uid)
      ?.split(":")[0] ?? "root"
  );
}

function passwordLocked(): boolean {
  try {
    return new RegExp(`^${user()}:!`, "m").test(read("/etc/shadow"));
  } catch {
    return false; // not root: sshd cannot see it either
  }
}

function which(name: string): string {
  return (
    systemPath
      .split(":")
      .map((folder) => `${folder}/${name}`)
      .find((file) => fs.existsSync(file)) ?? name
  );
}

/** Ports of the loopback address that nobody has right now. */
export function freePorts(count: number): number[] {
  const held = Array.from({ length: count }, () =>
    Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }),
  );
  const ports = held.map((server) => server.port);
  for (const server of held) server.stop(true);
  return ports;
}

function accepts(port: number): boolean {
  const wanted = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return read("/proc/net/tcp")
    .split("\n")
    .some((line) => line.includes(` ${wanted} `) && / 0A /.test(line));
}

function readProc(pid: string, name: string): string {
  try {
    return read(`/proc/${pid}/${name}`);
  } catch {
    return "";
  }
}

function kill(pid: number, signal: NodeJS.Signals) {
  try {
    process.kill(pid, signal);
  } catch {
    // gone by itself
  }
}

function filesBelow(folder: string): string[] {
  return list(folder).flatMap((name) => {
    const entry = fs.lstatSync(`${folder}/${name}`);
    return entry.isDirectory() ? filesBelow(`${folder}/${name}`) : entry.isFile() ? [`${folder}/${name}`] : [];
  });
}
