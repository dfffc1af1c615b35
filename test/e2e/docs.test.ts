/**
 * Every command line of the docs is typed as it stands there, and prints what stands behind it. For
 * whoever writes a page: PIKU_PAGE=logs tells only that one (and the first, which makes the app),
 * PIKU_SHOW=1 shows what each block printed.
 */
import { afterAll, expect, test } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { type Block, blocksOf, missing, pages, readDocument } from "./docs.ts";
import { ok, Sandbox } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";
import { standIn } from "./tools.ts";

const client = process.env.PIKU_CLIENT;

/** Pages on which there is a second board. */
const newBoard = ["docs/guides/backup.md", "docs/guides/outgrowing-a-board.md"];

/** Pages that begin with a board on which there is no `hello` yet. */
const fresh = ["docs/guides/first-app.md", "README.md"];

/** The lines of the picture in the README: what a first push looks like. */
const picture = [
  ...readDocument("docs/img/first-push.svg").matchAll(/<text[^>]*>(.*?)<\/text>/g),
].map(([, line]) => line!.replace(/<[^>]*>/g, "").replaceAll("&gt;", ">"));

const nobody = ["sh root", "sh checkout", ...(client ? [] : ["sh client"])];

/** What is typed of a page: not what would change the machine that tells the stories. */
const typed = (page: string) => blocksOf(page).filter(({ typist }) => !nobody.includes(typist));

/** What asks and changes nothing: it may be asked again until the board has got so far. */
const question = /^(curl|ssh piku@board (apps|ps|logs|doctor|releases))\b[^\n]*$/;

/** A log that is followed ends when somebody interrupts it. */
const interrupted = (script: string) =>
  script.replace(/^ssh .* logs (?!.*--no-follow).*$/gm, "timeout -s INT 2 $& || test $? -ge 124");

