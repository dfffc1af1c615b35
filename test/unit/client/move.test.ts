import { expect, test } from "bun:test";
import { joinJson } from "../../../src/client/boards.ts";
import { nameToFollow, waitUntilFollows } from "../../../src/client/follows.ts";
import { memoryHost } from "../../host/memory.ts";

test("only a name that somebody has to point elsewhere is waited for", () => {
  const names: [string | undefined, number | undefined, string | undefined][] = [
    ["https://shop.example.com/", undefined, "shop.example.com"],
    ["http://shop.example.com:8080/", undefined, "shop.example.com"],
    ["http://shop.local/", undefined, undefined],
    ["http://192.168.1.5/", undefined, undefined],
    ["http://board.example.com:8001/", 8001, undefined],
    ["http://[fd00::5]:8001/", undefined, undefined],
    [undefined, undefined, undefined],
  ];
  for (const [url, ownPort, name] of names)
    expect([
      url,
      nameToFollow({ ...(url ? { url } : {}), ...(ownPort ? { ownPort } : {}) }),
    ]).toEqual([url, name]);
});

const [old, fresh] = [{ address: "piku@old" }, { address: "piku@new", port: "2222" }];

/** Whether `shop.test` leads to the new board, which by their clock it does after `minutes`. */
function followed(minutes: number, keys: Record<string, string>) {
  const host = memoryHost({
    answer: ([program, ...words]) => {
      const place = words.at(-1)!;
      if (program === "ssh")
        return { stdout: `hostname ${place.slice(5)}\nport ${place === "piku@new" ? 2222 : 22}\n` };
      const leadsTo = host.clock < began + minutes * 60_000 ? "old" : "new";
      const key = keys[place === "shop.test" ? leadsTo : place];
      return { stdout: key === undefined ? "" : `# ${place}:22 SSH-2.0\n[${place}]:2222 ${key}\n` };
    },
  });
  const began = host.clock;
  const unseen = waitUntilFollows(host, "shop.test", old, fresh, 10);
  return { unseen, waited: (host.clock - began) / 60_000, ran: host.ran };
}

test("a name follows when ssh there shows the new board's keys", () => {
  const keys = { old: "ssh-ed25519 AAAA", new: "ssh-ed25519 BBBB" };
  const soon = followed(3, keys);
  expect([soon.unseen, Math.round(soon.waited)]).toEqual([undefined, 3]);
  expect(soon.ran.at(-1)).toEqual(["ssh-keyscan", "-T", "5", "-p", "2222", "--", "shop.test"]);
  const never = followed(30, keys);
  expect([never.unseen, Math.round(never.waited)]).toEqual([
    "shop.test does not lead to piku@new",
    10,
  ]);
});

test("keys that do not tell two boards apart, as those of a copied card, tell nothing", () => {
  expect(followed(0, { old: "ssh-ed25519 AAAA", new: "ssh-ed25519 AAAA" }).unseen).toContain(
    "the same ssh host keys",
  );
  expect(followed(0, { old: "ssh-ed25519 AAAA" }).unseen).toContain("no host key");
});

test("what several boards print becomes one object", () => {
  const answers = [
    { name: "one", stdout: '[{"app":"a"}]\n' },
    { name: "__proto__", stdout: "[]" },
    { name: "off", stdout: "" },
  ];
  expect(joinJson(answers)).toBe('{"one":[{"app":"a"}],"__proto__":[],"off":null}');
});
