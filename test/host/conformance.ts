import type { Host, ProcessFacts } from "../../src/host/host.ts";
import { readProcesses } from "../../src/host/processes.ts";

/**
 * What every Host must do, as a table of names and checks. A check throws when it does not hold.
 */
type Check = (host: Host, folder: string) => void;

/** The part that a Host without children and time can do. */
export const fileChecks: Record<string, Check> = {
  "write replaces a file and leaves nothing beside it"(host, folder) {
    host.write(`${folder}/a`, "one\n");
    host.write(`${folder}/a`, "zwölf €\n", 0o600);
    same(host.read(`${folder}/a`), "zwölf €\n");
    same(host.stat(`${folder}/a`)?.mode, 0o600);
    same(host.list(folder), ["a"]);
  },
  "write replaces a link, not what it points to"(host, folder) {
    host.write(`${folder}/a`, "a");
    host.link("a", `${folder}/b`);
    host.write(`${folder}/b`, "b");
    same([host.read(`${folder}/a`), host.read(`${folder}/b`)], ["a", "b"]);
  },
  "note, move and sync leave the same as write and rename"(host, folder) {
    host.note(`${folder}/a`, "one\n");
    host.note(`${folder}/a`, "zwölf €\n", 0o600);
    host.sync([folder, `${folder}/none`, `${folder}/a`]);
    host.move(`${folder}/a`, `${folder}/b`);
    same([host.read(`${folder}/b`), host.stat(`${folder}/b`)?.mode], ["zwölf €\n", 0o600]);
    same(host.list(folder), ["b"]);
    throws("ENOENT", () => host.note(`${folder}/none/a`, "a"));
    throws("ENOENT", () => host.move(`${folder}/none`, `${folder}/b`));
    host.sync([]);
  },
  "write gives up with the errno's name"(host, folder) {
    throws("ENOENT", () => host.write(`${folder}/none/a`, "a"));
    host.write(`${folder}/a`, "a");
    throws("ENOTDIR", () => host.write(`${folder}/a/b`, "a"));
    host.mkdir(`${folder}/d/e`);
    throws("EISDIR", () => host.write(`${folder}/d`, "a"));
    same(host.list(folder), ["a", "d"]);
  },
  "a tree is removed whole, be it small or large, and links are not followed"(host, folder) {
    for (const count of [3, 70]) {
      for (let i = 0; i < count; i++) {
        host.mkdir(`${folder}/tree/d${i % 4}/e`);
        host.append(`${folder}/tree/d${i % 4}/e/${i}`, "x");
      }
      host.mkdir(`${folder}/other`);
      host.append(`${folder}/other/kept`, "kept");
      host.link(`${folder}/other`, `${folder}/tree/link`);
      host.remove(`${folder}/tree`);
      same([host.stat(`${folder}/tree`), host.read(`${folder}/other/kept`)], [undefined, "kept"]);
      host.remove(`${folder}/other`);
    }
    same(host.list(folder), []);
  },
  "what is not there"(host, folder) {
    const none = `${folder}/none`;
    same(
      [host.read(none), host.stat(none), host.list(none), host.readLink(none), host.realPath(none)],
      [undefined, undefined, [], undefined, undefined],
    );
    same(host.readFrom(none, 0), { text: "", offset: 0 });
    host.remove(none);
    host.write(`${folder}/a`, "");
    same(
      [host.read(`${folder}/a`), host.read(`${folder}/a/b`), host.stat(`${folder}/a/b`)],
      ["", undefined, undefined],
    );
    throws("ENOENT", () => host.chmod(none, 0o600));
    throws("ENOENT", () => host.rename(none, `${folder}/b`));
    throws("EISDIR", () => host.read(folder));
  },
  "append makes a private file and adds to it"(host, folder) {
    host.append(`${folder}/log`, "one\n");
    host.append(`${folder}/log`, "two\n");
    same(host.read(`${folder}/log`), "one\ntwo\n");
    same(host.stat(`${folder}/log`)?.mode, 0o600);
  },
  "an app that makes its log a link shows and writes nothing by it"(host, folder) {
    host.write(`${folder}/secret`, "a secret\n");
    host.link("secret", `${folder}/log`);
    same(host.readFrom(`${folder}/log`, 0, true), { text: "", offset: 0 });
    same(
      host.search(`${folder}/log`, () => true),
      false,
    );
    throws("ELOOP", () => host.append(`${folder}/log`, "more\n"));
    same(host.read(`${folder}/secret`), "a secret\n");
  },
  "readFrom stops at the last whole line"(host, folder) {
    const path = `${folder}/log`;
    host.append(path, "eins\nzwölf €😀\nha");
    same(host.readFrom(path, 0), { text: "eins\nzwölf €😀\n", offset: 20 });
    same(host.readFrom(path, 5), { text: "zwölf €😀\n", offset: 20 });
    same(host.readFrom(path, 20), { text: "", offset: 20 });
    same(host.readFrom(path, 20, true), { text: "ha", offset: 22 });
    host.append(path, "lb\n");
    same(host.readFrom(path, 20), { text: "halb\n", offset: 25 });
    same(host.readFrom(path, 99), { text: "", offset: 99 });
  },
  "read refuses what is larger than it may be"(host, folder) {
    host.write(`${folder}/a`, "1234€");
    same([host.read(`${folder}/a`, 7), host.read(`${folder}/a`)], ["1234€", "1234€"]);
    throws(`the file '${folder}/a' is larger than 0 KB`, () => host.read(`${folder}/a`, 6));
    host.write(`${folder}/b`, "x".repeat(4 * 1024 * 1024 + 1));
    throws(`the file '${folder}/b' is larger than 4 MB`, () => host.read(`${folder}/b`));
    same(host.read(`${folder}/b`, 17 * 1024 * 1024)?.length, 4 * 1024 * 1024 + 1);
  },
  "readFrom gives a large file in pieces of whole lines"(host, folder) {
    const path = `${folder}/log`;
    host.write(path, "one\ntwo €\nthree");
    same(host.readFrom(path, 0, false, 9), { text: "one\n", offset: 4 });
    same(host.readFrom(path, 4, false, 9), { text: "two €\n", offset: 12 });
    same(host.readFrom(path, 0, true, 12), { text: "one\ntwo €\n", offset: 12 });
    same(host.readFrom(path, 12, true, 12), { text: "three", offset: 17 });
    // A line that is longer comes in parts, and no character is cut.
    same(host.readFrom(path, 4, false, 6), { text: "two ", offset: 8 });
    same(host.readFrom(path, 8, false, 6), { text: "€\n", offset: 12 });
  },
  "search sees each line whole, and ends where it has found"(host, folder) {
    const path = `${folder}/log`;
    const lines = Array.from({ length: 20_000 }, (_, i) => `zeile ${i} €\n`);
    host.write(path, `${lines.join("")}last`);
    const seen: string[] = [];
    same(
      host.search(path, (text) => {
        seen.push(text);
        return text.includes("zeile 50 €\n");
      }),
      true,
    );
    same(seen.join("").length < 300_000 && seen.every((text) => text.endsWith("\n")), true);
    const all: string[] = [];
    same(
      host.search(path, (text) => all.push(text) < 0),
      false,
    );
    same(all.join("") === `${lines.join("")}last`, true);
    same(
      host.search(path, (text) => text.includes("zeile 0 "), 12),
      false,
    );
    same(
      host.search(`${folder}/none`, () => true),
      false,
    );
  },
  "list is sorted and names everything"(host, folder) {
    for (const name of ["b", ".x", "a", "ä", "B"]) host.write(`${folder}/${name}`, "");
    same(host.list(folder), [".x", "B", "a", "b", "ä"]);
  },
  "stat tells of the entry itself"(host, folder) {
    host.mkdir(`${folder}/dir`, 0o700);
    host.write(`${folder}/file`, "€");
    host.link("file", `${folder}/link`);
    same(
      ["dir", "file", "link"].map((name) => host.stat(`${folder}/${name}`)?.type),
      ["directory", "file", "link"],
    );
    const stat = host.stat(`${folder}/file`)!;
    same([stat.size, stat.mode, stat.inode > 0], [3, 0o644, true]);
    same(Math.abs(host.now() - stat.modified) < 60_000, true);
    same(host.stat(`${folder}/dir`)?.mode, 0o700);
  },
  "mkdir makes parents and is content with what is there"(host, folder) {
    host.mkdir(`${folder}/a/b/c`, 0o750);
    host.mkdir(`${folder}/a/b/c`, 0o700);
    same([host.stat(`${folder}/a`)?.mode, host.stat(`${folder}/a/b/c`)?.mode], [0o750, 0o750]);
    host.link("a", `${folder}/l`);
    host.mkdir(`${folder}/l`);
    host.mkdir(`${folder}/l/d`);
    same(host.list(`${folder}/a`), ["b", "d"]);
    host.write(`${folder}/f`, "");
    throws("ENOTDIR", () => host.mkdir(`${folder}/f`));
    throws("ENOTDIR", () => host.mkdir(`${folder}/f/g`));
  },
  "link takes the place of a link and of a file"(host, folder) {
    host.write(`${folder}/a`, "a");
    host.link("a", `${folder}/l`);
    host.link("b", `${folder}/l`);
    same(host.readLink(`${folder}/l`), "b");
    same(host.realPath(`${folder}/l`), undefined);
    host.link("l", `${folder}/a`);
    same(host.readLink(`${folder}/a`), "l");
    host.mkdir(`${folder}/d`);
    throws("EISDIR", () => host.link("a", `${folder}/d`));
    same([host.readLink(`${folder}/d`), host.list(folder)], [undefined, ["a", "d", "l"]]);
  },
  "realPath and reading go through links"(host, folder) {
    host.mkdir(`${folder}/one/two`);
    host.write(`${folder}/one/two/a`, "a");
    host.link("one", `${folder}/l`);
    same(host.read(`${folder}/l/two/a`), "a");
    same(host.realPath(`${folder}/l/two/../two/a`), `${host.realPath(folder)}/one/two/a`);
    same(host.list(`${folder}/l`), ["two"]);
  },
  "remove takes whole trees and follows no link"(host, folder) {
    host.mkdir(`${folder}/keep`);
    host.write(`${folder}/keep/a`, "a");
    host.mkdir(`${folder}/-tree/b`);
    host.write(`${folder}/-tree/b/c`, "c");
    host.link("../keep", `${folder}/-tree/link`);
    host.link("keep", `${folder}/link`);
    host.remove(`${folder}/link`);
    host.remove(`${folder}/-tree`);
    host.mkdir(`${folder}/empty`);
    host.remove(`${folder}/empty`);
    same([host.list(folder), host.read(`${folder}/keep/a`)], [["keep"], "a"]);
  },
  "rename takes the place of a file"(host, folder) {
    host.write(`${folder}/a`, "a");
    host.write(`${folder}/b`, "b");
    host.rename(`${folder}/a`, `${folder}/b`);
    host.mkdir(`${folder}/d/e`);
    host.rename(`${folder}/d`, `${folder}/f`);
    same(
      [host.read(`${folder}/b`), host.list(folder), host.list(`${folder}/f`)],
      ["a", ["b", "f"], ["e"]],
    );
  },
  "a NUL is refused"(host, folder) {
    throws("EINVAL", () => host.read(`${folder}/a\0b`));
    throws("EINVAL", () => host.write(`${folder}/a\0b`, ""));
    throws("EINVAL", () => host.remove(`${folder}/a\0b`));
    throws("EINVAL", () => host.capture(["echo", "a\0b"]));
    throws("EINVAL", () => host.run(["echo", "a\0b"]));
  },
  "a lock is held once"(host, folder) {
    const lock = host.lock(`${folder}/lock`);
    same([lock !== undefined, host.lock(`${folder}/lock`)], [true, undefined]);
    same(host.stat(`${folder}/lock`)?.mode, 0o600);
    lock!.release();
    lock!.release();
    const again = host.lock(`${folder}/lock`);
    same(again !== undefined, true);
    again!.release();
  },
};

