"""The detached runner: what starts, follows and ends a script on a Linux machine, whoever is connected meanwhile."""
