import { PikuError } from "../text/errors.ts";

/**
 * Refuses a file of settings in UTF-16, as PowerShell's `>` writes it: every other byte is 0, and
 * its mark is not UTF-8. Throws with the name of the file.
 */
export function refuseWideText(content: string, file: string): void {
  if (/^(\ufffd|[^\n]?\0)/.test(content))
    throw new PikuError(
      `${file} is not UTF-8 text`,
      "save it as UTF-8; in PowerShell: Set-Content -Encoding utf8 ENV",
    );
}
