import { expect, test } from "bun:test";
import { isClient } from "../../../src/client/called.ts";
import {
  clientCommands,
  readWanted,
  runClient,
  wordsForBoard,
} from "../../../src/client/client.ts";
import { remotePath } from "../../../src/client/files.ts";
import { appNameOf, boardsIn } from "../../../src/client/init.ts";
import { urlIn } from "../../../src/client/push.ts";
import { lineOf } from "../../../src/client/ssh.ts";
import { everyCommand } from "../../../src/commands/index.ts";
import { PikuError } from "../../../src/text/errors.ts";
import { splitWords } from "../../../src/text/text.ts";
import { memoryHost } from "../../host/memory.ts";

const commands = await everyCommand();

const laptop = { HOME: "/home/anna" };

test.each([
  ["on a laptop", true, laptop, {}, ["logs"]],
  ["on a laptop, without words", true, laptop, {}, []],
  ["on Windows", true, { USERPROFILE: "/Users/anna" }, {}, ["logs"]],
  ["beside plugins of the original's client", true, laptop, { "/home/anna/.piku/x": "" }, ["logs"]],
  ["asked for help on a laptop", true, laptop, {}, ["help"]],
  ["on a board", false, laptop, { "/home/anna/.piku/repos/x": "" }, ["logs"]],
  ["as a forced command", false, { ...laptop, SSH_ORIGINAL_COMMAND: "" }, {}, []],
  ["as a hook", false, { ...laptop, GIT_DIR: "." }, {}, ["git-hook", "blog"]],
  ["with PIKU_ROOT", false, { ...laptop, PIKU_ROOT: "/srv/piku" }, {}, ["logs"]],
  ["making a board", false, laptop, {}, ["setup"]],
  ["at boot", false, laptop, {}, ["recover"]],
  ["asked for its version", false, laptop, {}, ["--version"]],
])("%s: the client is %p", (_, expected, env, files, words) => {
  expect(isClient(memoryHost({ env: env as Record<string, string>, files }), words)).toBe(expected);
});

test.each([
  ["logs", "logs blog"],
  ["logs web -n 5", "logs blog web -n 5"],
  ["ps", "ps blog"],
  ["config", "config blog"],
  ["config:set A=1", "config:set blog A=1"],
  ["config:set --global A=1", "config:set --global A=1"],
  ["exec -- ls", "exec blog -- ls"],
  ["logs --help", "logs --help"],
  ["help logs", "help logs"],
  ["apps", "apps"],
  ["doctor", "doctor"],
  ["keys", "keys"],
  ["keys:add anna", "keys:add anna"],
  ["backup", "backup"],
  ["restore blog", "restore blog"],
  ["update", "update"],
  ["a-plugin x", "a-plugin blog x"],
])("`piku %s` is `%s` for the board", (typed, expected) => {
  expect(wordsForBoard(typed.split(" "), () => "blog").join(" ")).toBe(expected);
});

test.each([
  [["config:set", "blog", "A=x y"]],
  [["config:set", "blog", 'A=it\'s "so"', "B=$HOME `id` \\ *", "C=", "D=two\nlines"]],
  [["maintenance:on", "blog", "--message", "Back at noon"]],
  [["logs", "blog", ""]],
])("the board reads %p as it was typed", (words) => {
  expect(splitWords(lineOf(words)).words).toEqual(words);
});

test.each([
  [["run", "blog", "ls | wc -l"], "run blog -- ls | wc -l"],
  [["run", "blog", "--", "ls", "a b"], "run blog -- ls 'a b'"],
  [["exec", "blog", "echo", "it's"], "run blog -- echo 'it'\\''s'"],
])("%p runs on the board as %s", (words, expected) => {
  expect(lineOf(words)).toBe(expected);
});

test.each([
  [["logs"], {}, ["logs"]],
  [["-r", "b2", "logs", "-n", "5"], { remote: "b2" }, ["logs", "-n", "5"]],
  [["--app", "shop", "-r", "b2", "ps"], { remote: "b2", app: "shop" }, ["ps"]],
  [["-a", "shop"], { app: "shop" }, []],
])("%p", (words, wanted, rest) => {
  expect(readWanted(words)).toEqual({ wanted, rest });
});

const remotes = (...lines: string[]) => lines.map((line) => `${line} (push)\n`).join("");

/** Runs a call in a directory with these remotes; what it ran, but git. */
async function ranBy(words: string[], listed: string, env: Record<string, string> = laptop) {
  const host = memoryHost({
    env,
    answer: (argv) => {
      if (argv[0] === "git") return { stdout: listed, status: listed === "" ? 128 : 0 };
      return { stdout: argv.includes("piku@two") && argv.includes("version") ? "piku 1\n" : "" };
    },
  });
  await runClient(host, words);
  return host.ran.filter(([program]) => program !== "git").map((argv) => argv.join(" "));
}

