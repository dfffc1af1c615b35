/**
 * What a command costs that does not depend on the machine: a second sshd of a board's under
 * strace, which follows every process of a session until the last one has ended, also what outlives
 * its session. What uWSGI and nginx do, which run all the time, is not in it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { probeSource, wsgiProbe } from "./probe.ts";
import { eventually, type Files, freePorts, type How, ok, read, type Sandbox } from "./sandbox.ts";

/** What one command costs. */
export interface Counts {
  /** Programs started, without sshd's own and the login messages of PAM. */
  programs: number;
  /** Calls of fsync, fdatasync, syncfs and sync. */
  syncs: number;
  /** Bytes written to files of the board. */
  bytes: number;
  /** How often its disk was told to write down what it holds back; of a board with its own alone. */
  flushes?: number;
}

const syncing = ["fsync", "fdatasync", "syncfs", "sync"];
const writing = ["write", "writev", "pwrite64", "sendfile", "copy_file_range"];

/** What strace has written of one command. */
export class Trace {
  /** The command lines of the programs, in the order in which they were started. */
  readonly programs: string[] = [];
  /** What was synced. */
  readonly synced: string[] = [];
  bytes = 0;
  flushes?: number;

  /** `home`: what lies below it counts as written to the board. */
  constructor(text: string, home: string) {
    // Before it come sshd's own programs.
    const own = text.search(/^.*execve\(.*\bFINGERPRINT=/m);
    const begun = new Map<string, string>();
    for (const line of own < 0 ? [] : text.slice(own).split("\n")) {
      const [, pid = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
      if (rest.endsWith("<unfinished ...>")) begun.set(pid, rest.replace("<unfinished ...>", ""));
      else
        this.#add(
          rest.replace(/^<\.\.\. \w+ resumed>/, () => begun.get(pid) ?? ""),
          home,
        );
    }
  }

  #add(call: string, home: string) {
    const [, name = "", given = "", result = ""] = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(call) ?? [];
    const file = /^\d+<([^>]*)>/.exec(given)?.[1] ?? "";
    if (name === "execve" && result === "0")
      this.programs.push(/\[(.*)\], 0x/.exec(given)?.[1] ?? given);
    if (syncing.includes(name)) this.synced.push(file);
    if (writing.includes(name) && file.startsWith(`${home}/`))
      this.bytes += Math.max(0, Number(result));
  }

  get counts(): Counts {
    const { programs, synced, bytes, flushes } = this;
    return { programs: programs.length, syncs: synced.length, bytes, flushes };
  }
}

/** A board's second sshd, whose sessions are counted. */
export class Counter {
  readonly #file: string;
  readonly #child: ChildProcess;
  readonly #listener: string;
  readonly #env: Record<string, string>;

