"""The whole road on one machine: data, store, Ray, train, evaluate, index, serve. ``make demo`` runs this.

    python -m cluster.demo [--recipe NAME] [--data ROOT] [key=value ...]
    python -m cluster.demo --pictures FOLDER [--encoder URI]

Each stage is a submitted job. It stays in the foreground; Ctrl-C ends everything it started, and returns when that has
ended. Started again, it skips what is finished. ``PORT`` moves the page.
"""

import argparse
import os
import signal
import sys
import time
import webbrowser
from pathlib import Path
from types import FrameType

from cluster.deploy import DeployError, undeploy
from cluster.local import at_least_one, down, up
from cluster.places import check_places
from cluster.ports import LOOPBACK, answers
from cluster.processes import Record, StartError
from cluster.road import Road, RoadOptions
from cluster.stages import Stages
from cluster.state import STATE_DIR, BusyError, load, locked, own_store_env, save
from cluster.submit import JobError
from jobs._cli import RECIPES, recipe_path
from sketchray.storage import default_store
from sketchray.zoo import DEFAULT

DEFAULT_PORT = "8000"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(argv: list[str] | None = None) -> int:
    """Run the demo; return 0 after Ctrl-C at the page, 130 after one before, 2 after one line about what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m cluster.demo", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--recipe", default="rpkd-starter", metavar="NAME", help="of jobs/recipes, or a file (%(default)s)"
    )
    parser.add_argument("--data", type=Path, metavar="ROOT", help="a dataset in the folder layout (the starter set)")
    parser.add_argument("--pictures", metavar="FOLDER", help="search these pictures instead: a folder or a URI")
    parser.add_argument("--encoder", default=DEFAULT, metavar="URI", help="for those pictures (%(default)s)")
    parser.add_argument("--state", type=Path, default=STATE_DIR, metavar="DIR", help="state folder (%(default)s)")
    parser.add_argument("--cpus", type=int, help="logical CPUs of each Ray node")
    parser.add_argument("--nodes", type=at_least_one, metavar="N", help="Ray nodes on this machine (as before, or 1)")
    parser.add_argument("--exit", action="store_true", help="end when the page is ready, without waiting for Ctrl-C")
    parser.add_argument("train", nargs="*", metavar="key=value", help="overrides for the training")
    args = parser.parse_args(argv)
    for received in SIGNALS:
        signal.signal(received, _interrupt)
    try:
        path = recipe_path(args.recipe)  # one that does not exist is told now
        check_places(args.pictures, args.encoder, own_store=own_store_env(os.environ) is not None)
        options = RoadOptions(
            recipe=args.recipe if path.parent == RECIPES else str(path.resolve()),
            data=args.data,
            port=int(os.environ.get("PORT", DEFAULT_PORT)),
            train=tuple(args.train),
            pictures=args.pictures,
            encoder=args.encoder,
        )
        with locked(args.state, "demo", wait=False):
            return run(args.state.resolve(), options, cpus=args.cpus, nodes=args.nodes, stay=not args.exit)
    except (BusyError, StartError, JobError, DeployError, ValueError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr, flush=True)
        return 2


def run(state_dir: Path, options: RoadOptions, *, cpus: int | None, nodes: int | None, stay: bool) -> int:
    """Bring everything up, run the road, wait for Ctrl-C; end everything on the way out, whichever that is."""
    url = f"http://{LOOPBACK}:{options.port}"
    if load(state_dir).page_port != options.port and answers(options.port):
        raise OSError(f"port {options.port} is taken; name another one, as in: PORT={options.port + 1} make demo")
    me = Record.of(os.getpid(), mark="", cwd=Path.cwd())
    started = time.monotonic()
    ready = False
    try:
        state = up(state_dir, cpus=cpus, nodes=nodes, owner=me)
        assert state.ray is not None, "up returns a running Ray or raises"
        print(f"== Ray, with its dashboard at {state.ray.dashboard_url}, and the store are up", flush=True)
        os.environ.update(state.env)
        stages = Stages(state_dir / "stages.json", default_store())
        stages.note("start", time.monotonic() - started)
        Road(options, state_dir=state_dir, head=state.ray, store=default_store(), stages=stages).run()
        save(state_dir, state.model_copy(update={"page_port": options.port}))
        print(f"\n{stages.table()}\n\nDraw at  {url}   Ctrl-C ends it.", flush=True)
        ready = True
        if stay and has_display():
            webbrowser.open(url)
        while stay:
            time.sleep(1)
            if not state.ray.alive():
                raise StartError(f"Ray has ended by itself; its log: {state_dir / 'ray' / 'head.log'}")
    except KeyboardInterrupt:
        return 0 if ready else 130
    finally:
        for received in SIGNALS:
            signal.signal(received, signal.SIG_IGN)  # ending must come to its end
        end(state_dir, me)
    return 0


def end(state_dir: Path, me: Record) -> None:
    """End what this command started; a cluster that was up before stays, without the page."""
    state = load(state_dir)
    if state.owner == me:
        print("Ending what was started ...", flush=True)
        down(state_dir)
        print("All of it has ended.", flush=True)
    elif state.ray is not None and state.ray.alive():
        undeploy(state.ray)
        save(state_dir, state.model_copy(update={"page_port": None}))
        print("The cluster was up before and stays: python -m cluster.local down ends it.", flush=True)


def has_display() -> bool:
    """Tell whether a browser could open a window here."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
