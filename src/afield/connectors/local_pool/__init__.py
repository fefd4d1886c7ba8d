"""The local pool: code in jails of this machine, by one adapter process that all processes of an installation share."""
