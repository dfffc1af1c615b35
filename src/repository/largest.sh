# shellcheck shell=sh disable=SC2154 # repo and after come in the environment
# The largest object that a push adds: its bytes as they are, its id and its name.
git -C "$repo" rev-list --objects "$after" --not --all |
  git -C "$repo" cat-file --batch-check='%(objectsize) %(objectname) %(rest)' |
  sort -rn | head -n 1