/**
 * The rest, for a Host on a real system. `program` runs conformance-run.ts on the engine that is
 * being checked.
 */
export const systemChecks = (
  program: readonly string[],
  takenPort: number,
): Record<string, Check> => ({
  "a umask changes no mode that was asked for"(host, folder) {
    const ran = host.capture([
      "sh",
      "-c",
      'umask 077; exec "$@"',
      "sh",
      ...program,
      "modes",
      folder,
    ]);
    same(ran, { status: 0, stdout: "644 660 755 600 640\n", stderr: "" });
  },
  "text that is no UTF-8 is read without a throw"(host, folder) {
    host.capture([
      "sh",
      "-c",
      "printf 'a\\200\\nb\\377\\n\\303(\\360\\237\\230\\nc' >\"$0\"",
      `${folder}/bad`,
    ]);
    const path = `${folder}/bad`;
    same(host.read(path), "a\ufffd\nb\ufffd\n\ufffd(\ufffd\nc");
    same(host.readFrom(path, 0).offset, 12);
    host.write(path, "\ud800x");
    same(host.read(path), "\ufffdx");
  },
  "files below /proc"(host) {
    same(host.read("/proc/self/stat")?.split(" ")[0], String(host.pid));
    same(host.read("/proc/self/environ") !== "", true);
    same(host.read(`/proc/${host.parent()}/stat`) !== undefined, true);
    same(host.read("/proc/self/nothing"), undefined);
  },
  "a tree with names that are no UTF-8 is removed"(host, folder) {
    host.capture([
      "sh",
      "-c",
      'mkdir -p "$0/t/$(printf "\\377")" && : >"$0/t/$(printf "a\\200")"',
      folder,
    ]);
    host.remove(`${folder}/t`);
    same(host.list(folder), []);
  },
  "capture of 3 MB on both pipes"(host) {
    const fill = "head -c 3000000 /dev/zero | tr '\\0'";
    const ran = host.capture(["sh", "-c", `${fill} e >&2; ${fill} o; ${fill} e >&2`], {
      most: 8_000_000,
    });
    same([ran.status, ran.stdout.length, ran.stderr.length], [0, 3000000, 6000000]);
  },
  "capture ends a child that prints more than it may"(host) {
    const before = host.ticks();
    throws("'yes' printed more than 1 MB", () => host.capture(["yes"], { most: 1024 * 1024 }));
    throws("'sh' printed more than 4 MB", () =>
      host.capture(["sh", "-c", "trap '' TERM; yes >&2"]),
    );
    same(host.ticks() - before < 10_000, true);
    same(host.capture(["printf", "1234"], { most: 4 }).stdout, "1234");
  },
  "many short reads take no more memory than what they bring"(host, folder) {
    // As of a file below /proc: 4 KB for each call. 1031 is F_SETPIPE_SZ.
    const pipe = `/dev/shm/piku-${host.pid}`;
    host.capture(["mkfifo", pipe]);
    const line =
      "import fcntl, sys; f = open(sys.argv[1], 'wb'); fcntl.fcntl(f, 1031, 4096); f.write(b'x' * 8000000)";
    const job = host.start(["python3", "-c", line, pipe], {
      log: `${folder}/log`,
      status: `${folder}/status`,
    });
    const memory = () => Number(/^VmHWM:\s+(\d+)/m.exec(host.read("/proc/self/status")!)![1]);
    const before = memory();
    same(host.read(pipe, 8_000_000)?.length, 8_000_000);
    same(memory() - before < 60_000, true);
    same(
      wait(host, () => host.poll(job)),
      0,
    );
    host.remove(pipe);
  },
  "a pipe in a file's place is not waited for"(host, folder) {
    const pipe = `${folder}/pipe`;
    host.capture(["mkfifo", pipe]);
    host.link(pipe, `${folder}/link`);
    for (const path of [pipe, `${folder}/link`]) {
      throws(`'${path}' is not a file`, () => host.read(path));
      throws(`'${path}' is not a file`, () => host.readFrom(path, 0));
      throws(`'${path}' is not a file`, () => host.search(path, () => true));
    }
  },
  "capture gives input, and nothing unless asked"(host) {
    same(host.capture(["cat"], { input: "zwölf" }).stdout, "zwölf");
    same(host.capture(["cat"]), { status: 0, stdout: "", stderr: "" });
    const long = "x".repeat(1_000_000);
    same(host.capture(["true"], { input: long }).status, 0);
    same(host.capture(["wc", "-c"], { input: long }).stdout.trim(), "1000000");
  },
  statuses(host) {
    const status = (line: string) => host.capture(["sh", "-c", line]).status;
    same(
      [status("exit 0"), status("exit 3"), status("kill -9 $$"), status("kill -TERM $$")],
      [0, 3, 137, 143],
    );
    const missing = host.capture(["piku-no-such-program"]);
    same([missing.status, missing.stderr.includes("ENOENT")], [127, true]);
    same(host.capture(["/etc/passwd"]).status, 127);
    same(host.capture(["true"], { cwd: "/nowhere" }).status, 127);
    same(host.run(["sh", "-c", "exit 5"]), 5);
    same(host.run(["sh", "-c", "kill -9 $$"]), 137);
    // ^C as soon as there is a child ended piku where it had not looked away yet; the child itself
    // gets it.
    for (let i = 0; i < 50; i++) same(host.run(["kill", "-INT", String(host.pid)]), 0);
    same(host.run(["sh", "-c", "kill -INT $$"]), 130);
  },
  "run shares our output, in order"(host) {
    same(host.capture([...program, "talk-with-child"]), {
      status: 0,
      stdout: "one\ntwo\nthree\n",
      stderr: "four\nfive\n",
    });
  },
  "a child's folder and environment"(host, folder) {
    same(host.capture(["pwd"], { cwd: folder }).stdout, `${host.realPath(folder)}\n`);
    same(
      host
        .capture(["env"], { env: { A: "1 2", B: "a\nb" } })
        .stdout.split("\n")
        .sort(),
      ["", "A=1 2", "B=a", "b"],
    );
    const before = host.env();
    host.setEnv({ ...before, PIKU_TEST: "yes" });
    same([host.env().PIKU_TEST, host.capture(["printenv", "PIKU_TEST"]).stdout], ["yes", "yes\n"]);
    const { PATH } = before;
    host.setEnv({ PATH: PATH! });
    same(host.capture(["env"]).stdout, `PATH=${PATH}\n`);
    host.setEnv(before);
    throws("EINVAL", () => host.capture(["env"], { env: { "A=B": "" } }));
    throws("EINVAL", () => host.capture(["env"], { env: { A: "\0" } }));
    host.write(`${folder}/piku-own`, "#!/bin/sh\necho own\n", 0o755);
    same(host.capture(["piku-own"], { env: { PATH: folder } }).stdout, "own\n");
  },
  "children have the default SIGPIPE and none of our files"(host, folder) {
    const lock = host.lock(`${folder}/lock`);
    const stdout = host.capture([
      "sh",
      "-c",
      "grep SigIgn /proc/self/status; ls /proc/self/fd",
    ]).stdout;
    same((Number.parseInt(stdout.match(/SigIgn:\s*(\w+)/)![1]!.slice(-8), 16) >> 12) & 1, 0);
    same(stdout.trim().split("\n").slice(1), ["0", "1", "2", "3"]);
    lock!.release();
  },
  "a lock excludes others also where each holder removes its file"(host, folder) {
    const path = `${folder}/removed`;
    const log = `${folder}/log`;
    const lock = host.lock(path)!;
    const jobs = ["a", "b", "c"].map((name) =>
      host.start([...program, "remove-lock", path, "20"], { log, status: `${folder}/${name}` }),
    );
    host.sleep(300);
    host.remove(path);
    lock.release();
    for (const job of jobs)
      same(
        wait(host, () => host.poll(job)),
        0,
      );
    same([host.read(log), host.stat(path)], ["in\nout\n".repeat(60), undefined]);
  },
  "a job runs, writes its log and leaves its status"(host, folder) {
    const log = `${folder}/log`;
    const status = `${folder}/status`;
    host.write(log, "before\n", 0o640);
    const started = host.ticks();
    const job = host.start(["sh", "-c", "cat; echo out; echo err >&2; pwd; sleep 1; exit 7"], {
      log,
      status,
      cwd: folder,
    });
    same([host.poll(job), host.ticks() - started < 900], [undefined, true]);
    const session = host.read(`${status}.pid`)!.trim();
    same(host.read(`/proc/${session}/stat`)?.split(" ")[5], session);
    same(
      wait(host, () => host.poll(job)),
      7,
    );
    same(host.read(log), `before\nout\nerr\n${host.realPath(folder)}\n`);
    same(host.poll({ status }), 7);
    host.end(job, 1000);
  },
  "what is detached runs by itself, in a session of its own"(host, folder) {
    const file = `${folder}/said`;
    const line = 'cat; sleep 0.3; cut -d" " -f1,6 /proc/$$/stat >"$0.new"; mv "$0.new" "$0"';
    const started = host.ticks();
    host.detach(["sh", "-c", line, file], { cwd: folder });
    same([host.read(file), host.ticks() - started < 250], [undefined, true]);
    const [pid, session] = wait(host, () => host.read(file)?.trim().split(" "))!;
    same(pid, session);
    throws("ENOENT", () => host.detach(["piku-no-such-program"]));
    throws("ENOENT", () => host.detach(["true"], { cwd: `${folder}/none` }));
  },
  "processes tells the same as the files below /proc"(host, folder) {
    const job = host.start(["sleep", "100"], { log: `${folder}/log`, status: `${folder}/status` });
    const session = Number(host.read(`${folder}/status.pid`));
    const shown = (all: ProcessFacts[]) =>
      all
        .filter((one) => one.pid === host.pid || one.session === session)
        .map(({ ticks, ...one }) => one)
        .sort((a, b) => a.pid - b.pid);
    same(shown(host.processes()), shown(readProcesses(host)));
    same(host.processes().find(({ pid }) => pid === host.pid)?.parent, host.parent());
    host.end(job, 1000);
    same(shown(host.processes()).length, 1);
  },
  "a job that cannot be started, or is ended by a signal, or vanishes"(host, folder) {
    const log = `${folder}/log`;
    const missing = host.start(["piku-no-such-program"], { log, status: `${folder}/a` });
    same(
      wait(host, () => host.poll(missing)),
      127,
    );
    const killed = host.start(["sh", "-c", "kill -9 $$"], { log, status: `${folder}/b` });
    same(
      wait(host, () => host.poll(killed)),
      137,
    );
    const job = host.start(["sleep", "100"], { log, status: `${folder}/c` });
    host.signal(-Number(host.read(`${folder}/c.pid`)), "KILL");
    same(
      wait(host, () => host.poll(job)),
      137,
    );
    same(host.poll({ status: `${folder}/never` }), 137);
    throws("", () => host.start(["true"], { log: `${folder}/none/log`, status: `${folder}/d` }));
    throws("", () => host.start(["true"], { log, status: `${folder}/none/d` }));
  },
  "end takes the grandchildren, by force after the grace"(host, folder) {
    const log = `${folder}/log`;
    const status = `${folder}/status`;
    const line =
      "trap '' TERM; sleep 100 & echo $!; sh -c 'sleep 100 & echo $!; wait' & wait; sleep 100";
    const job = host.start(["sh", "-c", line], { log, status });
    wait(host, () => (host.read(log)?.split("\n").length === 3 ? 1 : undefined));
    const before = host.ticks();
    host.end({ status }, 300);
    const took = host.ticks() - before;
    same(took >= 300 && took < 3000, true);
    for (const pid of host.read(log)!.trim().split("\n")) {
      same(/\) [ZX] /.test(host.read(`/proc/${pid}/stat`) ?? ") Z "), true);
    }
    same(typeof wait(host, () => host.poll(job)), "number");
  },
  "end is quick with who goes at TERM, and harmless to who came later"(host, folder) {
    const log = `${folder}/log`;
    const up = `${folder}/up`;
    const job = host.start(["sh", "-c", 'echo >"$0"; exec sleep 100', up], {
      log,
      status: `${folder}/a`,
    });
    wait(host, () => host.read(up));
    const before = host.ticks();
    host.end(job, 5000);
    same(host.ticks() - before < 2000, true);
    same(
      wait(host, () => host.poll(job)),
      143,
    );
    const other = host.start(["sleep", "100"], { log, status: `${folder}/b` });
    host.write(`${folder}/a.pid`, host.read(`${folder}/b.pid`)!);
    host.remove(`${folder}/a`);
    host.end(job, 100);
    same([host.poll(job), host.poll(other)], [137, undefined]);
    host.end(other, 1000);
  },
  "a lock excludes other processes until its holder is gone"(host, folder) {
    const path = `${folder}/lock`;
    const lock = host.lock(path)!;
    same(host.capture([...program, "try-lock", path]).stdout, "busy\n");
    const child = host.start(["sleep", "100"], { log: `${folder}/log`, status: `${folder}/child` });
    lock.release();
    same(host.capture([...program, "try-lock", path]).stdout, "held\n");
    const holder = host.start([...program, "hold-lock", path], {
      log: `${folder}/log`,
      status: `${folder}/holder`,
    });
    wait(host, () => (host.read(`${folder}/log`) === "held\n" ? 1 : undefined));
    same(host.lock(path), undefined);
    host.end(holder, 100);
    const again = host.lock(path);
    same(again !== undefined, true);
    again!.release();
    host.end(child, 100);
  },
  "signals reach, and miss"(host, folder) {
    const up = `${folder}/up`;
    const job = host.start(["sh", "-c", 'echo >"$0"; exec sleep 100', up], {
      log: `${folder}/log`,
      status: `${folder}/a`,
    });
    wait(host, () => host.read(up));
    same(host.signal(-Number(host.read(`${folder}/a.pid`)), "TERM"), true);
    wait(host, () => host.poll(job));
    same(host.signal(4194304, "TERM"), false);
    throws("EINVAL", () => host.signal(-1, "TERM"));
    throws("EINVAL", () => host.signal(0, "TERM"));
    throws("EINVAL", () => host.signal(host.pid, "NONSENSE"));
  },
  "writeNonBlocking fills a pipe and does not wait"(host, folder) {
    const line = '"$@" | { sleep 1; wc -c; }';
    const ran = host.capture(["sh", "-c", line, "sh", ...program, "write-all", `${folder}/result`]);
    const [count, took] = host.read(`${folder}/result`)!.split(" ").map(Number);
    same([Number(ran.stdout), took! < 700, count! > 1000], [count! * 2, true, true]);
  },
  "writeNonBlocking to a pipe that nobody reads, to a file and to a full disk"(host, folder) {
    const write = (line: string) => {
      host.remove(`${folder}/result`);
      host.capture([
        "sh",
        "-c",
        line,
        `${folder}/file`,
        ...program,
        "write-once",
        `${folder}/result`,
      ]);
      return host.read(`${folder}/result`);
    };
    same(write('{ sleep 0.3; "$@"; } | true'), "-1");
    same([write('"$@" >"$0"'), host.read(`${folder}/file`)], ["3", "ä€x"]);
    same(write('"$@" >/dev/full'), "ENOSPC: write 'stdout'");
  },
  "nobody reads: EPIPE"(host) {
    const line = '{ "$@"; echo "status $?" >&2; } | head -n 1';
    const ran = host.capture(["sh", "-c", line, "sh", ...program, "talk"]);
    same(ran, { status: 0, stdout: "line\n", stderr: "EPIPE: write 'stdout'\nstatus 3\n" });
  },
  "stdin is read to its end"(host) {
    const line = '{ printf zw; sleep 0.2; printf "ölf\\n"; } | "$@"';
    same(host.capture(["sh", "-c", line, "sh", ...program, "echo"]).stdout, "zwölf\n\n");
    const over = host.capture(["sh", "-c", 'yes | "$@"', "sh", ...program, "echo"]);
    same(over, { status: 0, stdout: "what comes on stdin is larger than 1 MB\n", stderr: "" });
  },
  ports(host) {
    same(
      [host.canBind("127.0.0.1", takenPort), host.canBind("0.0.0.0", takenPort)],
      [false, false],
    );
    same(host.canBind("127.0.0.1", 0) && host.canBind("127.0.0.1", 0), true);
    same(host.canBind("192.0.2.1", 0), false);
  },
  "free space"(host, folder) {
    const { bytes, inodes } = host.free(folder);
    same(bytes > 1e6 && bytes < 1e18 && inodes > 0, true);
    same(host.free("/proc").inodes, Number.POSITIVE_INFINITY);
    throws("ENOENT", () => host.free(`${folder}/none`));
  },
  "who and where we are"(host) {
    same(String(host.uid), host.capture(["id", "-ru"]).stdout.trim());
    same(String(host.gid), host.capture(["id", "-rg"]).stdout.trim());
    same(host.capture(["sh", "-c", "echo $PPID"]).stdout.trim(), String(host.pid));
    same(host.realPath("/proc/self/exe"), host.self);
    same([host.isTerminal(0), host.isTerminal(1)], [false, false]);
  },
  clocks(host) {
    const [now, ticks] = [host.now(), host.ticks()];
    host.sleep(120);
    host.sleep(-5);
    const [later, spent] = [host.now() - now, host.ticks() - ticks];
    same(spent >= 119 && spent < 1000 && later >= 119 && later < 1000, true);
    same(now > 1.7e12, true);
  },
});

