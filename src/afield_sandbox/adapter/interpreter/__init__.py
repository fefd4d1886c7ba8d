"""The code interpreter: Python and shell commands whose variables and files stay, for each identifier apart.

A kept session is one run in the jail that goes on: a program of ours (`driver.py`) that takes one execution after the
other on its standard input. Files live on both sides: what callers upload is sent in, what executions change is read
back, so that files outlive a session that had to be ended.
"""
