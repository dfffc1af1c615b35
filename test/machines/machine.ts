/**
 * Whole Debian machines with their own systemd and network, made by machine.sh, and stories of one
 * that begins with nothing on it. (A machine that is a board already: installed.ts.) For root on
 * Debian; by hand:
 *
 *   sh test/setup.sh machines && bun build.ts --all && bun test --timeout 60000 ./test/machines/install.test.ts
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { examples, type Files, ok, type Ran } from "../e2e/board.ts";
import type { Block } from "../e2e/docs.ts";
import { skipped } from "../e2e/story.ts";
import { machine as command, noMachines, script } from "./command.ts";

export const dist = path.resolve(import.meta.dir, "../../dist");

/**
 * `dist` on a web server that this machine alone reaches; its address is there once the machine has
 * booted.
 */
export function serveDist(machine: Machine) {
  const fetch = ({ url }: Request) => new Response(Bun.file(`${dist}/${new URL(url).pathname}`));
  let server: ReturnType<typeof Bun.serve> | undefined;
  return {
    get address() {
      server ??= Bun.serve({ port: 0, hostname: machine.gateway, fetch });
      return `http://${machine.gateway}:${server.port}`;
    },
    stop: () => server?.stop(true),
  };
}

/** What a page shows to root about install.sh, which does not know its own address here. */
export const installedFrom = ({ text }: Block, address: string) =>
  text
    .replace("https://example.org/piku", address)
    .replace(
      /\| sh(?: -s --)?(.*)$/,
      (_, options: string) => `| sh -s --${options} --from ${address}`,
    );

export interface Kind {
  arch: string;
  suite: string;
  /** A cap such as 512M. */
  memory?: string;
  /** What install.sh installs is there already, which saves a minute. */
  baked?: boolean;
  /** The same, and its init is OpenRC instead of systemd. */
  openrc?: boolean;
}

export class Machine {
  static #made = 0;
  readonly name = `fresh-${process.pid}-${++Machine.#made}`;
  readonly folder = fs.mkdtempSync("/tmp/piku-machine-");
  /** Its root folder, from here. */
  readonly root = command("root", this.name).stdout.trim();
  /** Its address, and ours as it sees us: once it has booted. */
  address = "";
  readonly #repos = new Map<string, string>();

  constructor(readonly kind: Kind) {}

  get gateway() {
    return this.address.replace(/\d+$/, (last) => String(Number(last) - 1));
  }

