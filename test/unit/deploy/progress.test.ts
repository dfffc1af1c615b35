import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { withProgress } from "../../../src/deploy/progress.ts";
import { memoryHost } from "../../host/memory.ts";

/**
 * A deploy that says what it begins, then is shown this many seconds without another word; or only
 * sleeps, as whatever waits for requests, locks or certificates does.
 */
function silent(seconds: number, terminal = false, shows = true): string[] {
  const host = memoryHost({
    env: { SSH_CONNECTION: "10.0.0.2 5 10.0.0.9 22", USER: "piku", HOME: "/home/piku" },
  });
  host.isTerminal = () => terminal;
  const transcript = "/1.log";
  const recorder = { host, transcript, show() {}, finish() {} };
  const { host: speaking, show } = withProgress(recorder, appOf(pathsOf(host), "blog"));
  speaking.say("-----> Installing with pip for 'blog'");
  for (let second = 0; second < seconds; second++) {
    if (shows) {
      host.sleep(1000);
      show();
    } else speaking.sleep(1000);
  }
  return host.said.slice(1);
}

const goesOn = "       This goes on after Ctrl-C; to end it: ssh piku@10.0.0.9 deploy:cancel blog";
const still = (span: string) => `       still at it: Installing with pip for 'blog' (${span})`;

test.each([
  [9, false, []],
  [11, false, [goesOn]],
  [95, false, [goesOn, still("30 s"), still("1 min"), still("2 min")]],
  [31, true, [still("30 s")]],
] as const)("%d seconds of silence, on a terminal: %p", (seconds, terminal, lines) => {
  expect(silent(seconds, terminal)).toEqual([...lines]);
  expect(silent(seconds, terminal, false)).toEqual([...lines]);
});
