import { expect, test } from "bun:test";
import { answerAbout, askProgram } from "../../../src/app/answers.ts";
import { memoryHost } from "../../host/memory.ts";

const elf = "\x7fELF";
const nginx = "/usr/sbin/nginx";
const hostWith = (path: string, text: string) => {
  const host = memoryHost({
    env: { HOME: "/home/piku", PATH: "/opt/bin:/usr/sbin" },
    files: { [path]: text },
    answer: () => ({ stdout: "nginx/1.22\n" }),
  });
  host.chmod(path, 0o755);
  return host;
};

test("a program of the distribution is asked once, and again when it was replaced", () => {
  const host = hostWith(nginx, elf);
  const ask = () => askProgram(host, ["nginx", "-V"]).stdout;
  expect([ask(), ask(), host.ran.length]).toEqual(["nginx/1.22\n", "nginx/1.22\n", 1]);
  host.write(nginx, `${elf} of another size`, 0o755);
  expect([ask(), ask(), host.ran.length]).toEqual(["nginx/1.22\n", "nginx/1.22\n", 2]);
});

test.each([
  ["what chooses among several", nginx, "#!/bin/sh\n"],
  ["what somebody has put there", "/opt/bin/nginx", elf],
])("%s is asked each time", (_, path, text) => {
  const host = hostWith(path, text);
  for (let i = 0; i < 3; i++) askProgram(host, ["nginx", "-V"]);
  expect(host.ran.length).toBe(3);
});

test.each(["", "[]", "\n\n", '[["/a",[1,1,0]]]\n{"cut', "x\ny"])(
  "an answer of which a power cut has left %j is asked for again",
  (left) => {
    const host = hostWith("/a", "a");
    let asked = 0;
    const ask = () => answerAbout(host, "/k/kept", ["/a"], () => ++asked, Boolean);
    ask();
    host.write("/k/kept", left);
    expect([ask(), ask()]).toEqual([2, 2]);
  },
);
