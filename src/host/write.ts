import {
  appending,
  create,
  exclusive,
  isItself,
  readOnly,
  readWrite,
  withOpen,
  writeAll,
  writeOnly,
} from "./descriptor.ts";
import type { Host, Lock } from "./host.ts";
import { checked, folderOf, type System, SystemError, tolerate } from "./system.ts";

/** What a Host changes in the file system. */
export type Writing = Pick<
  Host,
  | "write"
  | "note"
  | "sync"
  | "append"
  | "mkdir"
  | "chmod"
  | "remove"
  | "rename"
  | "move"
  | "link"
  | "lock"
>;

/** That part of the Host; `capture` runs `rm` for whole trees. */
export const writingOf = (system: System, capture: Host["capture"]): Writing => ({
  write(path, text, mode = 0o644) {
    replace(system, path, (temporary) => fill(system, temporary, text, mode, path, true));
    syncFolder(system, path);
  },
  note(path, text, mode = 0o644) {
    replace(system, path, (temporary) => fill(system, temporary, text, mode, path, false));
  },
  sync: (paths) =>
    system.syncDisks(paths.filter((path) => tolerate(() => system.stat(path, true), "ENOENT"))),
  append(path, text, mode = 0o600) {
    const made = tolerate(
      () => withOpen(system, path, writeOnly | create | exclusive, mode, () => true),
      "EEXIST",
    );
    if (made) system.chmod(path, mode);
    withOpen(system, path, writeOnly | appending, mode, (file) => {
      // An app may have put a link to a file of piku's there.
      if (!isItself(system, file, path)) throw new SystemError("ELOOP", "open", path);
      writeAll(system, file, text, path);
    });
  },
  mkdir: (dir, mode = 0o755) => makeFolder(system, dir, mode),
  chmod: (path, mode) => system.chmod(checked(path), mode),
  remove(path) {
    const type = typeAt(system, path);
    if (type === undefined) return;
    if (type !== "directory") {
      tolerate(() => system.unlink(path), "ENOENT");
      return;
    }
    if (removeSmall(system, path)) return;
    // `rm` also removes names that are not UTF-8; when it fails, removing them ourselves shows the
    // reason.
    if (capture(["rm", "-rf", "--", path]).status !== 0) removeTree(system, path);
  },
  move: (from, to) => system.rename(checked(from), checked(to)),
  rename(from, to) {
    system.rename(checked(from), checked(to));
    syncFolder(system, to);
  },
  link(target, path) {
    replace(system, path, (temporary) => system.symlink(checked(target), temporary));
  },
  lock: (path) => lock(system, path),
});

/** Makes the new thing beside its place, and puts it there in one step. */
function replace(system: System, path: string, make: (temporary: string) => void): void {
  const temporary = `${folderOf(checked(path))}/.${path.slice(path.lastIndexOf("/") + 1)}.tmp`;
  tolerate(() => system.unlink(temporary), "ENOENT");
  try {
    make(temporary);
    system.rename(temporary, path);
  } catch (error) {
    tolerate(() => system.unlink(temporary), "ENOENT", "ENOTDIR", "EROFS", "EACCES", "EIO");
    throw error;
  }
}

/** Writes a new file; `path` is for an error's message. */
function fill(
  system: System,
  file: string,
  text: string,
  mode: number,
  path: string,
  syncs: boolean,
): void {
  withOpen(system, file, writeOnly | create | exclusive, mode, (descriptor) => {
    system.chmod(file, mode);
    writeAll(system, descriptor, text, path);
    if (syncs) system.sync(descriptor, path);
  });
}

/** Brings the change of a name to the disk. */
const syncFolder = (system: System, path: string) =>
  tolerate(
    () => {
      const folder = folderOf(path);
      withOpen(system, folder, readOnly, 0, (descriptor) => system.sync(descriptor, folder));
    },
    // Some file systems cannot sync a folder, and Windows cannot open one; there is nothing more to
    // do then.
    "EINVAL",
    "EISDIR",
    "EPERM",
  );

function makeFolder(system: System, dir: string, mode: number): void {
  const there = tolerate(() => system.stat(checked(dir), true), "ENOENT");
  if (there?.type === "directory") return;
  if (there) throw new SystemError("ENOTDIR", "mkdir", dir);
  makeFolder(system, folderOf(dir.replace(/\/+$/, "")), mode);
  const made = tolerate(() => {
    system.makeFolder(dir, mode);
    return true;
  }, "EEXIST");
  if (made) system.chmod(dir, mode);
}

const typeAt = (system: System, path: string) =>
  tolerate(() => system.stat(checked(path), false), "ENOENT", "ENOTDIR")?.type;

const fewEntries = 50;

/** How many entries a tree has; more than `fewEntries` for a large one, which is not gone through. */
function countTree(system: System, path: string): number {
  const names = system.names(path);
  let count = names.length;
  for (const name of names) {
    if (count > fewEntries) break;
    const child = `${path}/${name}`;
    if (typeAt(system, child) === "directory") count += countTree(system, child);
  }
  return count;
}

/** Removes a tree of few files, for which a program would cost more; whether it is gone. */
function removeSmall(system: System, path: string): boolean {
  try {
    if (countTree(system, path) > fewEntries) return false;
    removeTree(system, path);
    return true;
  } catch {
    return false;
  }
}

function removeTree(system: System, path: string): void {
  for (const name of system.names(path)) {
    const child = `${path}/${name}`;
    if (typeAt(system, child) === "directory") removeTree(system, child);
    else tolerate(() => system.unlink(child), "ENOENT");
  }
  tolerate(() => system.removeFolder(path), "ENOENT");
}

function lock(system: System, path: string): Lock | undefined {
  const descriptor = system.open(checked(path), readWrite | create, 0o600);
  let open = true;
  const release = () => {
    if (open) system.close(descriptor);
    open = false;
  };
  try {
    if (system.flock(descriptor, path)) {
      // Whoever held it may have removed the file: then this is a lock on nothing, and others hold
      // the new file's.
      if (isItself(system, descriptor, path)) return { release };
      release();
      return lock(system, path);
    }
  } catch (error) {
    release();
    throw error;
  }
  release();
  return undefined;
}
