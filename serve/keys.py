"""Make, list and revoke API keys: ``python -m serve.keys create|list|revoke --keys URI``.

A new key is printed once, alone on standard output. What is changed here reaches every replica within seconds.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from serve.keyfile import DEFAULT_NAME, ApiKey, KeyFile, KeyFileError, change_keys, new_key, read_keys
from sketchray.storage import StoreError, default_store


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = parser().parse_args(argv)
    try:
        uri = options.keys or default_store().uri_of(DEFAULT_NAME)
        if options.command == "create":
            create(uri, options.name, rate=options.rate, burst=options.burst)
        elif options.command == "revoke":
            revoke(uri, options.id)
        else:
            show(uri)
    except (ValueError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def create(uri: str, name: str, *, rate: float | None, burst: float | None) -> None:
    """Add a key, and print it; the file is begun where there is none."""
    text, made = new_key(name, rate=rate, burst=burst)
    change_keys(uri, lambda file: file.model_copy(update={"keys": (*file.keys, made)}), create=True)
    print(text)
    print(f"Key {made.id} for {name} is in {uri}. It is not shown again.", file=sys.stderr)


def revoke(uri: str, identity: str) -> None:
    """End a key and every session that was begun with it."""

    def ended(key: ApiKey) -> ApiKey:
        return key.model_copy(update={"revoked_at": datetime.now(UTC)}) if key.id == identity else key

    def without(file: KeyFile) -> KeyFile:
        found = [key for key in file.keys if key.id == identity]
        if not found:
            raise KeyFileError(f"{uri} has no key {identity}; `list` shows those it has")
        if found[0].revoked_at:
            raise KeyFileError(f"key {identity} was revoked at {found[0].revoked_at:%Y-%m-%d %H:%M} UTC")
        return file.model_copy(update={"keys": tuple(map(ended, file.keys))})

    change_keys(uri, without)
    print(f"Key {identity} is revoked; every replica knows within seconds.", file=sys.stderr)


def show(uri: str) -> None:
    """Print one line for each key."""
    for key in read_keys(uri).file.keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        rate = f"{key.rate:g}/s" if key.rate else "default rate"
        burst = f"burst {key.burst:g}" if key.burst else "default burst"
        print(f"{key.id}  {key.created_at:%Y-%m-%d}  {state}  {rate}, {burst}  {key.name}")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(prog="python -m serve.keys", description="API keys of the endpoint")
    commands = top.add_subparsers(dest="command", required=True)
    create_parser = commands.add_parser("create", help="make a key and print it, once")
    create_parser.add_argument("name", help="whose key it is, as 'ana, laptop'")
    create_parser.add_argument("--rate", type=float, help="questions a second; the endpoint's default if not given")
    create_parser.add_argument("--burst", type=float, help="questions at once; the endpoint's default if not given")
    list_parser = commands.add_parser("list", help="show every key, never its text")
    revoke_parser = commands.add_parser("revoke", help="end a key and its sessions")
    revoke_parser.add_argument("id", help="the twelve hexadecimal digits that list shows")
    for command in (create_parser, list_parser, revoke_parser):
        command.add_argument("--keys", metavar="URI", help=f"the file; {DEFAULT_NAME} in $SKETCHRAY_STORE if not given")
    return top


if __name__ == "__main__":
    sys.exit(main())
