#!/usr/bin/env bash
# Pretrain for a few steps in continuous integration, and fail if the model falls short.
#
#   examples/ci.sh texts/                       prepares, trains, evaluates
#   FAIL_UNDER=disc_auc=0.7 examples/ci.sh texts/
#
# Run it again after an interruption: what is finished is not done again.
set -u

corpus=${1:?name the file or folder with text: examples/ci.sh texts/}
work=${WORK:-runs/ci}                    # data, run folder and results are written here
preset=${PRESET:-tiny}
steps=${STEPS:-300}
vocab_size=${VOCAB_SIZE:-4096}
sequence_length=${SEQUENCE_LENGTH:-128}
validation_fraction=${VALIDATION_FRACTION:-0.02}
settings=${SETTINGS:-}                   # keys of the configuration: "train.batch_size=16 ..."
fail_under=${FAIL_UNDER:-disc_auc=0.6}   # several: "disc_auc=0.6 disc_accuracy=0.8"
attempts=${ATTEMPTS:-3}
pause=${PAUSE_SECONDS:-30}

# Runs a command with its JSON in a file. Exit codes say what to do (docs/reference/exit-codes.md).
run() {
  local result=$1 attempt code
  shift
  for ((attempt = 1; attempt <= attempts; attempt++)); do
    "$@" --json >"$result"
    code=$?
    case $code in
      0) return 0 ;;
      75) # a lock is held, a worker was lost: the same command may succeed later
        echo "ci: attempt $attempt of $attempts: try again in $pause seconds" >&2
        sleep "$pause"
        ;;
      65 | 66) echo "ci: the data is damaged or missing; a retry does not help" >&2; exit $code ;;
      70) echo "ci: training diverged; lower the learning rate" >&2; exit $code ;;
      *) return $code ;;
    esac
  done
  exit 75
}

mkdir -p "$work" || exit 73

run "$work/prepare.json" electra prepare-data "$corpus" --output "$work/data" \
  --vocab-size "$vocab_size" --sequence-length "$sequence_length" \
  --validation-fraction "$validation_fraction" || exit

set_options=(--set "data.sequence_length=$sequence_length")
for setting in $settings; do
  set_options+=(--set "$setting")
done
run "$work/pretrain.json" electra pretrain --preset "$preset" --data "$work/data" \
  --model-dir "$work/run" --steps "$steps" "${set_options[@]}" || exit

limits=()
for limit in $fail_under; do
  limits+=(--fail-under "$limit")
done
run "$work/evaluate.json" electra evaluate "$work/run" "${limits[@]}"
code=$?

if [ $code -le 1 ]; then # 0: good enough; 1: a metric is under its limit. Both print the object.
  python3 -c '
import json, sys

checkpoint = json.load(open(sys.argv[1]))["checkpoints"][-1]
metrics = checkpoint["metrics"]
print("step", checkpoint["step"], "disc_auc", metrics["disc_auc"])
' "$work/evaluate.json"
fi
exit $code