stories((board, story) => {
  const others: Sandbox[] = [];
  afterAll(() => Promise.all(others.map((one) => one.stop())));
  const at = (name: string) => `${board.folder}/client/${name}`;

  /**
   * The programs that a person's machine finds: they know where `board` and every app's name lead.
   */
  function bring(name: string, script: string) {
    fs.mkdirSync(at("docs"), { recursive: true });
    fs.writeFileSync(at(`docs/${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  function bringPrograms(second?: Sandbox) {
    const ssh = `config=${board.folder}/ssh/config
for word; do
  shift
  case $word in
  piku@new-board*) config=${second?.folder}/ssh/config word=board\${word#piku@new-board} ;;
  piku@*) word=\${word#piku@} ;;
  esac
  set -- "$@" "$word"
done
exec "/usr/bin/\${0##*/}" -F "$config" "$@"`;
    for (const name of ["ssh", "scp"]) bring(name, ssh);
    const ways = Object.entries({ 80: board.httpPort, 443: board.httpsPort });
    const there = ways.map(([port, to]) => `--connect-to :${port}:127.0.0.1:${to}`).join(" ");
    if (client) bring("piku", `exec sh "${client}" "$@"`);
    fs.mkdirSync(at("laptop"), { recursive: true });
    fs.copyFileSync(board.target.executable, at("laptop/piku"));
    bring("curl", `exec /usr/bin/curl -sS --noproxy '*' --max-time 20 ${there} "$@"`);
  }

  /** Ports of apps without a name, as they turn up: for a reader they begin with 8001. */
  const ownPorts: string[] = [];
  const asOnHomeNetwork = (text: string) =>
    text.replace(/http:\/\/127\.0\.0\.1:(8\d{3})\//g, (_, port: string) => {
      if (!ownPorts.includes(port)) ownPorts.push(port);
      return `http://192.168.1.20:${8001 + ownPorts.indexOf(port)}/`;
    });

  /** What the page's reader would see in the place of this board's ports and folders. */
  const asShown = (output: string) =>
    [...others, board].reduce(
      (text, one) =>
        text
          .replaceAll(`:${one.httpPort}`, "")
          .replaceAll(`:${one.httpsPort}`, "")
          .replaceAll(one.home, "/home/piku"),
      asOnHomeNetwork(output),
    );

  /**
   * One bash session a page: each block begins with the folder and the variables that the one
   * before has left.
   */
  function type({ typist, text }: Block, session: string) {
    if (typist === "sh board")
      return board.run(["bash", "-ec", `exec 2>&1; cd; ${text}`], { env: board.boardEnv() });
    const programs = [
      ...(typist === "sh laptop" ? [at("laptop")] : []),
      at("docs"),
      board.clientEnv().PATH,
    ].join(":");
    const begin = `set -ea; exec 2>&1; . ${session}; PATH=${programs}; cd "$PWD"; trap 'export -p >${session}' EXIT`;
    const env = { ...board.clientEnv(), GIT_SSH_COMMAND: "ssh" };
    const script = `${begin}\n${typist === "sh fails" ? "set +e\n" : ""}${interrupted(text)}`;
    return board.run(["bash", "-c", script], { env, limit: 120 });
  }

  /**
   * Types a block until it is as its page says, for a while where nothing is changed by that. Gives
   * what it printed.
   */
  function tell(block: Block, session: string): string {
    const end = performance.now() + 10_000;
    for (;;) {
      const ran = type(block, session);
      const lacking = missing(asShown(ran.output), block.shows);
      const isGood = (ran.status === 0) !== (block.typist === "sh fails") && lacking === undefined;
      if (isGood && process.env.PIKU_SHOW)
        console.log(
          `\n=== ${block.where} (${ran.status}, ${Math.round(ran.ms)} ms)\n${block.text}\n---\n${asShown(ran.output)}`,
        );
      if (isGood) return asShown(ran.output);
      if (question.test(block.text) && performance.now() < end) Bun.sleepSync(100);
      else
        throw new Error(
          `${block.where}: exit status ${ran.status}${lacking ? `, and no line '${lacking}'` : ""}\n${block.text}\n${asShown(ran.output)}`,
        );
    }
  }

  const only = process.env.PIKU_PAGE;
  const told = pages.filter((page) => typed(page).length > 0);
  for (const page of told.filter((page) => !only || page.includes(only) || page === told[0]))
    story(page, () => {
      const second = newBoard.includes(page) ? new Sandbox(board.target).start() : undefined;
      if (second) others.push(second);
      bringPrograms(second);
      if (page === told[0]) ok(board.ssh("config:set", "--global", "PIKU_FIRST_PORT=8001"));
      // Nothing of a board of these pages goes out into the world.
      // What asks somebody out there; piku itself asks the board.
      standIn(
        board,
        "curl",
        `case "$*" in *ntfy.sh*) exit 0 ;; *) exec /usr/bin/curl "$@" ;; esac\n`,
      );
      const session = at("session");
      if (fresh.includes(page)) {
        fs.rmSync(at("hello"), { recursive: true, force: true });
        if (fs.existsSync(`${board.home}/.piku/apps/hello`))
          ok(board.ssh("destroy", "hello", "--force"));
      }
      const folder = fs.existsSync(at("hello")) ? at("hello") : path.dirname(session);
      fs.writeFileSync(session, `PWD='${folder}'\n`);
      const seen = typed(page).map(
        (block) => `${block.text.replace(/^/gm, "$ ")}\n${tell(block, session)}`,
      );
      if (page === "README.md") expect(missing(seen.join("\n"), picture)).toBeUndefined();
    });
}, unlessLong);

test("what root types is shell, and what a checkout is asked for is there", () => {
  const { scripts } = JSON.parse(readDocument("package.json"));
  for (const { typist, text, where } of pages.flatMap(blocksOf)) {
    const parsed = Bun.spawnSync(["sh", "-n"], { stdin: new TextEncoder().encode(text) });
    expect(`${where} ${parsed.stderr}`).toBe(`${where} `);
    if (typist !== "sh checkout") continue;
    const asked = [...text.matchAll(/npm (?:run )?(test|[\w:]+)/g)]
      .map(([, name]) => name!)
      .filter((name) => name !== "ci");
    expect(asked.filter((name) => scripts[name] === undefined)).toEqual([]);
  }
});
