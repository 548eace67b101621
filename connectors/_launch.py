"""First code of every child process: give up rights, tie its life to ours, become the program.

Run as a file, before any of our packages is importable: `_launch.py PARENT SIGNAL UID GID PROGRAM ARGS…`.
A pre-exec hook in the parent would do the same, but runs Python between fork and exec of a
process with threads, which can deadlock.
"""

import ctypes
import os
import sys

# Loaded while we still may read them: the user we become may not enter Python's folders.
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, signal: int) -> None:
    """Have the kernel send `signal` when the parent's spawning thread ends. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    LIBC.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    # The parent may have died before prctl; then nobody would ever send the signal.
    if os.getppid() != parent:
        sys.exit(1)


def give_up_rights(uid: int, gid: int) -> None:
    """Become another user for good. Must precede prctl, whose effect a change of user cancels."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: list[str]) -> None:
    """Never returns: the program takes this process over. A failing exec ends it with 127."""
    parent, signal, uid, gid = (int(argument) for argument in arguments[:4])
    program = arguments[4:]
    if uid >= 0:
        give_up_rights(uid, gid)
    die_with_parent(parent, signal)
    try:
        os.execvp(program[0], program)  # noqa: S606  # no shell is the point
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
