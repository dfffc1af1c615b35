import type { App } from "../app/app.ts";
import { boardLogin } from "../app/caller.ts";
import { longestSilence } from "../app/locks.ts";
import { cancelFile } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import interruptScript from "./interrupt.sh" with { type: "text" };
import type { Recorder } from "./transcript.ts";

/** When a deploy counts as long, in milliseconds. */
const long = 10_000;

/** A span for people: `45 s`, `3 min`. */
const shownSpan = (milliseconds: number) =>
  milliseconds < 60_000
    ? `${Math.round(milliseconds / 1000)} s`
    : `${Math.round(milliseconds / 60_000)} min`;

/**
 * A recorder that says every 30 seconds of silence what the deploy is at, and once, after ten
 * seconds, how to end it: git's client, or ssh without a terminal, ends without it. Whatever waits
 * sleeps, so that is where it looks.
 */
export function withProgress(recorder: Recorder, app: App): Recorder {
  const { host, transcript } = recorder;
  const began = host.ticks();
  const at = {
    step: "Deploying",
    since: began,
    size: 0,
    quietSince: began,
    told: host.isTerminal(0),
  };
  const say = (line: string) => {
    if (line.startsWith("-----> ")) Object.assign(at, { step: line.slice(7), since: host.ticks() });
    host.say(line);
  };
  // What has gone wrong is at its end.
  const sayError = (line: string) => {
    at.told = true;
    host.sayError(line);
  };
  const show = () => {
    recorder.show();
    const [now, size] = [host.ticks(), host.stat(transcript)?.size ?? 0];
    if (size !== at.size) Object.assign(at, { size, quietSince: now });
    if (!at.told && now - began >= long) {
      at.told = true;
      host.say(
        `       This goes on after Ctrl-C; to end it: ssh ${boardLogin(host)} deploy:cancel ${app.name}`,
      );
    }
    if (now - at.quietSince < longestSilence) return;
    at.quietSince = now;
    host.say(`       still at it: ${at.step} (${shownSpan(now - at.since)})`);
  };
  const sleep = (milliseconds: number) => {
    host.sleep(milliseconds);
    show();
  };
  return { ...recorder, host: { ...host, say, sayError, sleep }, show };
}

/**
 * From now on Ctrl-C on this terminal cancels the deploy instead of ending it halfway: a shell
 * beside it waits for the signal, since neither engine can be interrupted.
 */
export function cancelOnInterrupt(host: Host, app: App): void {
  if (!host.isTerminal(0)) return;
  const env = { ...host.env(), file: cancelFile(app), pid: String(host.pid) };
  const launch =
    'env --default-signal=INT true && { env --default-signal=INT sh -c "$0" </dev/null >/dev/null 2>&1 & }';
  if (host.capture(["sh", "-c", launch, interruptScript], { env }).status === 0)
    host.ignoreHangup();
}

/** A recorder that throws as soon as the deploy has been cancelled, whatever it is waiting for. */
export function cancellable(host: Host, app: App, recorder: Recorder): Recorder {
  // Left from before: it came too late for the deploy that it was meant for.
  host.remove(cancelFile(app));
  const show = () => {
    recorder.show();
    const cancelled = cancellation(host, app);
    if (cancelled) throw cancelled;
  };
  return { ...recorder, show };
}

/** Why the current deploy is to end, if somebody has asked for that. */
export function cancellation(host: Host, app: App): PikuError | undefined {
  const who = host.read(cancelFile(app));
  return who === undefined ? undefined : new PikuError(`the deploy was cancelled by ${who}`);
}
