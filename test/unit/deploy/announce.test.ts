import { expect, test } from "bun:test";
import { addressesIn } from "../../../src/deploy/announce.ts";
import { memoryHost } from "../../host/memory.ts";

const avahi = { "/run/avahi-daemon/pid": "1\n" };
const named = { names: ["blog.test"], ports: { http: 80, https: 443 }, httpsOnly: false };
const nameless = { ...named, names: ["_"], ownPort: 8001 };
const here = "http://10.0.0.9:8001/";

test.each([
  ["a port", nameless, {}, [here]],
  ["a port, with avahi", nameless, avahi, [here, "http://raspi.local:8001/"]],
  ["a name, with avahi", named, avahi, ["http://blog.test/", "https://blog.test/"]],
])("the addresses that a push ends with: %s", (_, site, files, addresses) => {
  const host = memoryHost({
    env: { SSH_CONNECTION: "10.0.0.2 5 10.0.0.9 22", USER: "piku", HOME: "/home/piku" },
    files: { "/proc/sys/kernel/hostname": "raspi.lan\n", ...files },
  });
  expect(addressesIn(host, site)).toEqual(addresses);
});
