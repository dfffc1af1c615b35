import { PikuError } from "../errors.ts";
import type { Runtime, Source, Step } from "./index.ts";

const manifest = "requirements.txt";

/** `python3`, or `python3.11` where the setting PYTHON_VERSION says `3.11`. */
function interpreter({ settings }: Source): string {
  const version = settings.PYTHON_VERSION || "3";
  if (!/^\d+(\.\d+)?$/.test(version)) {
    throw new PikuError(`PYTHON_VERSION is '${version}'`, "write it as 3 or 3.11");
  }
  return `python${version}`;
}

/** Files that pip may read: the manifest, and those beside it that it may name. */
const manifests = ({ names }: Source) =>
  names.filter((name) => name === manifest || /^(requirements|constraints)[\w.-]*\.txt$/.test(name));

/** Whether requirements lead to files that are not read here, or to folders of the app: they may change with any commit. */
function leadsElsewhere(text: string, known: readonly string[]): boolean {
  const named = [...text.matchAll(/^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)/gm)].map(([, file]) => file!);
  return (
    named.some((file) => !known.includes(file.replace(/^\.\//, ""))) ||
    /^\s*(-e\b|--editable\b|\.|\/)|\bfile:/m.test(text)
  );
}

/** Whether a list of requirements asks for anything. */
const asks = (text: string) => text.split("\n").some((line) => line.trim() !== "" && !line.trim().startsWith("#"));

/** Makes an empty virtual environment: with `venv`, or with `virtualenv` where that is what there is. */
function makeEnvironment(source: Source, environment: string): Step {
  const python = interpreter(source);
  const title = "Creating virtualenv";
  // Without anything to install pip is not needed, and leaving it out saves most of the time on a slow board.
  const bare = asks(source.read(manifest)) ? [] : ["--without-pip"];
  if (source.probe(python, "-c", bare.length ? "import venv" : "import venv, ensurepip")) {
    return { title, argv: [python, "-m", "venv", ...bare, environment] };
  }
  if (source.has("virtualenv")) return { title, argv: ["virtualenv", "--quiet", `--python=${python}`, environment] };
  throw new PikuError(`${python} cannot make a virtualenv`, "on the server: sudo apt install python3-venv");
}

/** Python with a requirements.txt, in a virtual environment of its own. */
export const python: Runtime = {
  name: "Python",
  needs: [["python3"]],
  remedy: "sudo apt install python3 python3-venv",
  detects: ({ names }) => names.includes(manifest),
  madeFrom(source) {
    const python = interpreter(source);
    if (!source.has(python))
      throw new PikuError(`${python} is not installed on the server`, "choose another PYTHON_VERSION, or install it");
    const files = manifests(source);
    const texts = files.map(source.read);
    const elsewhere = texts.some((text) => leadsElsewhere(text, files));
    return [source.ask(python, "-V"), ...texts, ...(elsewhere ? [source.commit] : [])];
  },
  settings: (environment) => ({
    PYTHONUNBUFFERED: "1",
    PYTHONIOENCODING: "UTF_8:replace",
    VIRTUAL_ENV: environment,
  }),
  install(source, environment) {
    const pip = [
      `${environment}/bin/python`,
      "-m",
      "pip",
      "install",
      "--disable-pip-version-check",
      "--no-input",
      "-r",
      manifest,
    ];
    const steps = [makeEnvironment(source, environment)];
    return asks(source.read(manifest)) ? [...steps, { title: "Running pip", argv: pip }] : steps;
  },
};
