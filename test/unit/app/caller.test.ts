import { expect, test } from "bun:test";
import { isCalledPrivately } from "../../../src/app/caller.ts";
import { memoryHost } from "../../host/memory.ts";

test.each([
  ["10.0.0.5", true],
  ["172.16.0.1", true],
  ["172.31.255.1", true],
  ["172.32.0.1", false],
  ["192.168.1.20", true],
  ["169.254.3.4", true],
  ["100.64.0.1", true],
  ["100.127.1.1", true],
  ["100.128.0.1", false],
  ["fd12:3456::1", true],
  ["fe80::1", true],
  ["::ffff:192.168.1.20", true],
  ["2001:db8::1", false],
  ["203.0.113.9", false],
  ["192.169.1.1", false],
  ["1.10.0.0", false],
  // Whoever pushes from the board itself does not say where others reach it.
  ["127.0.0.1", false],
  ["::1", false],
])("a board called at %s is on a private network: %p", (address, expected) => {
  const env = { SSH_CONNECTION: `198.51.100.1 50000 ${address} 22` };
  expect(isCalledPrivately(memoryHost({ env }))).toBe(expected);
});

test("without ssh nothing is known of the network", () => {
  expect(isCalledPrivately(memoryHost())).toBe(false);
});
