import type { Host } from "../host/host.ts";
import type { App } from "./app.ts";
import { parseServerSettings, type Settings } from "./env-file.ts";
import { parseScaling, type Scaling } from "./procfile.ts";

/**
 * How a file is read: a file that cannot be read is an error, unless the reader is `readOfAny`, for
 * a look at apps other than the one that a command is about.
 */
type Reader = (host: Host, path: string) => string;
const strict: Reader = (host, path) => host.read(path) ?? "";

/** The settings that an app's processes got (LIVE_ENV); none of an app that was never deployed. */
export const liveSettings = (host: Host, { envs }: Pick<App, "envs">, read = strict): Settings =>
  parseServerSettings(read(host, `${envs}/LIVE_ENV`));

/** How many processes of each kind an app is to have (SCALING). */
export const readScaling = (host: Host, { envs }: Pick<App, "envs">, read = strict): Scaling =>
  parseScaling(read(host, `${envs}/SCALING`));
