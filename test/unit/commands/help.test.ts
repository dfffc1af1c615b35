import { expect, test } from "bun:test";
import type { Command } from "../../../src/commands/command.ts";
import { renderCommandHelp, renderHelp } from "../../../src/commands/help.ts";
import { everyCommand } from "../../../src/commands/index.ts";

const commands = await everyCommand();

const isInternal = ({ group }: Command) => group === "Internal";
const version = "piku 0.1.0 (linux-x64, bun 1.4.5)";

test("the help page", () => {
  expect(renderHelp(commands, [], version)).toMatchInlineSnapshot(`
    "piku 0.1.0 (linux-x64, bun 1.4.5): the smallest PaaS you've ever seen

    e.g.: git push piku@board:blog main
          ssh piku@board logs blog
          ssh piku@board config:set blog DEBUG=1
          ssh piku@board rollback blog

    Apps:
      apps             List apps; a '*' marks those that run
      destroy          Remove an app; its data stays
      export           Write an app for another engine to stdout
      logs             Show an app's last log lines and follow its logs
      maintenance:off  Open an app's site again
      maintenance:on   Close an app's site: visitors see a maintenance page
      ps               Show the processes of an app, or of all apps
      ps:restart       Restart an app's workers of one kind
      ps:scale         Set how many processes of a kind an app has
      restart          Restart an app, or start it when it is stopped
      run              Run a command with an app's settings, in its directory
      stop             Stop an app until it is restarted or deployed

    Deploys:
      branches         List the branches that were pushed; * marks the live one
      deploy           Deploy the last push again, or another branch
      deploy:cancel    Cancel an app's deploy; what was live stays live
      releases         List an app's releases, newest first
      releases:output  Show what a deploy printed, even if it failed
      rollback         Go back to an earlier release: its code and its settings

    Settings:
      config           Show an app's settings on the server
      config:export    Print an app's settings on the server, quoted for a shell
      config:get       Print the value of one setting
      config:import    Set settings from stdin: lines as in ENV, or JSON
      config:live      Show all settings that an app's processes get
      config:set       Set settings of an app and deploy it with them
      config:unset     Remove settings of an app and deploy it without them

    The board:
      backup           Write a backup of an app, or of the board, to stdout
      completion       Print a script that completes commands in a shell
      doctor           Check the board and suggest fixes
      help             List all commands, or explain one
      keys             List the keys that may push and give commands
      keys:add         Add a public key from stdin, for all apps or some
      keys:remove      Remove a key by its name or its fingerprint
      restore          Restore a backup from stdin, or one app of it, and deploy
      setup            Create ~/.piku; take over keys and hooks of piku.py
      setup:ssh        Add public keys of a file on the board, or of stdin (-)
      update           Update piku, or go back to the release before
      --version        Show piku's version, its target and its engine

    \`help COMMAND\` or \`COMMAND --help\` shows an example of each.
    \`--no-color\` behind any of them leaves colours out."
  `);
});

test("the help page with internal commands", () => {
  const page = renderHelp(commands, [], version, true);
  expect(page.slice(page.indexOf("Internal:"))).toMatchInlineSnapshot(`
    "Internal:
      daily             INTERNAL: Renew certificates, rotate logs, tidy up
      git-hook          INTERNAL: Deploy a push; its pre-receive hook calls this
      git-receive-pack  INTERNAL: Handle git pushes for an app
      git-upload-pack   INTERNAL: Handle git fetches of an app
      recover           INTERNAL: Repair every app after a power cut
      retire            INTERNAL: End what an app's last deploy has replaced
      scp               INTERNAL: Copy files to and from the server
      sftp              INTERNAL: Serve scp and sftp
      web               INTERNAL: Prepare nginx's start, without refused sites

    \`help COMMAND\` or \`COMMAND --help\` shows an example of each.
    \`--no-color\` behind any of them leaves colours out."
  `);
});

// The original's client script leaves out lines with this word.
test("the line of each internal command says so", () => {
  const lines = renderHelp(commands, [], version, true).split("\n");
  for (const one of commands) {
    const line = lines.find((line) => line.startsWith(`  ${one.name} `)) ?? "";
    expect([one.name, line.includes("INTERNAL")]).toEqual([one.name, isInternal(one)]);
  }
});

test("the help page with plugins: a longer name moves no column", () => {
  const plugins = ["dns", "a-name-that-is-longer-than-any"].map((name) => ({
    name,
    file: `/p/plugins/${name}`,
    description: "Point a name at an app",
  }));
  const page = renderHelp(commands, plugins, version);
  expect(page.slice(page.indexOf("Plugins:"))).toMatchInlineSnapshot(`
    "Plugins:
      dns              Point a name at an app
      a-name-that-is-longer-than-any  Point a name at an app

    \`help COMMAND\` or \`COMMAND --help\` shows an example of each.
    \`--no-color\` behind any of them leaves colours out."
  `);
});

