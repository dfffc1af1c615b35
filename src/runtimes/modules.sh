# shellcheck shell=sh
# The node_modules of an app. $0: what to do. $1: the folder of dependencies. $2: where the app runs.
# The rest: node_modules, and those of a workspace.
set -e
to=$0 env=$1 app=$2
shift 2

# Packages of a workspace are links to folders of the app: not to what the install has of them.
settle() {
  real=$(cd "$env" && pwd -P)
  for link in "$env/$1"/* "$env/$1"/@*/*; do
    [ -L "$link" ] || continue
    target=$(readlink -f "$link") || continue
    case $target in
      "$real"/node_modules/* | "$real"/*/node_modules/*) ;;
      "$real"/*) ln -sfn "$app${target#"$real"}" "$link" ;;
    esac
  done
}

# Where nothing is run, also what a build that failed has left goes.
link() {
  rm -rf "$1"
  ln -s "$env/$1" "$1"
}

# Whether hard links can be made: behind a wall the folders are mounted apart.
is_near() {
  : >"$env/.near"
  if ln -f "$env/.near" .near 2>/dev/null; then rm .near; else false; fi
}

# A folder of its own: hard links, or else copies.
fill() {
  if is_near; then
    cp -al "$env/$1" "$1"
  else
    rm -rf "$env/.build"
    cp -a "$env/$1" "$1" && : >"$env/.copied"
  fi
}

# For a build its own folder: some tools refuse one that is a link out of the tree, and files that
# they add must not reach the release that runs. Hard links are kept for the next build.
own() {
  rm -rf "$1"
  if [ -d "$env/.build/$1" ] && is_near; then
    mv "$env/.build/$1" "$1"
  elif ! fill "$1" 2>/dev/null; then
    link "$1"
  else
    for link in "$1"/* "$1"/@*/*; do
      [ -L "$link" ] || continue
      target=$(readlink "$link")
      case $target in "$app"/*) ln -sfn "$PWD${target#"$app"}" "$link" ;; esac
    done
  fi
}

is_own() { [ -d "$1" ] && [ ! -L "$1" ]; }

# What a build wrote there (Prisma's client), without caches: files that are not also in the install.
written() {
  # shellcheck disable=SC2086 # an option and its value, neither with a blank
  for modules; do
    ! is_own "$modules" ||
      find "$modules" \( -name .cache -o -name .tmp -o -name ".vite*" -o -name .astro \) -prune -o -type f $fresh -print0
  done
}

# The release gets the install, or one of its own if the build wrote something there. Thousands of
# files are an install of the build's own (npm ci): what it made is here already.
publish() {
  live=$env
  fresh='-links 1'
  is_near || fresh="-cnewer $env/.copied"
  count=$(written "$@" | tr -cd '\0' | wc -c)
  if [ "$count" -gt 0 ] && [ "$count" -lt 2000 ]; then
    live=$env/.live.$(date +%s).$$
    for modules; do
      mkdir -p "$live/${modules%node_modules}"
      cp -al "$env/$modules" "$live/$modules"
    done
    written "$@" | tar --null --no-recursion -T - -cf - | tar -C "$live" --unlink-first -xf -
  fi
  for modules; do
    # Not one from which a build has removed packages (npm prune).
    # shellcheck disable=SC2012 # only counted
    if [ "$fresh" = '-links 1' ] && is_own "$modules" && [ "$count" -lt 2000 ] && [ "$(ls "$modules" | wc -l)" -ge "$(ls "$env/$modules" | wc -l)" ]; then
      rm -rf "$env/.build/$modules"
      mkdir -p "$env/.build/${modules%node_modules}"
      mv "$modules" "$env/.build/$modules"
    fi
    rm -rf "$modules"
    ln -s "$live/$modules" "$modules"
  done
  now=$(readlink "$app/node_modules" || :)
  # Processes of the releases before may still be running.
  set -- "$env"/.live.*
  while [ $# -gt 3 ]; do
    case $now in "$1"/*) ;; *) rm -rf "$1" ;; esac
    shift
  done
}

for modules; do
  shift
  if [ -d "$env/$modules" ]; then set -- "$@" "$modules"; elif [ -L "$modules" ]; then rm "$modules"; fi
done
if [ "$to" = publish ]; then publish "$@"; else for modules; do "$to" "$modules"; done; fi
