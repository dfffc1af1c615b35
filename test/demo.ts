/**
 * Pushes the sample app to a board of its own and shows it: `npm run demo`, or `npm run demo --
 * --once` to end by itself.
 */
import { ok, Sandbox, targets } from "./e2e/sandbox.ts";

const once = process.argv.includes("--once");
const board = new Sandbox(targets[0]!);
const ended = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => resolve());
});

function step<T>(what: string, act: () => T): T {
  const began = performance.now();
  const result = act();
  console.log(`${`${((performance.now() - began) / 1000).toFixed(2)} s`.padStart(8)}  ${what}`);
  return result;
}

let status = 0;
try {
  step(`start sshd, nginx and uWSGI; piku setup (${targets[0]!.name})`, () => board.start());
  console.log(`          all of it below ${board.folder}`);
  const app = step("git init, git commit: examples/python-wsgi", () => board.repo("python-wsgi"));
  const push = step("git push board:hello main", () => board.push(app, "hello"));
  process.stderr.write(push.stderr);
  ok(push);
  const answer = step("curl, through nginx", () => board.get("/", { host: "hello.test" }));
  console.log(
    `\nhttp://hello.test:${board.httpPort}/ answers ${answer.status}: ${answer.body.trim()}`,
  );
  if (answer.status !== 200) throw new Error(`expected 200\n${board.logs()}`);
  if (!once) {
    console.log(`\nTry it:  curl -H 'Host: hello.test' http://127.0.0.1:${board.httpPort}/`);
    console.log(`         ssh -F ${board.folder}/ssh/config board help`);
    console.log("Ctrl-C ends it, and leaves nothing.");
    await ended;
  }
} catch (error) {
  console.error(String(error));
  status = 1;
} finally {
  await board.stop();
}
process.exitCode = status;
