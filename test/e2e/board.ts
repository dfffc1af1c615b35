/**
 * What a story can do to a board, and see of it: the same for the quick one on loopback
 * (sandbox.ts) and for a whole machine that install.sh made a board of (../machines/installed.ts).
 * A person's side is here: a client with a home, a key and git, whose commands are synchronous, so
 * that a story reads from top to bottom.
 */
import { spawn, spawnSync } from "node:child_process";
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

export interface How {
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
export const examples = path.join(root, "examples");

/**
 * The executables to tell the stories about. PIKU_TARGETS names others, with blanks between:
 * targets, or paths.
 */
export const targets: Target[] = (
  process.env.PIKU_TARGETS || `linux-${process.arch} linux-${process.arch}-lite`
)
  .split(/[\s,]+/)
  .filter(Boolean)
  .map((word) =>
    word.includes("/")
      ? { name: path.basename(word), executable: path.resolve(word) }
      : { name: word, executable: path.join(root, "dist", `piku-${word}`) },
  );

/** Throws when an executable has not been built. */
export function requireBuilt({ executable }: Target): void {
  if (!fs.existsSync(executable)) throw new Error(`${executable} is missing: npm run build`);
}

export abstract class Board {
  /**
   * Of this story alone: the client's files, and whatever the story puts there. The board's user
   * may write there, too.
   */
  folder = "";
  /** Where the board is, from here. */
  address = "127.0.0.1";
  /** Where we are, from the board. */
  clientAddress = "127.0.0.1";
  sshPort = 22;
  httpPort = 80;
  httpsPort = 443;
  #repos = 0;

  constructor(readonly target: Target) {}

  /** Whether install.sh made it: then systemd runs its services, and its user is not ours. */
  abstract readonly isInstalled: boolean;
  /**
   * The home of its user, as it is reached from here. A path below it is good on the board as well;
   * how that calls it, `inside` tells.
   */
  abstract readonly home: string;

  /** Sets the board up and starts its servers. */
  abstract start(): this;
  /** Ends what was started, and only that; nothing is left. */
  abstract stop(): void | Promise<void>;
  /** Another board of the kind, with the same keys of the client's or none: not started. */
  abstract another(): Board;
  /** Every process of this board, by the ids that it has here. */
  abstract processes(): number[];
  /** The id that a process of the board has here, of the one that it has there. */
  abstract pidOf(inner: number): number;
  /** A path from here, as the board calls it. */
  abstract inside(file: string): string;
  /** A path of the board's own, as it is reached from here. */
  abstract outside(file: string): string;
  /** Runs one command on the board as its user, not through ssh. */
  abstract on(argv: readonly string[], how?: How): Ran;
  /** The same as root, for stories that need to be told by root. */
  abstract asRoot(argv: readonly string[], how?: How): Ran;
  /**
   * Begins a program of somebody else's on the board, who is not its user where that can be; gives
   * what ends it.
   */
  abstract begin(argv: readonly string[]): () => void;
  /** The environment of everything that runs on the board. */
  abstract boardEnv(): Record<string, string>;
  abstract startEmperor(): void;
  /** Ends the emperor with everything it started, as a power cut would. */
  abstract killEmperor(): void | Promise<void>;
  /** What the servers and the apps have written, for a story that went wrong. */
  abstract logs(): string;

  get pikuRoot() {
    return `${this.home}/.piku`;
  }
  get #client() {
    return `${this.folder}/client`;
  }
  /** The executable on the board. */
  get executable() {
    return `${this.home}/piku`;
  }

  /** The board's own settings; one that install.sh made has none before somebody makes some. */
  get settings(): string {
    const file = `${this.pikuRoot}/ENV`;
    return fs.existsSync(file) ? read(file) : "";
  }

  /** What a person opens in a browser, as piku prints it. */
  url(host: string, page = "/", scheme: "http" | "https" = "http"): string {
    const [port, usual] = scheme === "http" ? [this.httpPort, 80] : [this.httpsPort, 443];
    return `${scheme}://${host}${port === usual ? "" : `:${port}`}${page}`;
  }

  /**
   * Files that a story wrote below the board's home become the board's own. They are, unless
   * another user than ours has it.
   */
  settle() {}

  // ---- what a person does ----

  /** `ssh board WORDS`, each word quoted so that it arrives as it is. */
  ssh(...words: string[]): Ran {
    return this.sshRaw(words.map(quote).join(" "));
  }

  /**
   * `ssh board LINE`, the line as it is; `host` names another entry of the client's ssh
   * configuration.
   */
  sshRaw(line: string, how: How & { host?: string } = {}): Ran {
    return this.run(
      [
        "ssh",
        how.host ?? "board",
        ...(line.startsWith("-") ? ["--"] : []),
        ...(line === "" ? [] : [line]),
      ],
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
    this.settle();
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

  /**
   * Asks nginx for a page, as a browser that knows the name's address would; `local` asks on the
   * board itself.
   */
  get(
    url: string,
    how: {
      host?: string;
      https?: boolean;
      port?: number;
      local?: boolean;
      headers?: Record<string, string>;
    } = {},
  ): Answer {
    const address = how.local ? "127.0.0.1" : this.address;
    const host = how.host ?? address;
    const port = how.port ?? (how.https ? this.httpsPort : this.httpPort);
    const words = [
      ...["curl", "-sSik", "--noproxy", "*", "--path-as-is", "--max-time", "20"],
      ...["--resolve", `${host}:${port}:${address}`],
      ...Object.entries(how.headers ?? {}).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
      `${how.https ? "https" : "http"}://${host}:${port}${url}`,
    ];
    const ran = how.local ? this.on(words) : this.run(words);
    if (ran.status !== 0) return { status: 0, headers: {}, body: ran.stderr };
    const [head = "", ...rest] = ran.stdout.split("\r\n\r\n");
    const [first = "", ...lines] = head.split("\r\n");
    const headers = lines.map((line) => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 1).trim(),
    ]);
    return {
      status: Number(first.split(" ")[1]),
      headers: Object.fromEntries(headers),
      body: rest.join("\r\n\r\n"),
    };
  }

