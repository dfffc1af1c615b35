/** Releases for stories: signed as `npm run build` has signed what is in dist/, or otherwise. */
import fs from "node:fs";
import { signing, writeSums } from "../../release.ts";

/** The key that signed dist/; the executables there know its public half. */
export const signingKey = signing().file!;

/** The files of a release in a folder, with the sums of these and their signature. */
export function publish(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  { version = "9.9.9", key = signingKey }: { version?: string; key?: string } = {},
): string {
  fs.mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files))
    fs.writeFileSync(`${folder}/${name}`, content, { mode: 0o755 });
  writeSums(folder, Object.keys(files), key, version);
  return folder;
}

/** Signs anew what is in a folder, as a release of this source. */
export function sign(folder: string): void {
  const names = fs.readdirSync(folder).filter((name) => !name.startsWith("SHA256SUMS"));
  writeSums(folder, names, signingKey);
}