test("the remote called piku comes first, as with the original's client", async () => {
  const listed = remotes("a\tpiku@one:a", "piku\tssh://piku@two:2222/blog");
  expect(await ranBy(["logs"], listed)).toEqual(["ssh -p 2222 -- piku@two logs blog"]);
  expect(await ranBy(["-r", "a", "logs"], listed)).toEqual(["ssh -- piku@one logs a"]);
  const env = { ...laptop, PIKU_SERVER: "piku@three", PIKU_APP: "shop" };
  expect(await ranBy(["logs"], listed, env)).toEqual(["ssh -p 2222 -- piku@two logs blog"]);
  expect(await ranBy(["logs"], "", env)).toEqual(["ssh -- piku@three logs shop"]);
  expect(await ranBy(["-a", "x", "logs"], "", env)).toEqual(["ssh -- piku@three logs x"]);
});

test("without one, it is the remote that answers as piku", async () => {
  const ran = await ranBy(["ps"], remotes("origin\tgit@one:blog", "board\tpiku@two:blog"));
  expect(ran.at(-1)).toBe("ssh -- piku@two ps blog");
});

/** What a call threw. */
const thrownBy = (call: Promise<unknown>): Promise<PikuError> =>
  call.then(
    () => new PikuError("it did not throw"),
    (error) => error,
  );

test.each([
  [["logs"], "", "no git remote of this directory leads to a board"],
  [["logs"], remotes("origin\tgit@one:blog"), "no git remote of this directory leads to a board"],
  [["logs"], remotes("a\tpiku@two:a", "b\tpiku@two:b"), "a and b all lead to a board"],
  [["-r", "x", "logs"], remotes("a\tpiku@two:a"), "there is no git remote 'x'"],
  [["-r"], "", "-r needs a value"],
])("%p with remotes %p: %s", async (words, listed, message) => {
  expect((await thrownBy(ranBy(words, listed))).message).toContain(message);
});

test("a command about an app says so where there is none", async () => {
  const thrown = await thrownBy(ranBy(["logs"], "", { ...laptop, PIKU_SERVER: "board" }));
  expect(thrown.message).toBe("which app?");
});

test("the exit status is that of the board's command", async () => {
  const host = memoryHost({ env: { ...laptop, PIKU_SERVER: "b" }, answer: () => ({ status: 7 }) });
  expect((await thrownBy(runClient(host, ["apps"]))).exitCode).toBe(7);
});

test.each([
  ["uploads/a.jpg", false, "piku@board:.piku/data/blog/uploads/a.jpg"],
  ["", false, "piku@board:.piku/data/blog/"],
  ["app.log", true, "piku@board:.piku/apps/blog/app.log"],
])("'%s' is copied from %s", (file, tree, expected) => {
  const place = { board: { address: "piku@board" }, app: "blog" };
  expect(remotePath(place, file, tree as boolean)).toBe(expected as string);
});

test.each(["/etc/passwd", "../shop/x", "a/../../shop"])("'%s' is not copied", (file) => {
  const place = { board: { address: "piku@board" }, app: "blog" };
  expect(() => remotePath(place, file, false)).toThrow("is not a path below");
});

test.each([
  ["/home/anna/blog", "blog"],
  ["C:/Users/Anna/My Blog", "my-blog"],
  ["C:\\Users\\Anna\\Blog_2\\", "blog_2"],
  ["/home/anna/Ünï", "n"],
  ["/", undefined],
])("the directory %s makes the app %s", (directory, expected) => {
  expect(appNameOf(directory)).toBe(expected as string);
});

test("boards are found in what avahi-browse prints", () => {
  const printed = [
    "+;eth0;IPv4;piku on board;_piku._tcp;local",
    "=;eth0;IPv4;piku on board;_piku._tcp;local;board.local;192.168.1.20;22;",
    "=;eth0;IPv6;piku on board;_piku._tcp;local;board.local;fe80::1;22;",
    "=;eth0;IPv4;odd;_piku._tcp;local;-oProxyCommand=id;192.168.1.20;22;",
  ].join("\n");
  expect(boardsIn(printed)).toEqual(["board.local"]);
});

test("only an address of the web is opened", () => {
  const listed = (url: string) => JSON.stringify([{ app: "blog", url }, { app: "bot" }]);
  expect(urlIn(listed("http://blog.local/"), "blog")).toBe("http://blog.local/");
  expect(urlIn(listed("file:///etc/passwd"), "blog")).toBeUndefined();
  expect(urlIn(listed("http://x/&calc"), "blog")).toBeUndefined();
  expect(urlIn(listed("http://x/"), "bot")).toBeUndefined();
  expect(() => urlIn("[]", "blog")).toThrow("app 'blog' is not on the board");
});

// What the shortest tool of its kind wants typed for the same: Heroku, Dokku, Kamal, Fly, the original.
test.each([
  ["piku logs", 9],
  ["piku ps", 7],
  ["piku shell", 10],
  ["piku set K=v", 19],
  ["piku scale web=2", 17],
  ["piku open", 9],
  ["piku push", 10],
  ["piku rollback", 13],
  ["piku restart", 12],
  ["piku doctor", 21],
])("`%s` is no longer than anybody's (%d letters), and is a command", (typed, shortest) => {
  expect(typed.length).toBeLessThan(shortest + 1);
  const [, name] = typed.split(" ");
  const known = [...clientCommands(), ...commands].flatMap((one) => [
    one.name,
    ...(one.alias ?? []),
  ]);
  expect(known).toContain(name!);
});
