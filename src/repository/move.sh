# shellcheck shell=sh disable=SC2154 # careful, from, to and kept come in the environment
# Changes those files of a work tree in which two commits differ. The lists of names go from git to
# git: a name need not be UTF-8, and would not come back from us as it was. They are not pathspecs of
# `git checkout`, which compares each with every file: thousands of files take seconds.
set -e
# shellcheck disable=SC2086 # a list of words
git() { command git $careful "$@"; }
list() {
  if [ -n "$from" ]; then git diff-tree -r --name-only --no-renames -z "--diff-filter=$1" "$from" "$to" --
  elif [ "$1" != D ]; then git ls-tree -r --name-only -z "$to"; fi >"$names.all"
  LC_ALL=C sort -z "$names.all" | LC_ALL=C comm -z -23 - "$names.kept" >"$names"
}
# Not through a pipe, at whose beginning nobody would see a failure.
names=$(git rev-parse --absolute-git-dir)/piku-names
LC_ALL=C sort -z "$kept" >"$names.kept"
list D
xargs -0 -r rm -f -- <"$names" 2>/dev/null || :
LC_ALL=C sed -z -n 's|/[^/]*$||p' "$names" | LC_ALL=C sort -zu | xargs -0 -r rmdir -p --ignore-fail-on-non-empty -- 2>/dev/null || :
list AMT
git read-tree --reset "$to"
git checkout-index --force --index -z --stdin <"$names"
rm "$names" "$names.all" "$names.kept" "$kept"
git update-ref --no-deref HEAD "$to"