/** What the checks' second process does; its exit status. */
export const roles: Record<string, (host: Host, args: readonly string[]) => number> = {
  modes(host, [folder]) {
    host.write(`${folder}/a`, "");
    host.write(`${folder}/b`, "", 0o660);
    host.mkdir(`${folder}/d/e`);
    host.append(`${folder}/l`, "");
    host.append(`${folder}/m`, "", 0o640);
    host.say(
      ["a", "b", "d", "l", "m"]
        .map((name) => host.stat(`${folder}/${name}`)!.mode.toString(8))
        .join(" "),
    );
    return 0;
  },
  "talk-with-child"(host) {
    host.say("one");
    host.run(["echo", "two"]);
    host.say("three");
    host.sayError("four");
    host.run(["sh", "-c", "echo five >&2"]);
    return 0;
  },
  "try-lock"(host, [path]) {
    host.say(host.lock(path!) ? "held" : "busy");
    return 0;
  },
  "hold-lock"(host, [path]) {
    host.say(host.lock(path!) ? "held" : "busy");
    host.sleep(100_000);
    return 0;
  },
  "remove-lock"(host, [path, rounds]) {
    for (let round = 0; round < Number(rounds); ) {
      const lock = host.lock(path!);
      if (!lock) continue;
      host.say("in");
      host.sleep(1);
      host.say("out");
      host.remove(path!);
      lock.release();
      round++;
    }
    return 0;
  },
  "write-all"(host, [result]) {
    const started = host.ticks();
    const text = "é".repeat(700);
    let count = 0;
    for (let taken = 1; taken > 0; count += taken) taken = host.writeNonBlocking(text);
    host.write(result!, `${count} ${host.ticks() - started}`);
    return 0;
  },
  "write-once"(host, [result]) {
    let count: unknown;
    try {
      count = host.writeNonBlocking("ä€x");
    } catch (error) {
      count = (error as Error).message;
    }
    host.write(result!, String(count));
    return 0;
  },
  talk(host) {
    try {
      while (true) host.say("line");
    } catch (error) {
      host.sayError((error as Error).message);
      return 3;
    }
  },
  echo(host) {
    try {
      host.say(host.stdin(1024 * 1024));
    } catch (error) {
      host.say((error as Error).message);
    }
    return 0;
  },
};

