"""The command line: arguments, output and exit codes; one file per command group.

Exit codes: 0 done, 1 applied but not ready (or something required is missing), 2 input error,
3 daemon not reachable, 130 interrupted; ``exec`` passes on the command's own.

Start-up time is a feature: a module here imports at its top only what each of its uses needs.
"""
