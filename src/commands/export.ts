import { findApp } from "../app/app.ts";
import { composeFile } from "../board/export/compose.ts";
import { writeContext } from "../board/export/context.ts";
import { surveyExport } from "../board/export/exported.ts";
import { surveyImage } from "../board/export/image.ts";
import { kubernetesObjects } from "../board/export/kubernetes.ts";
import { unmatchedIn } from "../board/export/unmatched.ts";
import { usageError } from "../text/errors.ts";
import { appArg, command } from "./command.ts";

const image = (description: string) =>
  ({ type: "string", valueHint: "image", pattern: /^[\w./:@-]+$/, description }) as const;

export const exportApp = command({
  name: "export",
  group: "Apps",
  description: "Write an app for another engine to stdout",
  details:
    "Without options: a tar from which `docker build -` or `podman build -` makes an image of what is live. The app's data stays; `backup` has it.",
  examples: [
    "ssh piku@board export blog >blog.tar",
    "ssh piku@board export blog --kubernetes registry/blog:7 >blog.yaml",
    "ssh piku@board export blog --compose registry/blog:7 >blog.json",
  ],
  args: {
    app: appArg,
    kubernetes: image("the objects of Kubernetes instead, for this image of the app"),
    compose: image("a file of Docker Compose instead, for this image of the app"),
    "from-source": {
      type: "boolean",
      description: "the image makes all of it from the source: for another processor",
    },
  },
  run({ args, host }) {
    const app = findApp(host, args.app);
    if (args.kubernetes !== undefined && args.compose !== undefined)
      throw usageError("--kubernetes and --compose are two files", "export it twice");
    const exported = surveyExport(host, app);
    const { kubernetes, compose } = args;
    const isImage = kubernetes === undefined && compose === undefined;
    if (isImage && host.isTerminal(1))
      throw usageError(
        "a tar is binary and does not go to a terminal",
        `send it to a builder: ssh piku@board export ${app.name} | docker build -t ${app.name} -`,
      );
    const notes = unmatchedIn(exported, compose === undefined ? "" : "compose");
    for (const note of isImage ? [] : notes) host.sayError(`Note: ${note}`);
    if (kubernetes !== undefined)
      for (const one of kubernetesObjects(exported, kubernetes))
        host.say(`---\n${JSON.stringify(one, null, 2)}`);
    else if (compose !== undefined)
      host.say(JSON.stringify(composeFile(exported, compose), null, 2));
    else {
      const made = surveyImage(host, exported);
      for (const tool of made.missing)
        host.sayError(
          `Warning: '${tool}' is from no package of this board; add it to the Dockerfile in the tar`,
        );
      writeContext(host, exported, made, args["from-source"] === true);
    }
  },
});
