import type { Host } from "../host/host.ts";
import { paint } from "../text/output.ts";
import shortenScript from "./shorten.sh" with { type: "text" };

const farewell = 10_000;

/** Bytes of a transcript that are kept: half of them from its beginning, half from its end. */
const largestTranscript = 10 * 1024 * 1024;
const half = largestTranscript / 2;

// How much the middle has to grow before its room is given back again.
const step = half;

const mostAtOnce = 256 * 1024;

const leftOut = (bytes: number) =>
  `-----> ${Math.round(bytes / 1024 / 1024)} MB are left out here.`;

/**
 * A host whose `say` and `complain` write to a transcript, from which the person at the other end
 * is shown as much as their connection takes: a deploy must not wait for a client that has gone or
 * stopped reading. Whatever is appended to the transcript by a build is shown too.
 */
export interface Recorder {
  host: Host;
  /** The transcript's file. */
  transcript: string;
  /** Shows what has been added. */
  show(): void;
  /** Shows the rest; gives up on somebody who reads nothing for 10 seconds. */
  finish(): void;
}

/**
 * Begins a transcript. `errorsApart`: errors go to stderr, for those who read stdout; a hook's two
 * are one pipe, which must not be waited for.
 */
export function record(host: Host, transcript: string, errorsApart: boolean): Recorder {
  let shown = 0;
  let pending = "";
  let gone = false;
  /** What is left out: from byte to byte. */
  const middle = { begin: Number.POSITIVE_INFINITY, end: 0 };
  const terminal = host.isTerminal(1);
  /**
   * Gives the room of the middle of a transcript that has become too long back to the disk. Its
   * bytes become a hole, so that whoever writes at the end need not know of it, and nothing of the
   * end is lost.
   */
  const punch = () => {
    const end = (host.stat(transcript)?.size ?? 0) - half;
    if (end - Math.max(middle.end, half) < step) return;
    if (middle.end === 0) middle.begin = host.readFrom(transcript, 0, false, half).offset;
    middle.end = end;
    const place = ["--offset", String(middle.begin), "--length", String(end - middle.begin)];
    host.capture(["fallocate", "--punch-hole", ...place, transcript]);
  };
  /** Takes the middle out for good, once nobody writes any more. */
  const shorten = () => {
    const size = host.stat(transcript)?.size ?? 0;
    if (size <= largestTranscript) return;
    const begin = middle.end > 0 ? middle.begin : host.readFrom(transcript, 0, false, half).offset;
    const note = leftOut(size - half - begin);
    const facts = { file: transcript, begin: String(begin), half: String(half), note };
    host.capture(["sh", "-c", shortenScript], { env: { ...host.env(), ...facts } });
  };
  /** What is to be shown next, at most so much of it as lies before the middle. */
  const read = (whole: boolean): string => {
    if (shown >= middle.begin && shown < middle.end) {
      const skipped = middle.end - shown;
      shown = middle.end;
      return `\n${leftOut(skipped)}\n\n`;
    }
    const most = shown < middle.begin ? Math.min(mostAtOnce, middle.begin - shown) : mostAtOnce;
    const { text, offset } = host.readFrom(transcript, shown, whole, most);
    shown = offset;
    return text;
  };
  /** Sends what is pending; whether all of it went. */
  const send = (): boolean => {
    while (pending !== "" && !gone) {
      const taken = offer(host, pending);
      if (taken < 0) gone = true;
      if (taken <= 0) return false;
      pending = pending.slice(taken);
    }
    return !gone;
  };
  const show = (whole = false) => {
    punch();
    if (gone) return;
    // Somebody who reads slowly must not make us hold all that there is to read.
    while (send()) {
      punch();
      const text = read(whole);
      if (text === "") return;
      pending = terminal ? text.split("\n").map(paint).join("\n") : text;
    }
  };
  const write = (line: string) => {
    try {
      host.append(transcript, `${line}\n`);
    } catch {
      // A full disk is no reason to keep quiet about it.
      pending += `${line}\n`;
    }
    show();
  };
  const complain = (line: string) => {
    show();
    if (!errorsApart || pending !== "" || gone) return write(line);
    host.append(transcript, `${line}\n`);
    shown = host.readFrom(transcript, shown).offset;
    host.complain(host.isTerminal(2) ? paint(line) : line);
  };
  return {
    transcript,
    host: {
      ...host,
      say: write,
      complain,
      isTerminal: (descriptor) => descriptor === 0 && host.isTerminal(0),
    },
    show,
    finish() {
      show(true);
      for (let waited = 0; pending !== "" && !gone && waited < farewell; ) {
        const before = pending.length;
        host.sleep(50);
        show(true);
        waited = pending.length < before ? 0 : waited + 50;
      }
      shorten();
    },
  };
}

/** How much of a text was taken; -1 also where the terminal is gone. */
function offer(host: Host, text: string): number {
  try {
    return host.writeNonBlocking(text);
  } catch {
    return -1;
  }
}
