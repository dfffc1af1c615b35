import { expect, test } from "bun:test";
import {
  hasConnections,
  isListening,
  isReached,
  isSocketConnected,
  listenersOf,
  startedWith,
  statOf,
} from "../../../src/host/processes.ts";
import { memoryHost } from "../../host/memory.ts";

const heading =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const v4 = (local: string, remote: string, state: string, inode = 0) =>
  `   0: 0100007F:${local} 0100007F:${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0 0 10 0\n`;
const v6 = (local: string, remote: string, state: string, inode = 0) =>
  v4(local, remote, state, inode).replaceAll("0100007F", "00000000000000000000000001000000");

const tables = (tcp: string, tcp6 = "") =>
  memoryHost({ files: { "/proc/net/tcp": heading + tcp, "/proc/net/tcp6": heading + tcp6 } });

test("listeners are found in both families, and nothing is read behind them", () => {
  const host = tables(
    v4("1F90", "0000", "0A") + v4("1F91", "C350", "06") + v4("1F92", "0000", "0A"),
    v6("1F93", "0000", "0A"),
  );
  expect([8080, 8081, 8082, 8083, 8084].map((port) => isListening(host, port))).toEqual([
    true,
    false,
    false,
    true,
    false,
  ]);
});

test("a machine without IPv6, or without any socket, has no listeners", () => {
  expect(isListening(memoryHost({ files: { "/proc/net/tcp": heading } }), 80)).toBe(false);
  expect(isListening(memoryHost(), 80)).toBe(false);
});

test("the listeners of processes are those whose sockets they hold", () => {
  const host = tables(
    v4("1F90", "0000", "0A", 77) + v4("1F91", "0000", "0A", 78),
    v6("1F90", "0000", "0A", 79),
  );
  host.mkdir("/proc/500/fd");
  host.link("socket:[77]", "/proc/500/fd/3");
  host.link("socket:[79]", "/proc/500/fd/4");
  expect(listenersOf(host, [500, 501])).toEqual([
    { address: "127.0.0.1", port: 8080, inode: "77" },
    { address: "::1", port: 8080, inode: "79" },
  ]);
});

// What the kernel writes for addresses, and who is reached when nginx asks there.
const addresses: Record<string, string> = {
  "127.0.0.1": "0100007F",
  "0.0.0.0": "00000000",
  "192.0.2.7": "070200C0",
  "::1": "00000000000000000000000001000000",
  "::": "00000000000000000000000000000000",
  "::ffff:127.0.0.1": "0000000000000000FFFF00000100007F",
  "2001:db8::1": "B80D0120000000000000000001000000",
};

test.each([
  ["127.0.0.1", "127.0.0.1", true],
  ["0.0.0.0", "127.0.0.1", true],
  ["::", "127.0.0.1", true],
  ["::ffff:127.0.0.1", "127.0.0.1", true],
  ["::1", "127.0.0.1", false],
  ["192.0.2.7", "127.0.0.1", false],
  ["127.0.0.1", "0.0.0.0", true],
  ["127.0.0.1", "[::]", true],
  ["192.0.2.7", "0.0.0.0", false],
  ["192.0.2.7", "192.0.2.7", true],
  ["0.0.0.0", "192.0.2.7", true],
  ["127.0.0.1", "192.0.2.7", false],
  ["::1", "[::1]", true],
  ["::", "::1", true],
  ["0.0.0.0", "::1", false],
  ["2001:db8::1", "2001:db8::1", true],
  ["::1", "localhost", true],
])("what listens on %s when nginx asks %s: %p", (listener, asked, expected) => {
  const host = memoryHost({
    files: {
      "/proc/net/tcp": `   0: ${addresses[listener]}:1F90 00000000:0000 0A 0:0 0:0 0 0 0 7 1\n`,
    },
  });
  host.taken.add(8080);
  expect(isReached(host, asked, 8080)).toBe(expected);
  expect(isReached(host, asked, 8081)).toBe(false);
});

test("a socket of IPv6 alone is not reached over IPv4: it leaves that port free", () => {
  const host = tables("", v6("1F90", "0000", "0A").replace("01000000:1F90", "00000000:1F90"));
  expect(isReached(host, "127.0.0.1", 8080)).toBe(false);
  host.taken.add(8080);
  expect(isReached(host, "127.0.0.1", 8080)).toBe(true);
});

test("what cannot be read of another user's process is nothing", () => {
  const host = memoryHost({ files: { "/proc/12/environ": "A=1\0B=2=3\0" } });
  expect(["A", "B", "C"].map((name) => startedWith(host, 12, name))).toEqual([
    "1",
    "2=3",
    undefined,
  ]);
  const closed = {
    ...host,
    readFrom: () => {
      throw new Error("EACCES open");
    },
  };
  expect(startedWith(closed, 12, "A")).toBeUndefined();
});

test.each([
  ["established, at its end", v4("1F90", "C350", "01"), "", true],
  ["established over IPv6", "", v6("1F90", "C350", "01"), true],
  [
    "behind thousands in TIME_WAIT",
    v4("1F90", "C351", "06").repeat(3000) + v4("1F90", "C350", "01"),
    "",
    true,
  ],
  ["none but in TIME_WAIT", v4("1F90", "C351", "06").repeat(3000), "", false],
  ["established, at the other end", v4("C350", "1F90", "01"), "", false],
  ["established, of another port", v4("1F91", "C350", "01") + v4("1F90", "0000", "0A"), "", false],
  ["to itself", v4("1F90", "1F90", "01"), "", true],
])("connections to a port: %s", (_, tcp, tcp6, expected) => {
  expect(hasConnections(tables(tcp, tcp6), 8080)).toBe(expected);
});

test("a port of few digits is written with four", () => {
  expect(hasConnections(tables(v4("0050", "C350", "01")), 80)).toBe(true);
});

test.each([
  ["0000000000000000: 00000003 00000000 00000000 0001 03 33333 /p/blog.1.sock\n", true],
  ["0000000000000000: 00000002 00000000 00010000 0001 01 33333 /p/blog.1.sock\n", false],
  ["0000000000000000: 00000003 00000000 00000000 0001 03 33333 /p/blog.1.sock2\n", false],
  ["0000000000000000: 00000003 00000000 00000000 0001 03 33333 /other/p/blog.1.sock\n", false],
  ["0000000000000000: 00000003 00000000 00000000 0001 03 33333\n", false],
])("unix sockets: %s", (line, isConnected) => {
  const host = memoryHost({
    files: { "/proc/net/unix": `Num       RefCount Protocol Flags    Type St Inode Path\n${line}` },
  });
  expect(isSocketConnected(host, "/p/blog.1.sock")).toBe(isConnected);
});

test.each([
  ["12 (sh) S 1 12 12 0", { pid: 12, parent: 1, group: 12 }],
  ["12 (a) S 9 (b)) R 7 8 9 0", { pid: 12, parent: 7, group: 8 }],
  ["12 (sh) Z 1 12 12 0", undefined],
])("a process's stat: %s", (stat, expected) => {
  expect(statOf(memoryHost({ files: { "/proc/12/stat": stat } }), 12)).toEqual(expected);
});
