import type { Host } from "../host/host.ts";
import { type Line, reasonsOf, withoutUwsgi } from "../workers/log-lines.ts";
import type { Log } from "../workers/logs.ts";

/** Bytes that are read of a log at once while it is followed. */
const piece = 256 * 1024;

/** One log that is followed. */
interface Followed extends Omit<Log, "former"> {
  inode: number;
  offset: number;
  /** Lines of uWSGI's that may be those of a start: shown when nothing follows them. */
  held: string[];
  /**
   * Where reading ended in files that had this name before, by their inodes: one of them may come
   * back.
   */
  left: Map<number, number>;
}

/** A line, and the name of the log that has it. */
export type Labelled = Line & { label: string };

const followed = (host: Host, log: Log, offset: number): Followed => ({
  ...log,
  offset,
  held: [],
  inode: host.stat(log.file)?.inode ?? 0,
  left: new Map(),
});

/**
 * Shows what is added to these logs, each from its offset (bytes) on, and to those that there will
 * be, until nobody reads any more.
 */
export function followLogs(
  host: Host,
  from: readonly { log: Log; offset: number }[],
  find: () => Log[],
  show: (lines: readonly Labelled[]) => void,
): void {
  const logs = from.map(({ log, offset }) => followed(host, log, offset));
  const reader = host.parent();
  // Nothing tells that a client has gone but the end of whoever started us, or a write that fails.
  while (host.parent() === reader) {
    const before = logs.map(({ offset }) => offset);
    show(logs.flatMap((log) => added(host, log)));
    // They may have more than was read at once.
    if (logs.every(({ offset }, i) => offset - before[i]! < piece / 2)) host.sleep(500);
    for (const log of find())
      if (logs.every(({ file }) => file !== log.file)) logs.push(followed(host, log, 0));
  }
}

/**
 * What has been added to a log since it was looked at last, also to the file that had its name
 * until now.
 */
function added(host: Host, log: Followed): Labelled[] {
  const entry = host.stat(log.file);
  let rest = "";
  if (entry && entry.inode !== log.inode) {
    const folder = log.file.slice(0, log.file.lastIndexOf("/"));
    const files = host.list(folder).map((name) => `${folder}/${name}`);
    const former = files.find(
      (file) => file.startsWith(log.file) && host.stat(file)?.inode === log.inode,
    );
    const last = former
      ? host.readFrom(former, log.offset, false, piece)
      : { text: "", offset: log.offset };
    rest = last.text;
    log.left.set(log.inode, last.offset);
    Object.assign(log, { inode: entry.inode, offset: log.left.get(entry.inode) ?? 0 });
  } else if (entry && entry.size < log.offset) log.offset = 0;
  const { text, offset } = host.readFrom(log.file, log.offset, false, piece);
  log.offset = offset;
  const news = `${rest}${text}`.split("\n").slice(0, -1);
  const { said, starting } = log.isWhole
    ? { said: news, starting: [] }
    : withoutUwsgi([...log.held, ...news]);
  log.held = news.length > 0 ? starting : [];
  const lines = log.read(news.length > 0 ? said : [...said, ...reasonsOf(starting)], host.now());
  return lines.map((line) => ({ ...line, label: log.label }));
}
