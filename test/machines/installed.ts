/**
 * A board as a user has it: a whole machine on which install.sh was run, spoken to by ssh and http
 * from outside. For root on Debian. One machine an executable is installed for each run of the
 * tests; boards are copies of it, and there at once.
 *
 *   PIKU_BOARD=installed PIKU_TARGETS=linux-x64-lite bun test --timeout 60000 ./test/e2e/push.test.ts
 *
 * PIKU_SUITE=trixie takes Debian 13 instead of 12.
 *
 * Its files are seen through the root folder of the machine. On the machine a link of that name
 * leads to /, so that a path that a story writes into an app or a command is good there too; piku
 * itself prints the path that it knows (`inside`). Links with an absolute target, and objects that
 * git borrows, lead elsewhere from here: `on` looks at such things from within.
 */
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {
  Board,
  filesBelow,
  type How,
  handedOn,
  kill,
  makeKeys,
  ok,
  type Ran,
  read,
  readProc,
  requireBuilt,
  systemPath,
  type Target,
} from "../e2e/board.ts";
import { sign } from "../e2e/publish.ts";
import { machine, script } from "./command.ts";

const checkout = path.resolve(import.meta.dir, "../..");
/** Where on every machine the client of the stories lives. */
const place = "/srv/story";

/** Puts a release of this one executable into a folder. */
function release(target: Target, folder: string) {
  requireBuilt(target);
  fs.mkdirSync(folder, { recursive: true });
  // The one of the build knows who signs.
  fs.copyFileSync(`${checkout}/dist/install.sh`, `${folder}/install.sh`);
  fs.copyFileSync(target.executable, `${folder}/piku-${target.name}`);
  sign(folder);
}

/** The machine that boards of this executable are copies of. */
export const nameOfInstalled = (target: Target) =>
  `installed-${process.env.PIKU_SUITE ?? ""}${target.name.replaceAll(/[^a-z0-9]/g, "-")}-${process.env.PIKU_MACHINE_OWNER ?? process.pid}`;

/** Makes it, unless this run of the tests has it; gives its name. */
export function installed(target: Target): string {
  const name = nameOfInstalled(target);
  const root = machine("root", name).stdout.trim();
  if (fs.existsSync(`${root}${place}/installed`)) return name;
  machine("sweep");
  const suite = process.env.PIKU_SUITE;
  ok(machine("create", name, "--baked", ...(suite ? ["--suite", suite] : [])));
  if (!process.env.PIKU_MACHINE_OWNER) process.on("exit", () => machine("destroy", name));
  release(target, `${root}/root/release`);
  for (const folder of ["ssh", "client/bin"])
    fs.mkdirSync(`${root}${place}/${folder}`, { recursive: true });
  makeKeys(`${root}${place}/ssh`, "id", "other", "host");
  ok(machine("boot", name));
  const key = `${place}/ssh/id.pub`;
  const ran = ok(
    machine("exec", name, "sh", "/root/release/install.sh", "--key", key, "--target", target.name),
  );
  ok(machine("stop", name));
  fs.writeFileSync(`${root}${place}/installed`, JSON.stringify(ran));
  return name;
}

export class InstalledBoard extends Board {
  readonly isInstalled = true;
  static #made = 0;
  readonly name = `board-${process.pid}-${++InstalledBoard.#made}`;
  /**
   * Whether what a story wrote as root becomes the board's own; a story that looks for files of
   * root's turns it off.
   */
  settles = true;
  #root = "";
  #init = 0;
  #user = { uid: 0, gid: 0 };

  get home() {
    return `${this.#root}/home/piku`;
  }
  /** The root folder of the machine. */
  get root() {
    return this.#root;
  }

  start(): this {
    ok(machine("create", this.name, "--from", installed(this.target)));
    this.#root = ok(machine("root", this.name)).stdout.trim();
    this.folder = `${this.#root}${place}`;
    fs.mkdirSync(`${this.#root}${path.dirname(this.#root)}`, { recursive: true });
    fs.symlinkSync("/", `${this.#root}${this.#root}`);
    const [uid, gid] = read(`${this.#root}/etc/passwd`)
      .match(/^piku:[^:]*:(\d+):(\d+)/m)!
      .slice(1)
      .map(Number);
    this.#user = { uid: uid!, gid: gid! };
    // Apps leave marks there.
    fs.chownSync(this.folder, uid!, gid!);
    this.boot();
    return this;
  }

  boot() {
    ok(machine("boot", this.name));
    this.#init = Number(ok(machine("init", this.name)).stdout);
    this.address = ok(machine("address", this.name)).stdout.trim();
    this.clientAddress = this.address.replace(/\d+$/, (last) => String(Number(last) - 1));
    this.setUpClient("piku", read(`${this.#root}/etc/ssh/ssh_host_ed25519_key.pub`));
  }

  /** Shuts the machine down and boots it again; with `cut`, its power goes instead. */
  reboot(how: "stop" | "cut" = "stop") {
    this.settle();
    ok(machine(how, this.name));
    this.boot();
  }

