import { expect, test } from "bun:test";
import type { Commands } from "../../../src/commands/arguments.ts";
import { renderCommandHelp, renderHelp } from "../../../src/commands/help.ts";
import { commandsOf } from "../../../src/commands/index.ts";
import { memoryHost } from "../../host/memory.ts";

const commands: Commands = commandsOf(memoryHost());

test("the help page", () => {
  expect(renderHelp(commands, [], "piku 0.1.0 (linux-x64, bun 1.4.5)")).toMatchInlineSnapshot(`
    "piku 0.1.0 (linux-x64, bun 1.4.5): the smallest PaaS you've ever seen

    e.g.: git push piku@host:blog main
          ssh piku@host logs blog
          ssh piku@host config:set blog DEBUG=1
          ssh piku@host rollback blog

    Apps:
      apps              List apps; a '*' marks those that run
      destroy           Remove an app; its data stays
      logs              Show an app's last log lines and follow its logs
      maintenance:off   Open an app's site again
      maintenance:on    Have nginx show a page in an app's place, until maintenance:off
      ps                Show an app's processes: how many there are to be, and how each is; all apps unless one is named
      ps:restart        Restart an app's workers of one kind
      ps:scale          Set how many processes of a kind an app has
      restart           Restart an app; start it when it was stopped
      run               Run a command with an app's settings, in its folder
      stop              Stop an app until it is restarted or deployed

    Deploys:
      deploy            Deploy what was pushed last once more
      deploy:cancel     End the deploy of an app that is under way
      releases          List an app's releases, the newest first
      releases:output   Show what a release's deploy said, also of one that failed
      rollback          Go back to the release before, or to another one: its code and its settings

    Settings:
      config            Show an app's settings on the server
      config:export     Print an app's settings on the server, quoted as a shell reads them
      config:get        Print the value of one setting
      config:import     Set settings of an app from stdin: KEY='value' lines, or a JSON object of strings
      config:live       Show all settings that an app's processes get
      config:set        Set settings of an app and deploy it with them
      config:unset      Take settings of an app away and deploy it without them

    The board:
      backup            Write a backup of an app, or of the board, to stdout
      completion        Print what makes bash complete commands and apps; zsh takes it after bashcompinit
      doctor            Look for what is wrong with the board, and say what to do about it
      keys              List the keys that let people in: fingerprint, day added, apps, last day, name
      keys:add          Let a public key, from stdin, push and give commands
      keys:remove       Take a key away, by its name or its fingerprint
      restore           Restore a backup from stdin, or one app of it, and deploy
      setup             Make piku's folders and the files of the emperor and nginx; the original's keys and hooks become its own
      setup:ssh         Let a public key push and give commands (- for stdin)
      update            Put a new release of piku in the place of this one

    Internal:
      daily             INTERNAL: Renew certificates, and the list of Cloudflare's addresses
      git-hook          INTERNAL: Deploy what is being pushed
      git-receive-pack  INTERNAL: Handle git pushes for an app
      git-upload-pack   INTERNAL: Handle git fetches of an app
      recover           INTERNAL: Put every app right after a power cut
      retire            INTERNAL: End what an app's last deploy has replaced
      scp               INTERNAL: Copy files to and from the server
      sftp              INTERNAL: Serve scp and sftp
      web               INTERNAL: Make ready what nginx starts with, without the sites that it refuses

    \`help COMMAND\` or \`COMMAND --help\` shows an example of each."
  `);
});

