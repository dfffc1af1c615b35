import { type KeyLine, keysFile, parseKeyLines } from "../../app/authorized-keys.ts";
import { type Check, findings, when } from "./check.ts";

/** Whether every key of authorized_keys that leads to piku does so wherever it stands. */
export const loginKeys: Check = (host) => {
  const file = keysFile(host);
  const plain = plainCopies(host.read(file) ?? "");
  const [lines, have, them] =
    plain.length > 1 ? ["lines", "have", "those lines"] : ["line", "has", "that line"];
  return findings(
    "no plain key stands before its restricted copy",
    when(
      plain.length > 0,
      `${lines} ${plain.join(", ")} of ${file} ${have} a key without a command, before the line that leads to piku`,
      // One command: without a line, those below have other numbers.
      `remove ${them}: sed -i '${plain.map((line) => `${line}d`).join(";")}' ${file}`,
    ),
  );
};

/**
 * Numbers of the lines of authorized_keys that have a key without a command, while a later one has
 * it with piku's: sshd takes the first.
 */
function plainCopies(text: string): number[] {
  const lines = parseKeyLines(text);
  const isCopy = ({ blob, at, hasForcedCommand }: KeyLine) =>
    !hasForcedCommand &&
    lines.some((other) => other.blob === blob && other.hasForcedCommand && other.at > at);
  return lines.filter(isCopy).map(({ at }) => at + 1);
}