  async create() {
    ok(await this.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${this.folder}/id`]));
    fs.writeFileSync(
      `${this.folder}/gitconfig`,
      "[user]\n  name = A Pupil\n  email = pupil@example.test\n",
    );
    const { arch, suite, baked, openrc } = this.kind;
    const more = openrc ? ["--openrc"] : baked ? ["--baked"] : [];
    ok(await this.machine("create", "--arch", arch, "--suite", suite, ...more));
  }

  async boot() {
    ok(await this.machine("boot", ...(this.kind.memory ? [this.kind.memory] : [])));
    this.address = ok(await this.machine("address")).stdout.trim();
  }

  async stop() {
    await this.machine("stop");
  }

  /** Takes away its power. */
  async cut() {
    await this.machine("cut");
  }

  /** Most megabytes that were ever used, where there is a cap. */
  async mostMemory(): Promise<number> {
    return Math.round(Number(ok(await this.machine("memory")).stdout) / 2 ** 20);
  }

  async destroy() {
    await this.machine("destroy");
    fs.rmSync(this.folder, { recursive: true });
  }

  /** A verb of machine.sh, and what follows the machine's name. */
  machine(verb: string, ...words: string[]): Promise<Ran> {
    return this.run([script, verb, this.name, ...words]);
  }

  /** Puts these files into /root/release of the machine: the release that it is installed from. */
  async release(names: readonly string[]) {
    const place = `${this.root}/root/release`;
    fs.rmSync(place, { recursive: true, force: true });
    fs.mkdirSync(place);
    for (const name of names) fs.copyFileSync(`${dist}/${name}`, `${place}/${name}`);
    fs.copyFileSync(`${this.folder}/id.pub`, `${this.root}/root/id.pub`);
  }

  /** One line of shell, as root inside. */
  sh(line: string): Promise<Ran> {
    return this.machine("exec", "sh", "-c", line);
  }

  /** `ssh piku@machine LINE`, from outside. */
  ssh(line: string, input = ""): Promise<Ran> {
    return this.run([...this.#sshWords(), `piku@${this.address}`, line], { input });
  }

  #sshWords() {
    const options = [
      "BatchMode=yes",
      "StrictHostKeyChecking=no",
      `UserKnownHostsFile=${this.folder}/known_hosts`,
    ];
    return [
      "ssh",
      "-F",
      "none",
      "-i",
      `${this.folder}/id`,
      ...options.flatMap((option) => ["-o", option]),
    ];
  }

  /** What nginx answers for a name: the status and the body. */
  async get(host: string, scheme: "http" | "https" = "http", page = "/"): Promise<string> {
    const resolve = [80, 443].flatMap((port) => ["--resolve", `${host}:${port}:${this.address}`]);
    const url = `${scheme}://${host}${page}`;
    const words = [
      "-sk",
      "--noproxy",
      "*",
      "--max-time",
      "30",
      ...resolve,
      "-w",
      "\n%{http_code}",
      url,
    ];
    const { stdout } = await this.run(["curl", ...words]);
    const end = stdout.lastIndexOf("\n");
    return `${stdout.slice(end + 1)} ${stdout.slice(0, end)}`;
  }

  /** Asks for a name's page until it is called; then the answers that were not these. */
  watch(host: string, wanted: string) {
    const others: string[] = [];
    let ended = false;
    const loop = (async () => {
      for (; !ended; await Bun.sleep(20)) {
        const answer = await this.get(host);
        if (answer !== wanted) others.push(answer);
      }
    })();
    return async () => {
      ended = true;
      await loop;
      return others;
    };
  }

  /** An example, or files, committed on top of what was pushed as this app before, and pushed. */
  async push(app: string, example: string | undefined, files: Files = {}): Promise<Ran> {
    const folder = this.#repos.get(app) ?? `${this.folder}/${app}`;
    const git = async (...words: string[]) =>
      ok(await this.run(["git", ...words], { cwd: folder }));
    fs.mkdirSync(folder, { recursive: true });
    if (!this.#repos.has(app)) await git("init", "--quiet", "--initial-branch=main");
    this.#repos.set(app, folder);
    if (example) fs.cpSync(`${examples}/${example}`, folder, { recursive: true });
    for (const [name, content] of Object.entries(files))
      fs.writeFileSync(`${folder}/${name}`, content!);
    await git("add", "--all");
    await git("commit", "--quiet", "--allow-empty", "-m", "Change");
    // The branch that the original knows.
    return this.run(["git", "push", `piku@${this.address}:${app}`, "main:master"], { cwd: folder });
  }

  /** Seconds, for the one who reads the tests' output. */
  told(what: string, { ms }: Pick<Ran, "ms">) {
    const { suite, arch, memory, openrc } = this.kind;
    console.log(
      `${suite} ${arch}${openrc ? " OpenRC" : ""}${memory ? ` ${memory}` : ""}: ${what} ${(ms / 1000).toFixed(1)} s`,
    );
  }

  async run(argv: readonly string[], how: { input?: string; cwd?: string } = {}): Promise<Ran> {
    const began = performance.now();
    const child = Bun.spawn([...argv], {
      cwd: how.cwd,
      env: {
        ...process.env,
        GIT_SSH_COMMAND: this.#sshWords().join(" "),
        GIT_CONFIG_GLOBAL: `${this.folder}/gitconfig`,
      },
      stdin: new TextEncoder().encode(how.input ?? ""),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, status] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return {
      command: argv.join(" "),
      status,
      stdout,
      stderr,
      output: stdout + stderr,
      ms: performance.now() - began,
    };
  }
}

type Tell = (name: string, body: () => Promise<void>) => void;

/** Tells stories of a fresh machine for each of these kinds, or says why it cannot. */
export function machines(
  kinds: readonly Kind[],
  tell: (machine: Machine, story: Tell) => void,
  why?: string,
) {
  for (const kind of kinds) {
    const title = `${kind.suite} ${kind.arch}${kind.openrc ? " OpenRC" : ""}`;
    const reason = noMachines(kind.arch) ?? why;
    if (reason) {
      skipped(title, reason);
      continue;
    }
    describe(title, () => {
      const machine = new Machine(kind);
      beforeAll(() => {
        command("sweep");
        return machine.create();
      }, 1_800_000);
      afterAll(() => machine.destroy(), 120_000);
      tell(machine, (name, body) => test(name, body, 1_800_000));
    });
  }
}
