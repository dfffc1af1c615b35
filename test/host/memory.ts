import {
  defaultMaxBytes,
  type Entry,
  type Exec,
  type Host,
  type Job,
  type Ran,
  TooLarge,
} from "../../src/host/host.ts";
import { readProcesses } from "../../src/host/processes.ts";
import { SystemError } from "../../src/host/system.ts";

/** What a test looks at and turns, beside the Host itself. */
export interface MemoryHost extends Host {
  /** Every child that was run, captured or started, in order. */
  ran: string[][];
  /** The lines that went to stdout and to stderr, and what `writeNonBlocking` took. */
  said: string[];
  complained: string[];
  written: string;
  /** Every signal that was sent: `TERM 12`. */
  signalled: string[];
  /** Milliseconds since 1970; only `sleep` and the test move it. */
  clock: number;
  /** Ports that cannot be bound. */
  taken: Set<number>;
  /** What `free` gives. */
  space: { bytes: number; inodes: number };
}

interface Seed {
  files?: Record<string, string>;
  env?: Record<string, string>;
  /** How a child ends; status 0 and no output unless it says otherwise. */
  answer?: (argv: readonly string[], how: Exec & { input?: string }) => Partial<Ran> | undefined;
}

interface Node {
  type: Entry["type"];
  /** A file's text, or where a link points. */
  text: string;
  mode: number;
  modified: number;
  inode: number;
}