test("the help of each command", () => {
  const all = commands
    .filter((one) => !isInternal(one))
    .map((one) => `$ piku ${one.name} --help\n${renderCommandHelp(one)}\n`);
  expect(all.join("\n")).toMatchInlineSnapshot(`
    "$ piku apps --help
    e.g.: ssh piku@board apps
          ssh -t piku@board apps

    List apps; a '*' marks those that run. On a terminal it also shows each app's
    release, commit, age, processes and address.

    usage: apps [options]

      --json  print JSON

    $ piku destroy --help
    e.g.: ssh piku@board destroy blog
          ssh piku@board destroy --undo blog

    Remove an app; its data stays. On a terminal it asks for the app's name first.
    For a day, --undo brings back all of the app: it is kept aside as long as the
    disk has room for it.

    usage: destroy <app> [options]

      <app>    the app's name
      --force  do not ask for the app's name on a terminal
      --undo   bring back an app that was destroyed within a day
      --purge  keep nothing to undo it; of a destroyed app: remove what is kept

    $ piku export --help
    e.g.: ssh piku@board export blog >blog.tar
          ssh piku@board export blog --kubernetes registry/blog:7 >blog.yaml
          ssh piku@board export blog --compose registry/blog:7 >blog.json

    Write an app for another engine to stdout. Without options: a tar from which
    \`docker build -\` or \`podman build -\` makes an image of what is live. The app's
    data stays; \`backup\` has it.

    usage: export <app> [options]

      <app>               the app's name
      --kubernetes image  the objects of Kubernetes instead, for this image of the
                          app
      --compose image     a file of Docker Compose instead, for this image of the
                          app
      --from-source       the image makes all of it from the source: for another
                          processor

    $ piku logs --help
    e.g.: ssh piku@board logs blog
          ssh piku@board logs blog web -n 5
          ssh piku@board logs blog --since 1h --no-follow

    Show an app's last log lines and follow its logs. Without --lines or --since
    these are the last 20 lines of each process, in the order of their times.

    usage: logs <app> [process] [options]

      <app>                       the app's name
      [process]                   a kind of worker, or one process such as web.1;
                                  all of them unless given
      -n, --lines, --tail NUMBER  show this many of the last lines, of all logs
                                  together
      --since AGE                 show lines at most this old: 90s, 15m, 1h, 2d
      --no-follow                 end once the last lines have been shown
      -t, --times                 show each line's time in front of it
      --all, --raw                also show what uWSGI says of itself
      --nginx                     also show what nginx logs about the app's site, if
                                  NGINX_LOG is set
      --deploys                   also show what the app's deploys printed

    $ piku maintenance:off --help
    e.g.: ssh piku@board maintenance:off blog

    Open an app's site again.

    usage: maintenance:off <app>

      <app>  the app's name

    $ piku maintenance:on --help
    e.g.: ssh piku@board maintenance:on blog
          ssh piku@board maintenance:on blog --message "'Back at noon.'"

    Close an app's site: visitors see a maintenance page. The page is sent with
    status 503, and stays over deploys. Without a message it is the app's own
    503.html, if there is one.

    usage: maintenance:on <app> [options]

      <app>           the app's name
      --message TEXT  what the page says

    $ piku ps --help
    e.g.: ssh piku@board ps blog
          ssh piku@board ps

    Show the processes of an app, or of all apps. First how many there are to be of
    each kind; then each process: up and since when, asleep (\`PIKU_IDLE\`) or down,
    restarts since its release, memory, CPU time and port.

    usage: ps [app] [options]

      [app]   the app's name; all apps unless given
      --json  print JSON

    $ piku ps:restart --help
    e.g.: ssh piku@board ps:restart blog worker

    Restart an app's workers of one kind. All others keep running.

    usage: ps:restart <app> <kind>

      <app>   the app's name
      <kind>  a kind of worker, such as web

    $ piku ps:scale --help
    e.g.: ssh piku@board ps:scale blog web=2 worker=1

    Set how many processes of a kind an app has. This also works before an app's
    first push.

    usage: ps:scale <app> <settings...>

      <app>          the app's name
      <settings...>  KIND=COUNT, one or more; 0 stops a kind

    $ piku restart --help
    e.g.: ssh piku@board restart blog

    Restart an app, or start it when it is stopped.

    usage: restart <app>

      <app>  the app's name

    $ piku run --help
    e.g.: ssh piku@board run blog -- python3 manage.py migrate
          ssh -t piku@board run blog bash

    Run a command with an app's settings, in its directory. Its exit status is the
    command's; input and output pass through unchanged. With \`ssh -t\` it has the
    terminal.

    usage: run <app> <command...>

      <app>         the app's name
      <command...>  what to run, as a shell reads it; may follow \`--\`

    $ piku stop --help
    e.g.: ssh piku@board stop blog

    Stop an app until it is restarted or deployed. Until then visitors see a page
    that says so.

    usage: stop <app>

      <app>  the app's name

    $ piku branches --help
    e.g.: ssh piku@board branches blog

    List the branches that were pushed; * marks the live one. The 100 that were
    committed to last. \`deploy APP BRANCH\` deploys one.

    usage: branches <app>

      <app>  the app's name

    $ piku deploy --help
    e.g.: ssh piku@board deploy blog
          ssh piku@board deploy blog main

    Deploy the last push again, or another branch.

    usage: deploy <app> [branch] [options]

      <app>        the app's name
      [branch]     a branch that was pushed; the live one unless given
      --keep file  a file, a directory or \`.\`: the app's changes to it stay
      --take file  a file, a directory or \`.\`: the commit's replaces what the app
                   wrote

    $ piku deploy:cancel --help
    e.g.: ssh piku@board deploy:cancel blog

    Cancel an app's deploy; what was live stays live.

    usage: deploy:cancel <app>

      <app>  the app's name

    $ piku releases --help
    e.g.: ssh piku@board releases blog

    List an app's releases, newest first.

    usage: releases <app> [options]

      <app>   the app's name
      --json  print JSON

    $ piku releases:output --help
    e.g.: ssh piku@board releases:output blog 12

    Show what a deploy printed, even if it failed.

    usage: releases:output <app> <number>

      <app>     the app's name
      <number>  a release's number, as releases lists them

    $ piku rollback --help
    e.g.: ssh piku@board rollback blog
          ssh piku@board rollback blog 12

    Go back to an earlier release: its code and its settings.

    usage: rollback <app> [number] [options]

      <app>        the app's name
      [number]     a release's number; the one before unless given
      --keep file  a file, a directory or \`.\`: the app's changes to it stay
      --take file  a file, a directory or \`.\`: the commit's replaces what the app
                   wrote

    $ piku config --help
    e.g.: ssh piku@board config blog
          ssh piku@board config blog --all

    Show an app's settings on the server. With --all each line begins with where the
    setting comes from.

    usage: config <app> [options]

      <app>     the app's name
      --all     all settings of its processes, and where each comes from; secrets
                are masked
      --reveal  with --all: show secrets
      --json    print JSON

    $ piku config:export --help
    e.g.: ssh piku@board config:export blog >settings.txt

    Print an app's settings on the server, quoted for a shell.

    usage: config:export <app> [options]

      <app>   the app's name
      --json  print JSON

    $ piku config:get --help
    e.g.: ssh piku@board config:get blog DEBUG

    Print the value of one setting. Exit status 1 when it is not set.

    usage: config:get <app> <setting>

      <app>      the app's name
      <setting>  the setting's name

    $ piku config:import --help
    e.g.: ssh piku@board config:import blog <settings.txt

    Set settings from stdin: lines as in ENV, or JSON. Nothing is set when a line is
    wrong.

    usage: config:import <app> [options]

      <app>         the app's name
      --no-restart  keep them for the next deploy or restart

    $ piku config:live --help
    e.g.: ssh piku@board config:live blog

    Show all settings that an app's processes get.

    usage: config:live <app>

      <app>  the app's name

    $ piku config:set --help
    e.g.: ssh piku@board config:set blog DEBUG=1 COLOUR=red
          ssh piku@board config:set blog "GREETING='good morning'"
          ssh piku@board config:set --global PIKU_DOMAIN=example.com

    Set settings of an app and deploy it with them. This also works before an app's
    first push. With --global, apps take it with their next deploy or restart.

    usage: config:set <app> [settings...] [options]

      <app>          the app's name
      [settings...]  KEY=value, one or more
      --no-restart   keep them for the next deploy or restart
      --global       for all apps, in ~/.piku/ENV; no app's name is given then

    $ piku config:unset --help
    e.g.: ssh piku@board config:unset blog DEBUG
          ssh piku@board config:unset --global PIKU_DOMAIN

    Remove settings of an app and deploy it without them.

    usage: config:unset <app> [settings...] [options]

      <app>          the app's name
      [settings...]  names, one or more
      --global       for all apps, in ~/.piku/ENV; no app's name is given then

    $ piku backup --help
    e.g.: ssh piku@board backup blog >blog.tar.gz
          ssh piku@board backup >board.tar.gz
          ssh piku@board backup --verify <board.tar.gz

    Write a backup of an app, or of the board, to stdout. It holds all that cannot
    be made again: repositories, settings, data and files that apps wrote.

    usage: backup [app] [options]

      [app]     the app's name; the whole board unless given
      --verify  check a backup instead: a file on the server, or stdin

    $ piku completion --help
    e.g.: ssh piku@board completion >~/.piku-completion
          ssh piku@board completion zsh >~/.piku-completion

    Print a script that completes commands in a shell. It completes commands, apps,
    processes, branches, releases and options of \`piku\` and of \`ssh piku@board\`. Put
    \`. ~/.piku-completion\` into ~/.bashrc or ~/.zshrc. Those of fish and PowerShell
    are for the client, and go into ~/.config/fish/completions/piku.fish and
    \`$PROFILE\`.

    usage: completion [shell]

      [shell]  bash (unless given), zsh, fish or powershell

    $ piku doctor --help
    e.g.: ssh piku@board doctor

    Check the board and suggest fixes. One line for each check; exit status 1 when
    something is wrong.

    usage: doctor [options]

      --json  print JSON

    $ piku help --help
    e.g.: ssh piku@board help
          ssh piku@board help config:set

    List all commands, or explain one.

    usage: help [command] [options]

      [command]  a command's name; all of them unless given
      --all      list internal commands as well

    $ piku keys --help
    e.g.: ssh piku@board keys

    List the keys that may push and give commands. For each key: fingerprint, day
    added, apps, last day, name.

    usage: keys [options]

      --json  print JSON

    $ piku keys:add --help
    e.g.: ssh piku@board keys:add anna <anna.pub
          ssh piku@board keys:add ben --apps blog,shop --until 2027-07-31 <ben.pub

    Add a public key from stdin, for all apps or some. With --apps it is for pushes
    to these apps and commands about them, but not for run or scp. That is a wall
    only where PIKU_ISOLATION=true is set for all apps.

    usage: keys:add <name> [options]

      <name>          whose key it is
      --apps APP,APP  the only apps that it may push to and ask about
      --until DATE    the day on which it expires, such as 2027-07-31

    $ piku keys:remove --help
    e.g.: ssh piku@board keys:remove anna

    Remove a key by its name or its fingerprint.

    usage: keys:remove <key> [options]

      <key>    its name or its fingerprint
      --force  even if it is the last one for all apps, or the one in use

    $ piku restore --help
    e.g.: ssh piku@board restore <board.tar.gz
          ssh piku@board restore blog <board.tar.gz

    Restore a backup from stdin, or one app of it, and deploy. The whole backup is
    checked first. An app that exists stays as it is unless --force is given.

    usage: restore [app] [options]

      [app]    the only app to restore; all of the backup unless given
      --force  replace apps that exist, and their data

    $ piku setup --help
    e.g.: ssh piku@board setup

    Create ~/.piku; take over keys and hooks of piku.py.

    usage: setup [options]

      --undo  give keys and hooks back, and remove the timer; apps stay

    $ piku setup:ssh --help
    e.g.: ssh piku@board setup:ssh - <~/.ssh/id_ed25519.pub

    Add public keys of a file on the board, or of stdin (-).

    usage: setup:ssh <file>

      <file>  a file on the board with public keys, or - for stdin

    $ piku update --help
    e.g.: ssh piku@board update --check
          ssh piku@board update
          ssh piku@board update --rollback

    Update piku, or go back to the release before. A release has to be signed with a
    key that this piku knows, and may not be older than it. The one that is replaced
    is kept beside it, as piku.old.

    usage: update [options]

      --from URL  a URL, or a directory on the board, with SHA256SUMS and the
                  executables; PIKU_RELEASES in ~/.piku/ENV unless given
      --check     only say whether there is a newer release
      --force     take an older release too
      --rollback  go back to the release that was replaced last

    $ piku --version --help
    e.g.: ssh piku@board --version

    Show piku's version, its target and its engine.

    usage: --version
    "
  `);
});

test("a row of the help page is one line, and no line has more than 80 columns", () => {
  const page = renderHelp(commands, [], version, true).split("\n");
  const rows = page.filter((line) => /^ {2}\S/.test(line));
  expect(rows.map((line) => line.trim().split(" ")[0]!)).toEqual(
    ["Apps", "Deploys", "Settings", "The board", "Internal"].flatMap((group) =>
      commands.filter((one) => one.group === group).map(({ name }) => name),
    ),
  );
  for (const line of [...page, ...commands.flatMap((one) => renderCommandHelp(one).split("\n"))])
    expect([line, line.length <= 80]).toEqual([line, true]);
});
