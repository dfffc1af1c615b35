import type { Host } from "../host/host.ts";
import { hasColours, paint } from "../text/output.ts";
import shortenScript from "./shorten.sh" with { type: "text" };

const readerTimeout = 10_000;

/** How many bytes of a transcript are kept: half from its beginning, half from its end. */
const maxTranscriptBytes = 10 * 1024 * 1024;
const half = maxTranscriptBytes / 2;

// How much the middle must grow before its disk space is freed again.
const freeingStep = half;

const maxChunkBytes = 256 * 1024;

const leftOut = (bytes: number) =>
  `-----> ${Math.round(bytes / 1024 / 1024)} MB are left out here.`;

/**
 * A host whose `say` and `sayError` write to a transcript. The caller is shown the transcript as
 * fast as they read it: a deploy must not wait for a client that is gone or has stopped reading.
 * Whatever a build appends to the transcript is shown too.
 */
export interface Recorder {
  host: Host;
  /** The transcript's file. */
  transcript: string;
  /** Shows what has been added. */
  show(): void;
  /** Shows the rest; gives up when nothing is read for 10 seconds. */
  finish(): void;
}

/** How far a transcript has been shown. */
interface Progress {
  /** Bytes that have been read to be shown. */
  shown: number;
  /** What has been read and could not be written yet. */
  pending: string;
  /** Whether the reader is gone. */
  gone: boolean;
  /** The part that is left out, in bytes. */
  middle: { begin: number; end: number };
}

/**
 * Begins a transcript. `errorsApart`: errors go to stderr as well as to the transcript; for a git
 * hook both are one pipe, which may block.
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
      // The disk may be full: say it nevertheless.
      progress.pending += `${line}\n`;
    }
    show();
  };
  const complain = (line: string) => {
    show();
    if (!errorsApart || progress.pending !== "" || progress.gone) return write(line);
    host.append(transcript, `${line}\n`);
    progress.shown = host.readFrom(transcript, progress.shown).offset;
    host.sayError(hasColours(host, 2) ? paint(line) : line);
  };
  return {
    transcript,
    host: {
      ...host,
      say: write,
      sayError: complain,
      isTerminal: (descriptor) => descriptor === 0 && host.isTerminal(0),
    },
    show,
    finish() {
      showRest(host, transcript, progress);
      shorten(host, transcript, progress);
    },
  };
}

/**
 * Shows what has been added, as much as can be written without waiting. `whole`: including a last
 * line without a newline.
 */
function showMore(host: Host, transcript: string, progress: Progress, whole: boolean): void {
  punch(host, transcript, progress);
  // A slow reader must not make us hold everything in memory.
  while (!progress.gone && sendPending(host, progress)) {
    punch(host, transcript, progress);
    const text = readNext(host, transcript, progress, whole);
    if (text === "") return;
    progress.pending = hasColours(host, 1) ? text.split("\n").map(paint).join("\n") : text;
  }
}

/** Shows all that is left, as long as something is read every ten seconds. */
function showRest(host: Host, transcript: string, progress: Progress): void {
  showMore(host, transcript, progress, true);
  for (let waited = 0; progress.pending !== "" && !progress.gone && waited < readerTimeout; ) {
    const before = progress.pending.length;
    host.sleep(50);
    showMore(host, transcript, progress, true);
    waited = progress.pending.length < before ? 0 : waited + 50;
  }
}

/** Writes what is pending. Returns whether all of it was written. */
function sendPending(host: Host, progress: Progress): boolean {
  while (progress.pending !== "" && !progress.gone) {
    const taken = offer(host, progress.pending);
    if (taken < 0) progress.gone = true;
    if (taken <= 0) return false;
    progress.pending = progress.pending.slice(taken);
  }
  return !progress.gone;
}

/** Reads what is to be shown next, at most up to the part that is left out. */
function readNext(host: Host, transcript: string, progress: Progress, whole: boolean): string {
  const { shown, middle } = progress;
  if (shown >= middle.begin && shown < middle.end) {
    progress.shown = middle.end;
    return `\n${leftOut(middle.end - shown)}\n\n`;
  }
  const most = shown < middle.begin ? Math.min(maxChunkBytes, middle.begin - shown) : maxChunkBytes;
  const { text, offset } = host.readFrom(transcript, shown, whole, most);
  progress.shown = offset;
  return text;
}

/**
 * Frees the disk space of the middle of a transcript that has become too long. Its bytes become a
 * hole in the file, so that whoever appends to it is not disturbed.
 */
function punch(host: Host, transcript: string, { middle }: Progress): void {
  const end = (host.stat(transcript)?.size ?? 0) - half;
  if (end - Math.max(middle.end, half) < freeingStep) return;
  if (middle.end === 0) middle.begin = host.readFrom(transcript, 0, false, half).offset;
  middle.end = end;
  const place = ["--offset", String(middle.begin), "--length", String(end - middle.begin)];
  host.capture(["fallocate", "--punch-hole", ...place, transcript]);
}

/** Removes the middle for good, once nobody appends any more. */
function shorten(host: Host, transcript: string, { middle }: Progress): void {
  const size = host.stat(transcript)?.size ?? 0;
  if (size <= maxTranscriptBytes) return;
  const begin = middle.end > 0 ? middle.begin : host.readFrom(transcript, 0, false, half).offset;
  const note = leftOut(size - half - begin);
  const facts = { file: transcript, begin: String(begin), half: String(half), note };
  host.capture(["sh", "-c", shortenScript], { env: { ...host.env(), ...facts } });
}

/**
 * Writes without waiting. Returns how much was written; -1 when the reader or the terminal is gone.
 */
function offer(host: Host, text: string): number {
  try {
    return host.writeNonBlocking(text);
  } catch {
    return -1;
  }
}
