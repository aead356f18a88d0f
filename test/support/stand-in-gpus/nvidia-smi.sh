#!/bin/sh
# A stand-in for nvidia-smi. Says what lies in the folder it stands in: a file for each question, named like its
# arguments. More files there change how it answers: delay (seconds), say (instead of the answer, to standard error),
# code (exit status), hold (a child that keeps the pipes open for that many seconds).
dir=$(dirname "$0")
[ -f "$dir/delay" ] && sleep "$(cat "$dir/delay")"
[ -f "$dir/hold" ] && sleep "$(cat "$dir/hold")" &
if [ -f "$dir/say" ]; then
  cat "$dir/say" >&2
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
exit "$(cat "$dir/code" 2>/dev/null || echo 0)"
