import type { App } from "../app/app.ts";
import type { Scaling } from "../app/procfile.ts";
import type { Release } from "../app/releases.ts";
import type { Commit } from "../repository/commit.ts";
import type { Choices } from "../repository/own.ts";

/** A deploy that is asked for. */
export interface DeployRequest {
  app: App;
  /** `push`, `config:set`, ...: what people call it. */
  cause: string;
  /**
   * What to make live. Called once the app's lock is held: only then it is certain what is live
   * now. Throws when there is nothing to deploy.
   */
  target(live: Release | undefined): Target;
}

/** What a deploy makes live. */
export interface Target {
  commit: Commit;
  branch?: string;
  /** The server-side ENV file as it is to be. */
  serverSettings: string;
  /** Whose version stays of files that the app and the commit have both changed. */
  choices?: Choices;
  /** The release that this goes back to. */
  back?: Release;
  /** Changes of the number of workers. */
  scaling?: Scaling;
  /** Names that were changed, for the record. */
  changed?: string[];
  /** The one kind whose workers are restarted; all others go on as they are. */
  only?: string;
  /** Whether preflight and the runtime's build run; scaling and restarting never do. */
  builds: boolean;
  /** Whether the Procfile's release runs; not for a commit that has been live before. */
  releases: boolean;
}
