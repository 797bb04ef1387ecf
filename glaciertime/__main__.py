"""The command line: ``glaciertime`` and ``python -m glaciertime``."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from glaciertime.errors import GlacierTimeError, one_line

__all__ = ["main", "run"]


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code.

    0 all measured; 1 nothing stored, or ``--strict`` was given and something failed; 2 usage; 3 stored, but some inputs
    failed; 130 stopped by Ctrl-C.

    What is wrong is one sentence on stderr. Only a defect of the program shows a traceback.
    """
    from glaciertime.cli import app
    from glaciertime.cli.configuration import configured
    from glaciertime.cli.running import begin

    try:
        try:
            with configured(lenient=_tells_only(arguments)):
                begin(arguments)
                app(args=list(arguments), prog_name="glaciertime")
        finally:
            # What is printed may wait in a buffer: that there was no room for it is found here, not after the end.
            _flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except GlacierTimeError as error:
        print(f"glaciertime: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("glaciertime: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has gone
        sys.stderr.close()
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        text = f"{where}{error.strerror or error}; check the path and the free space"
        print(f"glaciertime: {one_line(text)}", file=sys.stderr)
        return 1
    return 0


def _tells_only(arguments: Sequence[str]) -> bool:
    """Return whether a command only tells: it works with settings that are wrong, and doctor says what is."""
    return not arguments or arguments[0] == "doctor" or bool({"--help", "--version"} & set(arguments))


def _flush() -> None:
    """Bring to its place what was printed; what finds no room there is given up, with the reason."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            gone = os.open(os.devnull, os.O_WRONLY)
            os.dup2(gone, sys.stdout.fileno())
            os.close(gone)
        raise


def main() -> None:
    """Run the command given on the command line."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
