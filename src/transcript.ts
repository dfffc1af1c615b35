import type { Host } from "./host/host.ts";
import { paint } from "./voice.ts";

const farewell = 10_000;

/** Bytes of a transcript that are kept: half of them from its beginning, half from its end. */
export const largestTranscript = 10 * 1024 * 1024;
const half = largestTranscript / 2;

// While a build goes on printing, its transcript may have as much again as its end before the middle is taken out once more.
const slack = half;

// What is read goes on growing, so `tail` alone might never end. Where the disk is full the end is lost, but makes room.
const shortenScript = `
tail -c "+$((from + 1))" "$file" | head -c "$half" >"$file.end" || :
truncate -s "$begin" "$file" && { printf '%s\\n' "$note"; cat "$file.end"; } >>"$file"
rm -f "$file.end"
`;

/**
 * A host whose `say` and `complain` write to a transcript, from which the person at the other end is shown as much
 * as their connection takes: a deploy must not wait for a client that has gone or stopped reading. Whatever is
 * appended to the transcript by a build is shown too.
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
 * Begins a transcript. `errorsApart`: errors go to stderr, for those who read stdout; a hook's two are one pipe, which must
 * not be waited for.
 */
export function record(host: Host, transcript: string, errorsApart: boolean): Recorder {
  let shown = 0;
  let pending = "";
  let gone = false;
  let left = { begin: 0, bytes: 0, note: "" };
  const terminal = host.isTerminal(1);
  /**
   * Leaves out the middle of a transcript that has more than `most` bytes. Whoever writes into it opened it for appending, and
   * goes on behind what is left; what comes in between may be lost with the middle.
   */
  const shorten = (most: number) => {
    const size = host.stat(transcript)?.size ?? 0;
    if (size <= most) return;
    const begin = left.begin || host.readFrom(transcript, 0, false, half).offset;
    const from = size - half;
    const bytes = left.bytes + from - begin - left.note.length;
    const note = `\n-----> ${Math.round(bytes / 1024 / 1024)} MB are left out here.\n`;
    const facts = { file: transcript, half: String(half), begin: String(begin), from: String(from), note };
    host.capture(["sh", "-c", shortenScript], { env: { ...host.env(), ...facts } });
    if (shown > begin) shown = shown < from ? begin : begin + note.length + 1 + shown - from;
    left = { begin, bytes, note: `${note}\n` };
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
    shorten(largestTranscript + slack);
    if (gone) return;
    // Somebody who reads slowly must not make us hold all that there is to read.
    while (send()) {
      shorten(largestTranscript + slack);
      const { text, offset } = host.readFrom(transcript, shown, whole);
      if (text === "") return;
      shown = offset;
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
    host: { ...host, say: write, complain, isTerminal: (descriptor) => descriptor === 0 && host.isTerminal(0) },
    show,
    finish() {
      shorten(largestTranscript + left.note.length);
      show(true);
      for (let waited = 0; pending !== "" && !gone && waited < farewell; ) {
        const before = pending.length;
        host.sleep(50);
        show(true);
        waited = pending.length < before ? 0 : waited + 50;
      }
    },
  };
}

/** How much of a text was taken; -1 also where the terminal is gone. */
function offer(host: Host, text: string): number {
  try {
    return host.offer(text);
  } catch {
    return -1;
  }
}