/** A Host that is a Map and a log: the test double, and a dry run. */
export function memoryHost({
  files = {},
  env = {},
  answer = () => undefined,
}: Seed = {}): MemoryHost {
  const nodes = new Map<string, Node>();
  const locks = new Set<string>();
  let environment = { ...env };
  let inodes = 1;

  const put = (path: string, type: Entry["type"], mode: number, text = "") =>
    nodes.set(path, { type, text, mode, modified: host.clock, inode: inodes++ });

  /** The path with its links resolved; the last one too unless `keepLast`. */
  const resolve = (path: string, keepLast = false, depth = 0): string => {
    if (path.includes("\0") || !path.startsWith("/")) throw new SystemError("EINVAL", "open", path);
    if (depth > 40) throw new SystemError("ELOOP", "open", path);
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    let place = "";
    for (const [i, part] of parts.entries()) {
      place = part === ".." ? parentOf(place) : `${place}/${part}`;
      const node = nodes.get(place);
      if (node?.type !== "link" || (keepLast && i === parts.length - 1)) continue;
      const target = node.text.startsWith("/") ? node.text : `${parentOf(place)}/${node.text}`;
      return resolve([target, ...parts.slice(i + 1)].join("/"), keepLast, depth + 1);
    }
    return place || "/";
  };

  const insideFolder = (path: string, call: string) => {
    const parent = nodes.get(parentOf(path) || "/");
    if (!parent) throw new SystemError("ENOENT", call, path);
    if (parent.type !== "directory") throw new SystemError("ENOTDIR", call, path);
    return path;
  };

  const place = (path: string, type: Entry["type"], mode: number, text: string, call: string) => {
    const spot = insideFolder(resolve(path, true), call);
    if (nodes.get(spot)?.type === "directory") throw new SystemError("EISDIR", call, path);
    put(spot, type, mode, text);
  };

  const below = (path: string) => {
    const prefix = path === "/" ? "/" : `${path}/`;
    return [...nodes.keys()].filter((key) => key.startsWith(prefix) && key !== "/");
  };

  const runChild = (argv: readonly string[], how: Exec & { input?: string }): Ran => {
    if (argv.some((word) => word.includes("\0"))) throw new SystemError("EINVAL", "run", argv[0]!);
    host.ran.push([...argv]);
    return { status: 0, stdout: "", stderr: "", ...answer(argv, how) };
  };

  const host: MemoryHost = {
    ran: [],
    said: [],
    complained: [],
    written: "",
    signalled: [],
    clock: 1_700_000_000_000,
    taken: new Set(),
    space: { bytes: 1e10, inodes: 1e6 },

    engine: "memory",
    target: "development",
    self: "/usr/local/bin/piku",
    args: [],
    pid: 1000,
    parent: () => 999,
    uid: 1000,
    gid: 1000,

    env: () => ({ ...environment }),
    setEnv(next) {
      environment = { ...next };
    },

    read(path, most = defaultMaxBytes) {
      const node = nodes.get(resolve(path));
      if (node?.type === "directory") throw new SystemError("EISDIR", "read", path);
      if (node && node.text.length > most / 4 && byteLength(node.text) > most)
        throw new TooLarge(`the file '${path}'`, "is larger than", most);
      return node?.text;
    },
    readFrom(path, offset, whole = false, most = 1024 * 1024) {
      const all = dropBytes(
        host.stat(path)?.type === "link" ? "" : (host.read(path) ?? ""),
        offset,
      );
      const rest = takeBytes(all, most);
      const isPart = rest.length < all.length;
      const lines = rest.slice(0, rest.lastIndexOf("\n") + 1);
      const text = lines && (isPart || !whole) ? lines : isPart || whole ? rest : "";
      return { text, offset: offset + byteLength(text) };
    },
    search(path, test, offset = 0) {
      if (host.stat(path)?.type === "link") return false;
      const lines = dropBytes(host.read(path) ?? "", offset).match(/[^\n]*\n|[^\n]+$/g) ?? [];
      return lines.some((line) => test(line));
    },
    write(path, text, mode = 0o644) {
      place(path, "file", mode, text, "write");
    },
    append(path, text, mode = 0o600) {
      if (host.stat(path)?.type === "link") throw new SystemError("ELOOP", "append", path);
      const spot = insideFolder(resolve(path), "append");
      const before = nodes.get(spot);
      if (before?.type === "directory") throw new SystemError("EISDIR", "append", path);
      if (!before) put(spot, "file", mode, text);
      else nodes.set(spot, { ...before, text: before.text + text, modified: host.clock });
    },
    list(dir) {
      const folder = resolve(dir);
      const start = folder === "/" ? 1 : folder.length + 1;
      const names = below(folder).map((path) => path.slice(start));
      return names.filter((name) => !name.includes("/")).sort();
    },
    stat(path) {
      const node = nodes.get(resolve(path, true));
      if (!node) return undefined;
      const { type, text, mode, modified, inode } = node;
      return { type, size: byteLength(text), mode, modified, inode };
    },
    mkdir(dir, mode = 0o755) {
      const path = resolve(dir);
      const there = nodes.get(path);
      if (there?.type === "directory") return;
      if (there) throw new SystemError("ENOTDIR", "mkdir", dir);
      host.mkdir(parentOf(path) || "/", mode);
      put(path, "directory", mode);
    },
    chmod(path, mode) {
      const node = nodes.get(resolve(path));
      if (!node) throw new SystemError("ENOENT", "chmod", path);
      node.mode = mode;
    },
    remove(path) {
      const top = resolve(path, true);
      for (const key of [top, ...below(top)]) nodes.delete(key);
    },
    rename(from, to) {
      const source = resolve(from, true);
      const target = insideFolder(resolve(to, true), "rename");
      if (!nodes.has(source)) throw new SystemError("ENOENT", "rename", to);
      if (nodes.get(target)?.type === "directory" && below(target).length > 0) {
        throw new SystemError("ENOTEMPTY", "rename", to);
      }
      for (const key of [source, ...below(source)]) {
        const node = nodes.get(key)!;
        nodes.delete(key);
        nodes.set(target + key.slice(source.length), node);
      }
    },
    link(target, path) {
      place(path, "link", 0o777, target, "symlink");
    },
    readLink(path) {
      const node = nodes.get(resolve(path, true));
      return node?.type === "link" ? node.text : undefined;
    },
    realPath(path) {
      const real = resolve(path);
      return nodes.has(real) ? real : undefined;
    },
    free: () => ({ ...host.space }),

    run: (argv, how = {}) => runChild(argv, how).status,
    capture: (argv, how = {}) => runChild(argv, how),
    sync() {},
    processes: () => readProcesses(host),
    move: (from, to) => host.rename(from, to),
    note: (path, text, mode) => host.write(path, text, mode),
    detach(argv, how) {
      host.capture(argv, how);
    },
    start(argv, how): Job {
      const { status, stdout, stderr } = runChild(argv, how);
      host.append(how.log, stdout + stderr);
      host.write(`${how.status}.pid`, "1001\n");
      host.write(how.status, `${status}\n`);
      return { status: how.status };
    },
    poll: (job) => Number.parseInt(host.read(job.status) ?? "137", 10),
    end() {},
    signal(pid, name) {
      host.signalled.push(`${name} ${pid}`);
      return true;
    },

    say: (line) => {
      host.said.push(line);
    },
    sayError: (line) => {
      host.complained.push(line);
    },
    writeNonBlocking(text) {
      host.written += text;
      return text.length;
    },
    stdin: () => "",
    isTerminal: () => false,

    now: () => host.clock,
    ticks: () => host.clock,
    sleep(milliseconds) {
      host.clock += Math.max(0, milliseconds);
    },

    lock(path) {
      if (host.read(path) === undefined) host.append(path, "");
      const spot = resolve(path);
      if (locks.has(spot)) return undefined;
      locks.add(spot);
      return { release: () => void locks.delete(spot) };
    },
    ignoreHangup() {},
    canBind: (_address, port) => !host.taken.has(port),
  };

  put("/", "directory", 0o755);
  for (const [path, text] of Object.entries(files)) {
    host.mkdir(parentOf(path) || "/");
    host.write(path, text);
  }
  return host;
}

const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/")));

const bytesOf = (character: string) => {
  const code = character.codePointAt(0)!;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
};

const byteLength = (text: string) =>
  [...text].reduce((sum, character) => sum + bytesOf(character), 0);

function takeBytes(text: string, count: number): string {
  const characters = [...text];
  let at = 0;
  for (let taken = 0; at < characters.length; at++) {
    taken += bytesOf(characters[at]!);
    if (taken > count) break;
  }
  return characters.slice(0, at).join("");
}

function dropBytes(text: string, count: number): string {
  const characters = [...text];
  let at = 0;
  for (let dropped = 0; at < characters.length && dropped < count; at++)
    dropped += bytesOf(characters[at]!);
  return characters.slice(at).join("");
}
