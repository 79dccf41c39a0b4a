"""Evaluate encoders on one dataset's sketches and photos, all on the identical samples, in every setting and ranking.

    python -m jobs.evaluate --recipe rpkd-starter 'encoders=[frozen:efficientnet_lite0@128, s3://bucket/encoders/1f0c]'
    ... 'rankers=[{name: nearest}, {name: cluster, codewords: auto, oracle: [8, 16, 32]}]' binary=64 generalised=true

The report lies in the store as ``evaluations/<digest>.json`` and ``.md``; the same evaluation is found again.
Rows that learnt from the gallery, and sweeps that only labels can judge, are marked. Unreadable samples are left out
for all encoders, counted and named.
"""

import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jobs._cli import run_verb
from jobs._cluster import connect
from jobs._evaluate_config import EvaluateConfig
from jobs._evaluate_embed import embed_all
from jobs._evaluate_run import evaluate_all
from jobs._evaluate_samples import choose_samples
from sketchray.config import ConfigError
from sketchray.data.reading import read_samples
from sketchray.encoders import encoder_uri, load_encoder
from sketchray.evaluation import Report
from sketchray.storage import NotFound, Store, default_store


def run(config: EvaluateConfig) -> dict[str, Any]:
    """Evaluate, or find the finished evaluation; print its table and return it."""
    store = default_store()
    cast = choose_samples(read_samples(config.data), config)
    encoders, fingerprints, sizes = list[str](), dict[str, str](), dict[str, int]()
    for spec in dict.fromkeys(config.encoders):
        uri = encoder_uri(spec)
        encoder = load_encoder(spec)
        if config.binary is not None and config.binary > encoder.dim:
            raise ConfigError(f"binary: {config.binary} bits from the {encoder.dim} dimensions of {spec}")
        encoders.append(uri)
        fingerprints[uri], sizes[uri] = encoder.fingerprint, encoder.config.image_size
    name = config.evaluation_id(samples=cast.fingerprint, encoders=fingerprints)
    report, status = find(store, name), "found"
    if report is None:
        connect()
        vectors = embed_all(cast, sizes, config)
        report, status = evaluate_all(cast, vectors, fingerprints, config), "evaluated"
        store.write(f"evaluations/{name}.md", report.markdown().encode())
        store.write(f"evaluations/{name}.json", report.model_dump_json(indent=2).encode())
    print(report.text(), file=sys.stderr, flush=True)
    if config.output:
        write_folder(report, Path(config.output))
    result = {"evaluation": name, "status": status, "uri": store.uri_of(f"evaluations/{name}.json")}
    return result | report.model_dump(mode="json")


def find(store: Store, name: str) -> Report | None:
    """Return the report of a finished evaluation, None where there is none or what is there cannot be read.

    The JSON is written last: where it is, the Markdown is too.
    """
    try:
        return Report.model_validate_json(store.read(f"evaluations/{name}.json"))
    except (NotFound, ValidationError):
        return None


def write_folder(report: Report, folder: Path) -> None:
    """Write the report into a local folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(report.model_dump_json(indent=2), encoding="utf-8")
    (folder / "evaluation.md").write_text(report.markdown(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run_verb("evaluate", EvaluateConfig, run, doc=__doc__))
