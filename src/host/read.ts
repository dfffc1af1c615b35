import { isItself, joined, readAll, readBlocks, readOnly, withOpen } from "./descriptor.ts";
import { defaultMaxBytes, type Host, NotAFile, TooLarge } from "./host.ts";
import { checked, type System, tolerate } from "./system.ts";

const pieceSize = 1024 * 1024;

/** What a Host can tell of the file system. */
export type Reading = Pick<
  Host,
  "read" | "readFrom" | "search" | "list" | "stat" | "readLink" | "realPath" | "free" | "stdin"
>;

/** That part of the Host. */
export const readingOf = (system: System): Reading => ({
  read(path, most = defaultMaxBytes) {
    const bytes = reading(system, path, (file) => readAll(system, file, undefined, path, most));
    if (bytes && bytes.length > most)
      throw new TooLarge(`the file '${path}'`, "is larger than", most);
    return bytes && system.decode(bytes);
  },
  readFrom(path, offset, whole = false, most = pieceSize) {
    const all = reading(system, path, (file) =>
      isLink(system, file, path) ? undefined : readAll(system, file, offset, path, most),
    );
    const bytes = (all ?? new Uint8Array(0)).subarray(0, most);
    const length = lengthOfPiece(bytes, (all?.length ?? 0) > most, whole);
    return { text: system.decode(bytes.subarray(0, length)), offset: offset + length };
  },
  search: (path, test, offset = 0) => search(system, path, test, offset),
  list: (dir) => (tolerate(() => system.names(checked(dir)), "ENOENT", "ENOTDIR") ?? []).sort(),
  stat: (path) => tolerate(() => system.stat(checked(path), false), "ENOENT", "ENOTDIR"),
  readLink: (path) => tolerate(() => system.readLink(checked(path)), "ENOENT", "ENOTDIR", "EINVAL"),
  realPath: (path) => tolerate(() => system.realPath(checked(path)), "ENOENT", "ENOTDIR", "ELOOP"),
  free: (path) => system.free(checked(path)),
  stdin(most) {
    const bytes = readAll(system, 0, undefined, "stdin", most);
    if (bytes.length > most) throw new TooLarge("what comes on stdin", "is larger than", most);
    return system.decode(bytes);
  },
});

/** Opens a file to read it; undefined when it is not there. Throws `NotAFile` for a pipe. */
const reading = <T>(system: System, path: string, use: (file: number) => T): T | undefined =>
  tolerate(
    () => {
      // An app may put a pipe in a file's place, which would be waited for without end. What a
      // shell names for `<(...)` is below /dev.
      if (!path.startsWith("/dev/") && system.stat(checked(path), true).type === "other")
        throw new NotAFile(path);
      return withOpen(system, path, readOnly, 0, use);
    },
    // ESRCH: a process that ended while its file below /proc was read.
    "ENOENT",
    "ENOTDIR",
    "ESRCH",
  );

/** An app could make its log a link to what only piku may read. */
const isLink = (system: System, descriptor: number, path: string) =>
  !path.startsWith("/proc/") && !isItself(system, descriptor, path);

function search(
  system: System,
  path: string,
  test: (lines: string) => boolean,
  offset: number,
): boolean {
  let rest = new Uint8Array(0);
  let isFound = false;
  reading(system, path, (file) => {
    if (isLink(system, file, path)) return;
    readBlocks(system, file, offset === 0 ? undefined : offset, path, (bytes) => {
      const all = joined([rest, bytes]);
      const lines = all.lastIndexOf(10) + 1;
      const length = lines === 0 && all.length > pieceSize ? wholeCharacters(all) : lines;
      rest = all.slice(length);
      isFound = length > 0 && test(system.decode(all.subarray(0, length)));
      return isFound;
    });
  });
  return isFound || (rest.length > 0 && test(system.decode(rest)));
}

/**
 * How many bytes of a piece to give: whole lines; without one, all whole characters of a piece that
 * goes on (`isPart`), or all of the end where that is wanted (`whole`).
 */
function lengthOfPiece(bytes: Uint8Array, isPart: boolean, whole: boolean): number {
  const lines = bytes.lastIndexOf(10) + 1;
  if (lines > 0 && (isPart || !whole)) return lines;
  if (isPart) return wholeCharacters(bytes);
  return whole ? bytes.length : 0;
}

/**
 * How many of these bytes are whole characters of UTF-8: the last one may be cut. All of them where
 * there is no end in sight.
 */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 4 && back < bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return bytes.length - back;
  }
  return bytes.length;
}
