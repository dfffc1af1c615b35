/**
 * What follows `start` in the first line that begins with it, to the end of that line; undefined
 * where there is none. A pattern with `^` takes QuickJS some 300 instructions for each character in
 * front of it, and files below /proc are read for every process.
 */
export function restOfLine(text: string, start: string): string | undefined {
  const at = text.startsWith(start) ? 0 : text.indexOf(`\n${start}`) + 1;
  if (at === 0 && !text.startsWith(start)) return undefined;
  const end = text.indexOf("\n", at + start.length);
  return text.slice(at + start.length, end < 0 ? text.length : end);
}
