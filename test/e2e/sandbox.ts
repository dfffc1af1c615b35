/**
 * A board of our own on loopback: real sshd, uWSGI emperor and nginx, as the calling user, on free
 * high ports, below one short folder (a unix socket's path must stay under 108 bytes).
 */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import {
  Board,
  filesBelow,
  freePorts,
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
  targets,
  user,
} from "./board.ts";

export * from "./board.ts";

export class Sandbox extends Board {
  readonly isInstalled = false;
  readonly #servers: { name: string; child: ChildProcess }[] = [];
  #disk = false;

  get home() {
    return `${this.folder}/home`;
  }

  /**
   * With a disk of its own, of so many megabytes, for root only: in memory, or in a file
   * (`onCard`), so that the kernel counts what a card would be told.
   */
  start(disk?: number, onCard = false): this {
    requireBuilt(this.target);
    this.folder = fs.mkdtempSync("/tmp/piku-");
    if (disk !== undefined) {
      const image = `${this.folder}.img`;
      const mounting = onCard
        ? [
            ["truncate", "-s", `${disk}M`, image],
            ["mkfs.ext4", "-q", image],
            ["mount", "-o", "loop", image, this.folder],
            ["rm", image],
          ]
        : [["mount", "-t", "tmpfs", "-o", `size=${disk}m`, "piku-test", this.folder]];
      for (const argv of mounting) ok(this.run(argv, { cwd: "/" }));
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
        const words = [
          ...readProc(pid, "environ").split("\0"),
          ...readProc(pid, "cmdline").split("\0"),
        ];
        return (
          words.includes(`HOME=${this.home}`) ||
          words.some((word) => word.includes(`${this.folder}/`))
        );
      })
      .map(Number);
  }

  another() {
    return new Sandbox(this.target);
  }

  pidOf(inner: number) {
    if (!process.env.PIKU_WALLS) return inner;
    const isIt = (pid: number) => readProc(String(pid), "status").includes(`\t${inner}\nNSpgid:`);
    const found = this.processes().filter(isIt);
    if (found.length !== 1) throw new Error(`${found.length} processes are called ${inner}`);
    return found[0]!;
  }

  inside(file: string) {
    return file;
  }

  outside(file: string) {
    return file;
  }

  on(argv: readonly string[], how: How = {}): Ran {
    return this.run(argv, { cwd: this.home, env: this.boardEnv(), ...how });
  }

  asRoot(argv: readonly string[], how: How = {}): Ran {
    return this.on(argv, how);
  }

  begin(argv: readonly string[]) {
    const child = spawn(argv[0]!, argv.slice(1), { stdio: "ignore" });
    return () => void child.kill("SIGKILL");
  }

  boardEnv(): Record<string, string> {
    return { ...handedOn(), HOME: this.home, USER: user(), LOGNAME: user(), PATH: systemPath };
  }

  startEmperor() {
    this.#serve("emperor", ["uwsgi", "--ini", `${this.pikuRoot}/uwsgi/uwsgi.ini`], this.boardEnv());
    const folder = `${this.pikuRoot}/uwsgi`;
    const begun = () =>
      fs
        .readdirSync(folder)
        .some((name) => name.endsWith(".log") && read(`${folder}/${name}`).includes("Emperor"));
    for (let i = 0; i < 100 && !begun(); i++) Bun.sleepSync(20);
  }

  async killEmperor() {
    const index = this.#servers.findIndex(({ name }) => name === "emperor");
    const { child } = this.#servers.splice(index, 1)[0]!;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  logs(): string {
    const found = [
      "logs",
      "home/.piku/uwsgi",
      "home/.piku/logs",
      "home/.piku/nginx",
      "home/.piku/web",
      "home/.piku/uwsgi-enabled",
    ].flatMap((folder) =>
      filesBelow(`${this.folder}/${folder}`).filter((file) =>
        /\.(log|conf|ini)(\.\d+)?$/.test(file),
      ),
    );
    return found
      .map((file) => `==> ${file}\n${read(file).split("\n").slice(-40).join("\n")}`)
      .join("\n");
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
        // Every story can be told of isolated apps.
        ...(process.env.PIKU_WALLS ? ["PIKU_ISOLATION=true"] : []),
        "",
      ].join("\n"),
    );
    ok(this.piku("setup"));
    makeKeys(`${this.folder}/ssh`, "id", "other", "host");
    ok(this.piku("setup:ssh", `${this.folder}/ssh/id.pub`));
  }

  #startSshd() {
    const folder = `${this.folder}/ssh`;
    const settings = Object.entries(this.boardEnv()).filter(
      ([name]) => name !== "USER" && name !== "LOGNAME",
    );
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
    this.setUpClient(user(), read(`${folder}/host.pub`));
    if (process.getuid?.() === 0) fs.mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    this.#serve(
      "sshd",
      [which("sshd"), "-D", "-e", "-f", `${folder}/sshd_config`],
      this.boardEnv(),
      this.sshPort,
    );
  }

  /** As piku-web.service does. */
  #startNginx() {
    const main = `${this.pikuRoot}/web/nginx.conf`;
    // The original, which the bench measures, knows no such command; its board has the same nginx.
    const isOriginal = read(`${this.home}/piku`).startsWith("#!");
    const ours = isOriginal ? targets.at(-1)!.executable : `${this.home}/piku`;
    ok(this.run([ours, "web"], { cwd: this.home, env: this.boardEnv() }));
    this.#serve(
      "nginx",
      ["nginx", "-e", "stderr", "-c", main, "-g", "daemon off;"],
      this.boardEnv(),
      this.httpPort,
    );
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

function accepts(port: number): boolean {
  const wanted = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return read("/proc/net/tcp")
    .split("\n")
    .some((line) => line.includes(` ${wanted} `) && / 0A /.test(line));
}