  constructor(readonly board: Sandbox) {
    const { folder } = board;
    const [port] = freePorts(1) as [number];
    this.#file = `${folder}/trace`;
    const config = read(`${folder}/ssh/config`)
      .replaceAll(`Port ${board.sshPort}`, `Port ${port}`)
      .replaceAll("  StrictHostKeyChecking yes", `  HostKeyAlias [127.0.0.1]:${board.sshPort}`);
    fs.writeFileSync(`${folder}/ssh/counted`, config);
    this.#env = { ...board.clientEnv(), GIT_SSH_COMMAND: `ssh -F ${folder}/ssh/counted` };
    const calls = ["execve", ...syncing, ...writing].join(",");
    const words = [
      ...["setpriv", "--pdeathsig", "TERM"],
      ...["strace", "-f", "-q", "-y", "-s", "300", "--seccomp-bpf", "-e", "signal=none"],
      ...["-e", `trace=${calls}`, "-o", this.#file],
      ...["/usr/sbin/sshd", "-D", "-e", "-f", `${folder}/ssh/sshd_config`],
      ...["-p", String(port), "-o", "PidFile=none"],
    ];
    // Of another one on this board.
    fs.rmSync(this.#file, { force: true });
    const log = fs.openSync(`${folder}/logs/counted.log`, "w");
    const env = board.boardEnv();
    this.#child = spawn(words[0]!, words.slice(1), { env, stdio: ["ignore", log, log] });
    fs.closeSync(log);
    this.#listener = eventually(() => {
      if (!/listening/.test(read(`${folder}/logs/counted.log`))) throw new Error("no sshd");
      return read(this.#file).split(" ")[0]!;
    });
  }

  /** What a command of the client's costs the board, with all that it leaves behind. */
  count(argv: readonly string[], how: How = {}): Trace {
    const from = fs.statSync(this.#file).size;
    const flushesBefore = this.#flushes();
    ok(this.board.run(argv, { env: this.#env, limit: 120, ...how }));
    let text = "";
    // A process that was just started may have done nothing yet: two looks must agree.
    eventually(() => {
      const before = text;
      text = fs.readFileSync(this.#file).subarray(from).toString();
      if (text !== before || !hasEnded(text, this.#listener))
        throw new Error("something still runs");
    }, 60);
    const trace = new Trace(text, this.board.home);
    const flushes = this.#flushes();
    if (flushes !== undefined) trace.flushes = flushes - flushesBefore!;
    return trace;
  }

  /** `ssh board WORDS`. */
  ssh(...words: string[]) {
    return this.count(["ssh", "-F", `${this.board.folder}/ssh/counted`, "board", ...words]);
  }

  /** Flushes of the board's disk until now (Documentation/block/stat.rst in Linux). */
  #flushes(): number | undefined {
    const mounted = this.board.run(["findmnt", "-n", "-o", "SOURCE", this.board.folder]).stdout;
    const disk = /^\/dev\/(loop\d+)\n/.exec(mounted)?.[1];
    return disk ? Number(read(`/sys/block/${disk}/stat`).trim().split(/\s+/)[15]) : undefined;
  }

  stop() {
    this.#child.kill("SIGTERM");
  }
}

/** Whether every process but this one, the listening sshd, has ended. */
function hasEnded(text: string, listener: string): boolean {
  const alive = new Set<string>();
  for (const [, pid = "", rest = ""] of text.matchAll(/^(\d+) +(.*)$/gm))
    if (rest.startsWith("+++ ")) alive.delete(pid);
    else alive.add(pid);
  alive.delete(listener);
  return text.includes("+++") && alive.size === 0;
}

/** An app without packages to install, which every contestant of the bench takes for Python. */
const countedApp = (host: string): Files => ({
  ...wsgiProbe(host),
  ENV: `NGINX_SERVER_NAME=${host}\nNGINX_IPV4_ADDRESS=127.0.0.1\nDISABLE_IPV6=true\n`,
  "requirements.txt": "",
});

/** What is counted, on an app that has been pushed twice: by its title. */
export function countCommands(board: Sandbox): Map<string, Trace> {
  const counter = new Counter(board);
  const repo = board.repo(undefined, countedApp("counted.test"));
  const pushOf = (files: Files) => {
    repo.commit("Next", files);
    return counter.count(["git", "push", "board:counted", "main"], { cwd: repo.folder });
  };
  try {
    ok(board.push(repo, "counted"));
    pushOf({ "app.py": probeSource("two") });
    const isOriginal = read(board.executable).startsWith("#!");
    return new Map([
      ["`apps`", counter.ssh("apps")],
      ["a push of an empty commit", pushOf({})],
      ["a push of one file", pushOf({ "app.py": probeSource("three") })],
      ["`config:set`", counter.ssh("config:set", "counted", "GREETING=hello")],
      ["`restart`", counter.ssh("restart", "counted")],
      ...(isOriginal
        ? []
        : ([["`rollback`", counter.ssh("rollback", "counted")]] satisfies [string, Trace][])),
    ]);
  } finally {
    counter.stop();
  }
}
