import fs from "node:fs";
import path from "node:path";

/** Of a board, what a deploy does not write, or what is on the disk for long. */
const untouched = /^(web|uwsgi|logs|fault|fault\.log)$/;

/** What git syncs before it gives it its name (core.fsync=committed,reference). */
const byGit = /\/repos\/[^/]+\/(refs\/heads|objects)\//;

/**
 * What a power cut may leave of a directory: of each thing that is otherwise than in `durable`,
 * what was there or what is there now, as chance will have it. Of a file that is new there may also
 * be the name alone: file systems write what is in it later.
 */
export function lose(now: string, durable: string, below: (limit: number) => number): string[] {
  const lost: string[] = [];
  const names = new Set([...fs.readdirSync(now), ...fs.readdirSync(durable)]);
  for (const name of [...names].sort())
    if (!untouched.test(name))
      loseAt(path.join(now, name), path.join(durable, name), below, (what) => lost.push(what));
  return lost;
}

function loseAt(
  now: string,
  durable: string,
  below: (limit: number) => number,
  tell: (what: string) => void,
): void {
  const [is, was] = [look(now), look(durable)];
  if (is === "directory" && was === "directory") {
    const names = new Set([...fs.readdirSync(now), ...fs.readdirSync(durable)]);
    for (const name of [...names].sort())
      loseAt(path.join(now, name), path.join(durable, name), below, tell);
    return;
  }
  if (isSame(now, durable, is, was)) return;
  const choice = below(is === "file" && !byGit.test(now) ? 3 : 2);
  if (choice === 0) {
    // What is inside of a new directory can be lost by itself.
    if (is === "directory")
      for (const name of fs.readdirSync(now).sort())
        loseAt(path.join(now, name), path.join(durable, name), below, tell);
    return;
  }
  tell(`${choice === 1 ? "lost" : "emptied"} ${now}`);
  if (choice === 2) {
    fs.truncateSync(now);
    return;
  }
  fs.rmSync(now, { recursive: true, force: true });
  if (was)
    fs.cpSync(durable, now, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}

type Sort = "file" | "directory" | "link" | "other";

function look(file: string): Sort | undefined {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (!stat) return undefined;
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  return stat.isSymbolicLink() ? "link" : "other";
}

function isSame(now: string, durable: string, is: Sort | undefined, was: Sort | undefined) {
  if (is !== was) return is === "other" || was === "other";
  if (is === "link") return fs.readlinkSync(now) === fs.readlinkSync(durable);
  return is !== "file" || fs.readFileSync(now).equals(fs.readFileSync(durable));
}
