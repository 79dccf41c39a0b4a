"""Thread pools whose numeric libraries use a stated number of threads."""

from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits


def numeric_pool(name: str, threads: int, *, torch: bool = False) -> ThreadPoolExecutor:
    """Return an executor of one worker in which faiss, numpy's BLAS and, if asked for, torch use ``threads`` threads.

    Torch and faiss keep the number per calling thread, so it is set in the worker itself; left alone they would take
    every core of the machine for every replica.
    """

    def limit() -> None:
        if torch:  # before faiss: each sets its own OpenMP's number
            from torch import set_num_threads

            set_num_threads(threads)
        import faiss

        faiss.omp_set_num_threads(threads)
        threadpool_limits(threads, user_api="blas")  # of the whole process, for as long as it lives

    return ThreadPoolExecutor(1, thread_name_prefix=name, initializer=limit)
