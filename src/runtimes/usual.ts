import type { Settings } from "../app/env-file.ts";
import { runsOne } from "./manifest.ts";
import { frontControllerOf } from "./php.ts";
import type { Source } from "./runtime.ts";

/** Settings that apps of a sort expect from their host, below their own. */
interface Usual {
  counts(source: Source): boolean;
  settings(source: Source): Settings;
  /** Whether an app that was live without them gets them, too. */
  always?: true;
}

/** Whether an app, or a part of it, is written in Ruby: it may use the distribution's gems. */
const isRuby = (source: Source) =>
  ["Gemfile", "config.ru"].some((name) => source.names.includes(name)) ||
  "rwsgi" in source.workers ||
  runsOne(source, "ruby", "bundle", "rackup", "puma", "unicorn", "thin", "rails");

const toIndex = () => ({ NGINX_CATCH_ALL: "/index.php" });

const usual: readonly Usual[] = [
  {
    counts: isRuby,
    // Both in one environment, whichever the app says: some files of Rails read one, some the other.
    settings: ({ settings: { RACK_ENV, RAILS_ENV } }) => ({
      RACK_ENV: RAILS_ENV || "production",
      RAILS_ENV: RACK_ENV || "production",
      RAILS_LOG_TO_STDOUT: "enabled",
      RAILS_SERVE_STATIC_FILES: "enabled",
    }),
  },
  { counts: (source) => frontControllerOf(source) === "stated", settings: toIndex, always: true },
  { counts: (source) => frontControllerOf(source) === "likely", settings: toIndex },
];

/**
 * The settings that an app's usual host (Heroku, Apache) would give it. An app that is live without
 * some goes on without them: in another environment Rails has another database. `live`: the commit
 * that is live, and what its processes got.
 */
export function usualSettings(
  source: Source,
  live: () => { source: Source; settings: Settings } | undefined,
): Settings {
  const ranWithout = ({ counts, settings }: Usual) => {
    const before = live();
    return (
      before !== undefined &&
      counts(before.source) &&
      !Object.keys(settings(source)).some((name) => name in before.settings)
    );
  };
  const rows = usual.filter(
    (row) => row.counts(source) && (row.always === true || !ranWithout(row)),
  );
  return Object.assign({}, ...rows.map((row) => row.settings(source)));
}
