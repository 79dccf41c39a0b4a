"""From finished parts to base segments: codebooks fitted in one task, then a task a shard, each of its own parts alone.

Every step keeps what it made; one that is found finished is not made again.
"""

from pydantic import TypeAdapter

from jobs._index_config import BuildConfig
from jobs._index_division import Division
from jobs._index_tasks import run_task, run_tasks
from jobs._index_work import Work
from sketchray.gallery import CodebookRef, Codebooks, Column, FitPlan, IndexPlan, Segment, encode_segment
from sketchray.gallery.build import row_schema
from sketchray.gallery.codebooks import encode_codebooks, fit_codebooks, read_codebook, take_sample
from sketchray.gallery.segment import embedding_matrix

References = tuple[CodebookRef, ...]
_REFERENCES: TypeAdapter[References] = TypeAdapter(References)


def fit(work: Work, config: BuildConfig, *, dimension: int) -> References:
    """Fit the codebooks to the parts' sample in a task, if any are wanted.

    Args:
        work: the run's, with all parts finished.
        config: the build.
        dimension: of an embedding.
    """
    if not config.codebooks.names:
        return ()
    return run_task(fit_step, config.resources, work=work, plan=config.codebooks, dimension=dimension)


def fit_step(*, work: Work, plan: FitPlan, dimension: int) -> References:
    """Fit the codebooks, unless they are kept."""
    if said := work.recall("codebooks"):
        return _REFERENCES.validate_json(said)
    sample_ND = embedding_matrix(take_sample(work.parts.sample(row_schema(dimension)), plan.fit_rows))
    references, objects = encode_codebooks(fit_codebooks(sample_ND, plan), sample_ND)
    work.keep("codebooks", _REFERENCES.dump_json(references), objects)
    return references


def make_segments(
    work: Work,
    division: Division,
    config: BuildConfig,
    references: References,
    *,
    dimension: int,
    columns: tuple[Column, ...],
) -> tuple[Segment, ...]:
    """Make the base segments of all shards, some at a time.

    Args:
        work: the run's, with all parts finished.
        division: which parts are whose.
        config: the build.
        references: the codebooks.
        dimension: of an embedding.
        columns: metadata columns.
    """
    made = run_tasks(
        segment_step,
        ((shard, division.of_shard(shard)) for shard in range(division.shards)),
        config.resources,
        work=work,
        dimension=dimension,
        columns=columns,
        references=references,
        plan=config.index,
    )
    return tuple(sorted(made, key=lambda segment: segment.shard))


def segment_step(
    item: tuple[int, range],
    *,
    work: Work,
    dimension: int,
    columns: tuple[Column, ...],
    references: References,
    plan: IndexPlan,
) -> Segment:
    """Make a shard's base segment of its parts, unless it is kept."""
    shard, parts = item
    step = f"segment-{shard:04d}"
    if said := work.recall(step):
        return Segment.model_validate_json(said)
    codebooks: Codebooks = {one.name: read_codebook(work.objects, one, dimension=dimension) for one in references}
    rows = work.parts.read(parts, row_schema(dimension, columns))
    segment, objects = encode_segment(rows, shard=shard, plan=plan, codebooks=codebooks)
    work.keep(step, segment.model_dump_json().encode(), objects)
    return segment
