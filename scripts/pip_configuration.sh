# shellcheck shell=bash
# To be sourced: `use_pips_configuration PYTHON`. uv knows nothing of pip's configuration, but an index or a certificate
# that somebody has set for pip is meant for it, too.
pips() { "$1" -m pip config list | sed -n "s/^[^=]*\.$2='\(.*\)'$/\1/p" | tail -n 1; }

use_pips_configuration() {
  local index cert
  index="$(pips "$1" index-url)"
  cert="$(pips "$1" cert)"
  if [[ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" && -n "$index" ]]; then export UV_DEFAULT_INDEX="$index"; fi
  if [[ -z "${SSL_CERT_FILE:-}" && -n "$cert" ]]; then export SSL_CERT_FILE="$cert"; fi
}
