# shellcheck shell=sh disable=SC2154 # stage and patience come in the environment
# Ends the program whose id is in the file mover once it has moved nothing for so many seconds: its
# client has vanished, or wants to be in the way. Run with no output of its own, or whoever asked
# would wait for its last sleep.
watch_mover() {
  was=
  while sleep "$patience"; do
    is=$(cat "/proc/$(cat "$stage/mover")/io") || exit
    if [ "$is" = "$was" ]; then
      : >"$stage/idle"
      # The shell reports no job that this signal ended.
      kill -s PIPE "$(cat "$stage/mover")"
    fi
    was=$is
  done
}
