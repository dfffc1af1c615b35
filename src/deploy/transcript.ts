import type { Host } from "../host/host.ts";
import { paint } from "../text/output.ts";

const farewell = 10_000;

/** Bytes of a transcript that are kept: half of them from its beginning, half from its end. */
const largestTranscript = 10 * 1024 * 1024;
const half = largestTranscript / 2;

// How much the middle has to grow before its room is given back again.
const step = half;

const shortenScript = `
umask 077
{ head -c "$begin" "$file"; printf '\\n%s\\n\\n' "$note"; tail -c "$half" "$file"; } >"$file.new" && mv "$file.new" "$file"
rm -f "$file.new"
`;

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

/** How far a transcript has been shown. */
interface Progress {
  /** Bytes that have been read to be shown. */
  shown: number;
  /** What has been read and not been taken yet. */
  pending: string;
  /** Whether nobody reads any more. */
  gone: boolean;
  /** What is left out: from byte to byte. */
  middle: { begin: number; end: number };
}

/**
 * Begins a transcript. `errorsApart`: errors go to stderr, for those who read stdout; a hook's two
 * are one pipe, which must not be waited for.
 */
export function record(host: Host, transcript: string, errorsApart: boolean): Recorder {
  const progress: Progress = {
    shown: 0,
    pending: "",
    gone: false,
    middle: { begin: Number.POSITIVE_INFINITY, end: 0 },
  };
  const show = (whole = false) => showMore(host, transcript, progress, whole);
  const write = (line: string) => {
    try {
      host.append(transcript, `${line}\n`);
    } catch {
      // A full disk is no reason to keep quiet about it.
      progress.pending += `${line}\n`;
    }
    show();
  };
  const complain = (line: string) => {
    show();
    if (!errorsApart || progress.pending !== "" || progress.gone) return write(line);
    host.append(transcript, `${line}\n`);
    progress.shown = host.readFrom(transcript, progress.shown).offset;
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
      showRest(host, transcript, progress);
      shorten(host, transcript, progress);
    },
  };
}

/** Shows what has been added, as far as it is taken. `whole`: also a last line without an end. */
function showMore(host: Host, transcript: string, progress: Progress, whole: boolean): void {
  punch(host, transcript, progress);
  // Somebody who reads slowly must not make us hold all that there is to read.
  while (!progress.gone && send(host, progress)) {
    punch(host, transcript, progress);
    const text = readNext(host, transcript, progress, whole);
    if (text === "") return;
    progress.pending = host.isTerminal(1) ? text.split("\n").map(paint).join("\n") : text;
  }
}

/** Shows all that is left, as long as some of it is taken every ten seconds. */
function showRest(host: Host, transcript: string, progress: Progress): void {
  showMore(host, transcript, progress, true);
  for (let waited = 0; progress.pending !== "" && !progress.gone && waited < farewell; ) {
    const before = progress.pending.length;
    host.sleep(50);
    showMore(host, transcript, progress, true);
    waited = progress.pending.length < before ? 0 : waited + 50;
  }
}

/** Sends what is pending; whether all of it went. */
function send(host: Host, progress: Progress): boolean {
  while (progress.pending !== "" && !progress.gone) {
    const taken = offer(host, progress.pending);
    if (taken < 0) progress.gone = true;
    if (taken <= 0) return false;
    progress.pending = progress.pending.slice(taken);
  }
  return !progress.gone;
}

/** What is to be shown next, at most so much of it as lies before the middle. */
function readNext(host: Host, transcript: string, progress: Progress, whole: boolean): string {
  const { shown, middle } = progress;
  if (shown >= middle.begin && shown < middle.end) {
    progress.shown = middle.end;
    return `\n${leftOut(middle.end - shown)}\n\n`;
  }
  const most = shown < middle.begin ? Math.min(mostAtOnce, middle.begin - shown) : mostAtOnce;
  const { text, offset } = host.readFrom(transcript, shown, whole, most);
  progress.shown = offset;
  return text;
}

/**
 * Gives the room of the middle of a transcript that has become too long back to the disk. Its bytes
 * become a hole, so that whoever writes at the end need not know of it, and nothing of the end is
 * lost.
 */
function punch(host: Host, transcript: string, { middle }: Progress): void {
  const end = (host.stat(transcript)?.size ?? 0) - half;
  if (end - Math.max(middle.end, half) < step) return;
  if (middle.end === 0) middle.begin = host.readFrom(transcript, 0, false, half).offset;
  middle.end = end;
  const place = ["--offset", String(middle.begin), "--length", String(end - middle.begin)];
  host.capture(["fallocate", "--punch-hole", ...place, transcript]);
}

/** Takes the middle out for good, once nobody writes any more. */
function shorten(host: Host, transcript: string, { middle }: Progress): void {
  const size = host.stat(transcript)?.size ?? 0;
  if (size <= largestTranscript) return;
  const begin = middle.end > 0 ? middle.begin : host.readFrom(transcript, 0, false, half).offset;
  const note = leftOut(size - half - begin);
  const facts = { file: transcript, begin: String(begin), half: String(half), note };
  host.capture(["sh", "-c", shortenScript], { env: { ...host.env(), ...facts } });
}

/** How much of a text was taken; -1 also where the terminal is gone. */
function offer(host: Host, text: string): number {
  try {
    return host.offer(text);
  } catch {
    return -1;
  }
}