  stop() {
    ok(machine("destroy", this.name));
  }

  override another(): InstalledBoard {
    return new InstalledBoard(this.target);
  }

  /** Of the board's user, as the sandbox lists only those of its own. */
  processes(): number[] {
    const isTheirs = (pid: number) =>
      fs.statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === this.#user.uid;
    return this.#all(isTheirs);
  }

  /** Every such process in the machine's namespace of processes, or in one below it. */
  #all(isWanted: (pid: number) => boolean = () => true): number[] {
    const space = (pid: number | string) => {
      try {
        return fs.readlinkSync(`/proc/${pid}/ns/pid`);
      } catch {
        return "";
      }
    };
    const [ours, here] = [space(this.#init), space("self")];
    const parentOf = (pid: number) =>
      Number(readProc(String(pid), "stat").split(") ").at(-1)!.split(" ")[1]);
    const isBelow = (pid: number): boolean =>
      pid === this.#init || (pid > 1 && isBelow(parentOf(pid)));
    const isInside = (pid: number) => {
      const its = space(pid);
      return its === ours || (its !== "" && its !== here && isBelow(pid));
    };
    const pids = fs
      .readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    return pids.filter((pid) => isWanted(pid) && isInside(pid));
  }

  pidOf(inner: number): number {
    const has = (pid: number) =>
      /^NSpid:.*\t(\d+)$/m.exec(readProc(String(pid), "status"))?.[1] === String(inner);
    return this.#all().find(has) ?? 0;
  }

  inside(file: string) {
    return file.startsWith(`${this.#root}/`) ? file.slice(this.#root.length) : file;
  }

  outside(file: string) {
    return file.startsWith(`${this.#root}/`) ? file : `${this.#root}${file}`;
  }

  on(argv: readonly string[], how: How = {}): Ran {
    const { uid, gid } = this.#user;
    const { cwd = this.home, env = this.boardEnv(), ...rest } = how;
    const as = ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--init-groups"];
    const words = [
      "env",
      "-i",
      `--chdir=${this.inside(cwd)}`,
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ];
    const [program, ...others] = argv;
    return this.asRoot([...as, ...words, this.inside(program!), ...others], rest);
  }

  /** Runs one command on the machine as root. */
  asRoot(argv: readonly string[], how: How = {}): Ran {
    return this.run([script, "exec", this.name, ...argv], {
      ...how,
      cwd: "/",
      env: { ...process.env } as Record<string, string>,
    });
  }

  begin(argv: readonly string[]) {
    const mark = `STORY=${crypto.randomUUID()}`;
    const as = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", mark];
    spawn(script, ["exec", this.name, ...as, ...argv], { stdio: "ignore" });
    return () => {
      const isIt = (pid: number) => readProc(String(pid), "environ").split("\0").includes(mark);
      for (const pid of this.#all().filter(isIt)) kill(pid, "SIGKILL");
    };
  }

  /** Runs the release's install.sh on the machine. */
  install(...words: string[]): Ran {
    return this.asRoot(["sh", "/root/release/install.sh", ...words], { limit: 600 });
  }

  /** How install.sh went that made this board. */
  installation(): Ran {
    return JSON.parse(read(`${this.folder}/installed`));
  }

  boardEnv(): Record<string, string> {
    return { ...handedOn(), HOME: "/home/piku", USER: "piku", LOGNAME: "piku", PATH: systemPath };
  }

  startEmperor() {
    ok(this.asRoot(["systemctl", "start", "uwsgi-piku"]));
  }

  killEmperor() {
    // What is killed is started again a second later, unless it is stopped.
    ok(
      this.asRoot([
        "sh",
        "-c",
        "systemctl kill --signal=KILL uwsgi-piku && systemctl stop uwsgi-piku",
      ]),
    );
  }

  override settle() {
    if (!this.settles || !this.#user.uid) return;
    const { uid, gid } = this.#user;
    const client = ["ssh", "client"].flatMap((name) => [
      "!",
      "(",
      "-path",
      `${this.folder}/${name}`,
      "-prune",
      ")",
    ]);
    const give = ["-uid", "0", "-exec", "chown", "-h", `${uid}:${gid}`, "{}", "+"];
    Bun.spawnSync(["find", this.home, this.folder, "-xdev", ...client, ...give]);
  }

  logs(): string {
    const units = ["uwsgi-piku", "piku-web", "piku-nginx", "nginx", "ssh"].flatMap((unit) => [
      "-u",
      unit,
    ]);
    const journal = this.asRoot(["journalctl", "-b", "--no-pager", "-n", "80", ...units]).output;
    const files = ["uwsgi", "logs", "nginx", "uwsgi-enabled"]
      .flatMap((folder) => filesBelow(`${this.pikuRoot}/${folder}`))
      .filter((file) => /\.(log|conf|ini)(\.\d+)?$/.test(file));
    const ends = files.map(
      (file) => `==> ${file}\n${read(file).split("\n").slice(-40).join("\n")}`,
    );
    return [`==> journal\n${journal}`, ...ends].join("\n");
  }
}