test("the help of each command", () => {
  const all = Object.entries(commands)
    .map(([name, command]) => [name, renderCommandHelp(name, command)] as const)
    .filter(([, help]) => !help.includes("INTERNAL"))
    .map(([name, help]) => `$ piku ${name} --help\n${help}\n`);
  expect(all.join("\n")).toMatchInlineSnapshot(`
    "$ piku apps --help
    e.g.: piku apps

    List apps; a '*' marks those that run.

      [--json]  as one JSON text

    $ piku backup --help
    e.g.: ssh piku@host backup blog >blog.tar.gz

    Write a backup of an app, or of the board, to stdout.

      [app]       the app's name; the whole board unless given
      [--verify]  say whether a backup is whole: a file of the server's, or stdin

    $ piku completion --help
    e.g.: ssh piku@board completion >~/.piku-completion; echo . ~/.piku-completion >>~/.bashrc

    Print what makes bash complete commands and apps; zsh takes it after bashcompinit.

      [shell]  bash

    $ piku config --help
    e.g.: piku config blog

    Show an app's settings on the server.

      <app>       the app's name
      [--all]     all settings that it gets, and where each comes from; secrets masked
      [--reveal]  with --all: secrets too
      [--json]    as one JSON text

    $ piku config:export --help
    e.g.: piku config:export blog >settings.txt

    Print an app's settings on the server, quoted as a shell reads them.

      <app>     the app's name
      [--json]  as one JSON text

    $ piku config:get --help
    e.g.: piku config:get blog DEBUG

    Print the value of one setting.

      <app>      the app's name
      <setting>  the setting's name

    $ piku config:import --help
    e.g.: piku config:import blog <settings.txt

    Set settings of an app from stdin: KEY='value' lines, or a JSON object of strings.

      <app>           the app's name
      [--no-restart]  keep them for the next deploy or restart

    $ piku config:live --help
    e.g.: piku config:live blog

    Show all settings that an app's processes get.

      <app>  the app's name

    $ piku config:set --help
    e.g.: piku config:set blog DEBUG=1 GREETING='good morning'

    Set settings of an app and deploy it with them.

      <app>           the app's name
      [settings]      KEY=value, as many as you like
      [--no-restart]  keep them for the next deploy or restart
      [--global]      for all apps, in ~/.piku/ENV; without an app's name

    $ piku config:unset --help
    e.g.: piku config:unset blog DEBUG

    Take settings of an app away and deploy it without them.

      <app>       the app's name
      [settings]  names, as many as you like
      [--global]  for all apps, in ~/.piku/ENV; without an app's name

    $ piku deploy --help
    e.g.: piku deploy blog

    Deploy what was pushed last once more.

      <app>  the app's name

    $ piku deploy:cancel --help
    e.g.: piku deploy:cancel blog

    End the deploy of an app that is under way.

      <app>  the app's name

    $ piku destroy --help
    e.g.: piku destroy blog

    Remove an app; its data stays.

      <app>      the app's name
      [--force]  do not ask on a terminal

    $ piku doctor --help
    e.g.: piku doctor

    Look for what is wrong with the board, and say what to do about it.

      [--json]  as one JSON text

    $ piku keys --help
    e.g.: piku keys

    List the keys that let people in: fingerprint, day added, apps, last day, name.

      [--json]  as one JSON text

    $ piku keys:add --help
    e.g.: piku keys:add anna --apps blog,shop --until 2027-07-31 <anna.pub

    Let a public key, from stdin, push and give commands.

      <name>     whose key it is
      [--apps]   the only apps that it is for, with commas between them
      [--until]  the day on which it ends, such as 2027-07-31

    $ piku keys:remove --help
    e.g.: piku keys:remove anna

    Take a key away, by its name or its fingerprint.

      <key>      its name or its fingerprint
      [--force]  also the last one for all apps, or the one in use

    $ piku logs --help
    e.g.: piku logs blog web

    Show an app's last log lines and follow its logs.

      <app>          the app's name
      [process]      a kind of worker, or one of its processes such as web.1; all of them unless given
      [--lines]      so many of the last lines, of all logs together
      [--since]      what is no older than 90s, 15m, 1h, 2d
      [--no-follow]  end when that has been shown
      [--times]      with the time in front of each line
      [--nginx]      also what nginx wrote about its site, where NGINX_LOG is set
      [--deploys]    also what the app's deploys said

    $ piku maintenance:off --help
    e.g.: piku maintenance:off blog

    Open an app's site again.

      <app>  the app's name

    $ piku maintenance:on --help
    e.g.: piku maintenance:on blog --message 'We move house, back at noon.'

    Have nginx show a page in an app's place, until maintenance:off.

      <app>        the app's name
      [--message]  what the page says

    $ piku ps --help
    e.g.: piku ps blog

    Show an app's processes: how many there are to be, and how each is; all apps unless one is named.

      [app]     the app's name
      [--json]  as one JSON text

    $ piku ps:restart --help
    e.g.: piku ps:restart blog worker

    Restart an app's workers of one kind.

      <app>   the app's name
      <kind>  a kind of worker

    $ piku ps:scale --help
    e.g.: piku ps:scale blog web=2 worker=1

    Set how many processes of a kind an app has.

      <app>       the app's name
      <settings>  kind=count, as many as you like

    $ piku releases --help
    e.g.: piku releases blog

    List an app's releases, the newest first.

      <app>     the app's name
      [--json]  as one JSON text

    $ piku releases:output --help
    e.g.: piku releases:output blog 12

    Show what a release's deploy said, also of one that failed.

      <app>     the app's name
      <number>  a release's number

    $ piku restart --help
    e.g.: piku restart blog

    Restart an app; start it when it was stopped.

      <app>  the app's name

    $ piku restore --help
    e.g.: ssh piku@host restore <board.tar.gz

    Restore a backup from stdin, or one app of it, and deploy.

      [app]      the only app to restore; all that the backup has unless given
      [--force]  destroy the apps that are there, and their data

    $ piku rollback --help
    e.g.: piku rollback blog

    Go back to the release before, or to another one: its code and its settings.

      <app>     the app's name
      [number]  a release's number

    $ piku run --help
    e.g.: piku run blog -- python3 manage.py migrate

    Run a command with an app's settings, in its folder.

      <app>      the app's name
      <command>  what to run; its own flags go behind \`--\`

    $ piku setup --help
    e.g.: piku setup

    Make piku's folders and the files of the emperor and nginx; the original's keys and hooks become its own.

      [--undo]  take keys, hooks and the timer away again; apps stay

    $ piku setup:ssh --help
    e.g.: piku setup:ssh id_ed25519.pub

    Let a public key push and give commands (- for stdin).

      <file>  a file with public keys, or -

    $ piku stop --help
    e.g.: piku stop blog

    Stop an app until it is restarted or deployed.

      <app>  the app's name

    $ piku update --help
    e.g.: piku update --from https://example.com/piku

    Put a new release of piku in the place of this one.

      [--from]      a folder or a URL with SHA256SUMS and the executables; PIKU_RELEASES in ~/.piku/ENV unless given
      [--rollback]  back to the release that the last update replaced
    "
  `);
});

test.each(Object.keys(commands))("the help of %s begins with an example that names it", (name) => {
  const [example = "", blank, sentence = ""] = renderCommandHelp(name, commands[name]!).split("\n");
  expect([example.startsWith("e.g.: "), blank, sentence.endsWith(".")]).toEqual([true, "", true]);
  if (!["scp", "sftp"].includes(name)) expect(example).toContain(` ${name}`);
});

// The original's client script leaves out lines with this word.
test("what is internal says so, and comes last", () => {
  const internal = Object.entries(commands).map(([, { meta }]) =>
    /^INTERNAL: /.test((meta as { description: string }).description),
  );
  expect(internal.indexOf(true)).toBe(internal.lastIndexOf(false) + 1);
  const names = Object.keys(commands).filter((_, i) => internal[i]);
  expect(names).toEqual([
    "daily",
    "git-hook",
    "git-receive-pack",
    "git-upload-pack",
    "recover",
    "retire",
    "scp",
    "sftp",
    "web",
  ]);
});
