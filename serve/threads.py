"""Thread pools whose numeric libraries use a stated number of threads."""

from concurrent.futures import ThreadPoolExecutor


def numeric_pool(name: str, threads: int) -> ThreadPoolExecutor:
    """Return an executor of one worker in which torch and faiss use ``threads`` threads each.

    Both keep the number per calling thread, so it is set in the worker itself; left alone they would take every core of
    the machine for every replica.
    """

    def limit() -> None:
        import torch  # before faiss: each sets its own OpenMP's number

        torch.set_num_threads(threads)
        import faiss

        faiss.omp_set_num_threads(threads)

    return ThreadPoolExecutor(1, thread_name_prefix=name, initializer=limit)