/** Runs each check in a folder of its own below `folder`, and says how it went. */
export function runChecks(
  host: Host,
  checks: Record<string, Check>,
  folder: string,
  tell: (line: string) => void,
): void {
  let failed = 0;
  for (const [i, [name, check]] of Object.entries(checks).entries()) {
    const own = `${folder}/${i}`;
    host.mkdir(own);
    try {
      check(host, own);
      tell(`ok ${name}`);
    } catch (error) {
      failed++;
      tell(`FAILED ${name}: ${(error as Error).message}\n${(error as Error).stack}`);
    }
  }
  tell(`${Object.keys(checks).length - failed} ok, ${failed} FAILED`);
}

function wait<T>(host: Host, look: () => T | undefined): T | undefined {
  const until = host.ticks() + 10_000;
  while (host.ticks() < until) {
    const seen = look();
    if (seen !== undefined) return seen;
    host.sleep(20);
  }
  throw new Error("waited for 10 seconds");
}

function same(actual: unknown, expected: unknown): void {
  const show = (value: unknown) =>
    JSON.stringify(value, (_, part) => (part === undefined ? "undefined" : part));
  if (show(actual) !== show(expected))
    throw new Error(`got ${show(actual)}, expected ${show(expected)}`);
}

function throws(part: string, work: () => unknown): void {
  let got: unknown;
  try {
    got = work();
  } catch (error) {
    if ((error as Error).message.includes(part)) return;
    throw error;
  }
  throw new Error(`got ${JSON.stringify(got)}, expected ${part} to be thrown`);
}
