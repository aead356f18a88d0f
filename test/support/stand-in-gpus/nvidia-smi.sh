#!/bin/sh
# A stand-in for nvidia-smi. Says what lies in the folder it stands in: a file for each question, named like its
# arguments. Files in the folder that the link `trouble` names when it starts change how it answers: delay (seconds), say
# (instead of the answer, to standard error), code (exit status), hold (a child that keeps the pipes open for so many seconds).
dir=$(dirname "$0")
trouble=$dir/$(readlink "$dir/trouble")
[ -f "$trouble/delay" ] && sleep "$(cat "$trouble/delay")"
[ -f "$trouble/hold" ] && sleep "$(cat "$trouble/hold")" &
if [ -f "$trouble/say" ]; then
  cat "$trouble/say" >&2
else
  case "$1" in
  --query-gpu=*)
    # The columns that are asked for, in their order; an unknown one fails the whole question.
    awk -F, -v OFS=", " -v asked="${1#--query-gpu=}" '
      NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; n = split(asked, want, ",")
                for (i = 1; i <= n; i++) if (!(want[i] in at)) { printf "Field \"%s\" is not a valid field to query.\n", want[i]; exit 2 } }
      { line = ""; for (i = 1; i <= n; i++) line = line (i > 1 ? OFS : "") $(at[want[i]]); print line }' "$dir/query-gpu" || exit $?
    ;;
  *) cat "$dir/$1" 2>/dev/null || { echo "Invalid combination of input arguments: $*" >&2; exit 2; } ;;
  esac
fi
exit "$(cat "$trouble/code" 2>/dev/null || echo 0)"
