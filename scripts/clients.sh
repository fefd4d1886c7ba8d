#!/usr/bin/env bash
# Make .venv-clients: other people's clients, which drive the simulator in tests. Does nothing when nothing has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec 1>&2

readonly venv=.venv-clients lock=requirements/clients.txt stamp=.venv-clients/.stamp

wanted="$( { pwd; cat "$lock"; } | sha256sum)"
if [[ -f "$stamp" && "$(<"$stamp")" == "$wanted" ]]; then exit 0; fi

printf 'clients: installing them into %s\n' "$venv"
rm -rf "$venv"
.venv/bin/python -m venv --without-pip "$venv"
# shellcheck source=scripts/pip_configuration.sh
source scripts/pip_configuration.sh
use_pips_configuration .venv/bin/python
.venv/bin/uv pip sync --quiet --python "$venv/bin/python" --require-hashes "$lock"
printf '%s\n' "$wanted" >"$stamp"
