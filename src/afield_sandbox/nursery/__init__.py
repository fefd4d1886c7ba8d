"""What runs inside: a process that builds the jail, and waiting workers that it forks into jails of their own.

One thread, standard library only, nothing secret in memory, environment or descriptors. The keeper outside starts it as
a program (`__main__.py`) and talks to it over sockets.
"""
