import fs from "node:fs";
import { type Board, ok } from "./board.ts";

/**
 * Writes down what `export` makes of every app that is live on a board, for tools that know the
 * schemas: `NAME.yaml` for kubernetes-validate, `NAME.compose.json`, and `NAME.Dockerfile`, which is
 * read from the whole image's files. For whoever changes the export: PIKU_EXPORTS=FOLDER.
 */
export function writeExports(board: Board, folder: string): void {
  fs.mkdirSync(folder, { recursive: true });
  const apps: { app: string; commit?: string }[] = JSON.parse(
    ok(board.ssh("apps", "--json")).stdout,
  );
  for (const { app } of apps.filter(({ commit }) => commit !== undefined)) {
    const file = `${folder}/${app}`;
    const image = `localhost/${app}:1`;
    const exported = board.ssh("export", app, "--kubernetes", image);
    // An app may be live that was never built: it was scaled to nothing, or its push has failed.
    if (exported.status !== 0) {
      fs.writeFileSync(`${file}.refused`, exported.output);
      continue;
    }
    fs.writeFileSync(`${file}.yaml`, exported.stdout);
    fs.writeFileSync(
      `${file}.compose.json`,
      ok(board.ssh("export", app, "--compose", image)).stdout,
    );
    const line = `ssh board export ${app} | tee >(tar -t >/dev/null) | tar -xO Dockerfile`;
    const { stdout } = ok(board.run(["bash", "-c", `set -o pipefail; ${line}`], { limit: 120 }));
    fs.writeFileSync(`${file}.Dockerfile`, stdout);
  }
}
