#!/usr/bin/env python3
"""Weighted k-means here, in faiss-cpu and in scikit-learn, alternately on one machine.

    kmeans_peers.py BENCH_KMEANS [--case small|large] [--rounds R] [--iterations I] [--threads T]

Points are weighted Gaussian mixtures shaped like normalized weights: near normal, with tails,
correlated inside a vector; weights spread over two orders of magnitude, as those of columns do.
Every program gets the same float32 points and weights, the same start, iterations and threads;
data lies in memory before the clock starts. Inertia is that of each program's final centroids, in
double precision (ours as it reports it, the others' computed here). On a machine that others use as
well, CPU seconds say more than the wall clock (though threads that spin while they wait count).

faiss:        Clustering(d, K), niter, nredo 1, max_points_per_centroid 10^9 (no sampling),
              init centroids, IndexFlatL2
scikit-learn: KMeans(init=start, n_init=1, max_iter, tol=0, algorithm="lloyd")
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

CASES = {"small": (221_184, 4, 256), "large": (1_800_000, 8, 4096)}


def make_case(n, d, k):
    import numpy as np

    rng = np.random.default_rng(7)
    scale = np.exp(rng.normal(0, 0.3, size=(n, 1)))            # tails
    points = rng.normal(size=(n, d)) * scale
    points[:, 1:] += 0.2 * points[:, :-1]                      # neighbours correlate
    points += rng.choice([-0.5, 0.0, 0.5], size=(n, 1), p=[0.2, 0.6, 0.2])
    points = np.ascontiguousarray(points / points.std(), dtype=np.float32)
    weights = np.exp(rng.normal(0, 1.0, size=n)).astype(np.float32)
    start = np.ascontiguousarray(points[rng.choice(n, k, replace=False)])
    return points, weights, start


def inertia(points, weights, centroids):
    import faiss
    import numpy as np

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(np.ascontiguousarray(centroids, dtype=np.float32))
    total = 0.0
    for begin in range(0, len(points), 1 << 17):
        part = points[begin:begin + (1 << 17)]
        _, nearest = index.search(part, 1)
        d = part.astype(np.float64) - centroids[nearest[:, 0]]
        total += float((weights[begin:begin + (1 << 17)] * (d * d).sum(axis=1)).sum())
    return total


def timed(run):
    """Wall seconds, CPU seconds of this process, result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return (time.perf_counter() - wall, time.process_time() - cpu), result


def run_faiss(points, weights, start, iterations):
    import faiss

    n, d = points.shape
    clustering = faiss.Clustering(d, len(start))
    clustering.niter = iterations
    clustering.nredo = 1
    clustering.verbose = False
    clustering.max_points_per_centroid = 10**9
    clustering.min_points_per_centroid = 1
    faiss.copy_array_to_vector(start.ravel(), clustering.centroids)
    index = faiss.IndexFlatL2(d)
    seconds, _ = timed(lambda: clustering.train(points, index, weights))
    return seconds, faiss.vector_to_array(clustering.centroids).reshape(start.shape)


def run_sklearn(points, weights, start, iterations):
    import warnings

    from sklearn.cluster import KMeans

    warnings.filterwarnings("ignore")
    model = KMeans(len(start), init=start, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
    seconds, _ = timed(lambda: model.fit(points, sample_weight=weights))
    return seconds, model.cluster_centers_


def run_ours(bench, folder, shape, iterations, threads):
    n, d, k = shape
    command = [bench, *(os.path.join(folder, f) for f in ("points", "weights", "start")),
               str(d), str(k), str(iterations), str(threads), "1"]
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return (out["seconds"][0], out["cpu_seconds"][0]), out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without", choices=["faiss", "sklearn"], action="append", default=[])
    args = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(args.threads)            # before the libraries load
    import faiss

    faiss.omp_set_num_threads(args.threads)

    for name in args.case or CASES:
        shape = CASES[name]
        points, weights, start = make_case(*shape)
        seconds = {}
        score = {}
        with tempfile.TemporaryDirectory() as folder:
            points.T.tofile(os.path.join(folder, "points"))
            weights.tofile(os.path.join(folder, "weights"))
            start.tofile(os.path.join(folder, "start"))
            for _ in range(args.rounds):
                took, ours = run_ours(args.bench, folder, shape, args.iterations, args.threads)
                seconds.setdefault("tessera", []).append(took)
                score["tessera"] = ours["inertia"]
                for peer, run in (("faiss", run_faiss), ("sklearn", run_sklearn)):
                    if peer in args.without:
                        continue
                    took, centroids = run(points, weights, start, args.iterations)
                    seconds.setdefault(peer, []).append(took)
                    if peer not in score:
                        score[peer] = inertia(points, weights, centroids)
        print(f"n={shape[0]} d={shape[1]} K={shape[2]}, {args.iterations} iterations, "
              f"{args.threads} threads, {args.rounds} alternating rounds")
        print(f"  {'program':10} {'median s':>9} {'fastest':>9} {'times ours':>10} {'CPU s':>9} "
              f"{'times ours':>10} {'inertia':>14} {'vs ours':>10}")
        ours = [statistics.median(column) for column in zip(*seconds["tessera"])]
        for program, times in seconds.items():
            wall, cpu = (statistics.median(column) for column in zip(*times))
            print(f"  {program:10} {wall:9.3f} {min(times)[0]:9.3f} {wall / ours[0]:10.2f} "
                  f"{cpu:9.3f} {cpu / ours[1]:10.2f} {score[program]:14.6g} "
                  f"{score[program] / score['tessera'] - 1:+10.2e}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