  /**
   * A new repository of the client's: an example app by name, and these files on top. Committed on
   * `main`.
   */
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

  // ---- the machine ----

  /** The executable itself, run as the board's user on the board, not through ssh. */
  piku(...words: string[]): Ran {
    return this.on([this.executable, ...words]);
  }

  /** Runs one command of the client's and waits for it. */
  run(argv: readonly string[], how: How = {}): Ran {
    this.settle();
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

  /**
   * The names of everything in the folders that an app lives in: to see that nothing came or went.
   * Vassals without their release's number, since the last generation may still be on its way out.
   */
  inventory(): string[] {
    const folders = [
      "apps",
      "repos",
      "envs",
      "data",
      "logs",
      "nginx",
      "uwsgi-available",
      "uwsgi-enabled",
    ];
    const names = folders.flatMap((folder) =>
      list(`${this.pikuRoot}/${folder}`)
        .filter((name) => !name.startsWith("."))
        .map((name) => `${folder}/${name.replace(/-\d+\.ini$/, ".ini")}`),
    );
    return [...new Set(names)];
  }

  /**
   * The client's home: keys `id` and `other` (public halves beside them), ssh's configuration, in
   * which `board` and `other` are the board by either key, git's, and an `ssh` that goes by it.
   * `host` is the board's public host key.
   */
  protected setUpClient(user: string, hostKey: string) {
    const folder = `${this.folder}/ssh`;
    const entry = (host: string, key: string) => [
      `Host ${host}`,
      `  HostName ${this.address}`,
      `  Port ${this.sshPort}`,
      `  User ${user}`,
      `  IdentityFile ${folder}/${key}`,
      "  IdentitiesOnly yes",
      "  BatchMode yes",
      "  StrictHostKeyChecking yes",
      `  UserKnownHostsFile ${folder}/known_hosts`,
      "  LogLevel ERROR",
    ];
    fs.writeFileSync(
      `${folder}/config`,
      [...entry("board", "id"), ...entry("other", "other"), ""].join("\n"),
    );
    const place = this.sshPort === 22 ? this.address : `[${this.address}]:${this.sshPort}`;
    fs.writeFileSync(`${folder}/known_hosts`, `${place} ${hostKey.trim()}\n`);
    // The original's client script, and ours, say just `ssh`.
    for (const program of ["ssh", "scp"])
      fs.writeFileSync(
        `${this.#client}/bin/${program}`,
        `#!/bin/sh\nexec /usr/bin/${program} -F ${folder}/config "$@"\n`,
        { mode: 0o755 },
      );
    fs.writeFileSync(
      `${this.#client}/.gitconfig`,
      "[user]\n  name = A Pupil\n  email = pupil@example.test\n[advice]\n  detachedHead = false\n[push]\n  default = current\n[safe]\n  directory = *\n",
    );
  }
}

/** Makes pairs of keys, NAME and NAME.pub, in a folder. */
export function makeKeys(folder: string, ...names: string[]) {
  for (const name of names) {
    const words = [
      "-q",
      "-t",
      "ed25519",
      "-N",
      "",
      "-C",
      `${name}@client`,
      "-f",
      `${folder}/${name}`,
    ];
    const ran = spawnSync("ssh-keygen", words, { encoding: "utf8" });
    if (ran.status !== 0) throw new Error(`ssh-keygen: ${ran.stderr}`);
  }
}

/** Files to write by name; null removes one. */
export type Files = Record<string, string | Uint8Array | null>;

/** A repository of the client's. */
export class Repo {
  constructor(
    readonly board: Board,
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
    throw new Error(
      `${ran.command}: exit status ${ran.status}, not ${status ?? "a failure"}\n${ran.output}`,
    );
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

export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * What this machine needs to reach its package registries; nothing else of our environment goes to
 * the board.
 */
export function handedOn(): Record<string, string> {
  const names =
    /^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|GIT_SSL_CAINFO|PIP_.*|UV_.*|GOPROXY|CARGO_HTTP_.*|npm_config_(registry|cafile)|(https?|no|all)_proxy)$/i;
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (pair): pair is [string, string] => names.test(pair[0]) && pair[1] !== undefined,
    ),
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

/** A file of a process; empty when it is gone. */
export function readProc(pid: string, name: string): string {
  try {
    return read(`/proc/${pid}/${name}`);
  } catch {
    return "";
  }
}

/** Ends a process, or finds it gone. */
export function kill(pid: number, signal: NodeJS.Signals) {
  // 0, for a process that is gone, would be all of our own group.
  if (pid < 2) return;
  try {
    process.kill(pid, signal);
  } catch {
    // gone by itself
  }
}

/** Every file below a folder, links left out. */
export function filesBelow(folder: string): string[] {
  return list(folder).flatMap((name) => {
    const entry = fs.lstatSync(`${folder}/${name}`);
    return entry.isDirectory()
      ? filesBelow(`${folder}/${name}`)
      : entry.isFile()
        ? [`${folder}/${name}`]
        : [];
  });
}

/** Our own name. */
export function user(): string {
  const uid = String(process.getuid?.());
  return (
    read("/etc/passwd")
      .split("\n")
      .find((line) => line.split(":")[2] === uid)
      ?.split(":")[0] ?? "root"
  );
}
