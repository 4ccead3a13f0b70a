"""Vector contenders: exact scans, HNSW libraries, vector databases, and Prime where it can be asked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from kinds import Vectors

CONNECTIVITY, BUILD, LOOK = 16, 100, 64  # of HNSW: links of a node, candidates when it is built, and when it is asked
BATCH = 1000
WARM = 32


class PrimeVectors(Vectors):
    def __init__(self, folder: Path, dimensions: int) -> None:
        import primecore

        super().__init__(folder, dimensions)
        self.prime: Any = primecore.open(folder / "prime")

    def load(self, vectors: Any) -> None:
        for number, vector in enumerate(vectors):
            self.add(number, vector)
        for vector in vectors[:WARM]:  # questions call for an index, where scans read much
            self.nearest(vector, 10)
        follower = self.prime._views.vectors.follower  # it is made beside: to be ready is to have all of it
        while not follower.is_current:
            if follower.error is not None:
                raise RuntimeError(follower.error)
            time.sleep(0.01)

    def add(self, number: int, vector: Any) -> None:
        self.prime.embed(f"item:{number}", vector)

    def nearest(self, vector: Any, k: int) -> list[int]:
        return [int(hit.id.partition(":")[2]) for hit in self.prime.similar(vector, k=k)]

    def close(self) -> None:
        self.prime.close()


class NumpyVectors(Vectors):
    def load(self, vectors: Any) -> None:
        import numpy

        self.count, self.rows = len(vectors), numpy.empty((len(vectors) * 2, self.dimensions), numpy.float32)
        self.rows[: self.count] = vectors

    def add(self, number: int, vector: Any) -> None:
        self.rows[number] = vector
        self.count = max(self.count, number + 1)

    def nearest(self, vector: Any, k: int) -> list[int]:
        import numpy

        scores = self.rows[: self.count] @ vector
        best = numpy.argpartition(scores, -k)[-k:]
        return [int(number) for number in best[numpy.argsort(-scores[best])]]


class HnswlibVectors(Vectors):
    def load(self, vectors: Any) -> None:
        import hnswlib
        import numpy

        self.index = hnswlib.Index(space="cosine", dim=self.dimensions)
        self.index.init_index(max_elements=len(vectors) * 2, M=CONNECTIVITY, ef_construction=BUILD)
        self.index.set_num_threads(1)
        self.index.add_items(vectors, numpy.arange(len(vectors)))
        self.index.set_ef(LOOK)

    def add(self, number: int, vector: Any) -> None:
        self.index.add_items(vector[None], [number])

    def nearest(self, vector: Any, k: int) -> list[int]:
        return [int(number) for number in self.index.knn_query(vector[None], k)[0][0]]


class FaissVectors(Vectors):
    def load(self, vectors: Any) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self.index = faiss.IndexHNSWFlat(self.dimensions, CONNECTIVITY, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction, self.index.hnsw.efSearch = BUILD, LOOK
        self.index.add(vectors)

    def add(self, number: int, vector: Any) -> None:
        self.index.add(vector[None])

    def nearest(self, vector: Any, k: int) -> list[int]:
        return [int(number) for number in self.index.search(vector[None], k)[1][0]]


class UsearchVectors(Vectors):
    def load(self, vectors: Any) -> None:
        import numpy
        from usearch.index import Index

        self.index = Index(
            ndim=self.dimensions,
            metric="cos",
            dtype="f16",
            connectivity=CONNECTIVITY,
            expansion_add=BUILD,
            expansion_search=LOOK,
        )
        self.index.add(numpy.arange(len(vectors)), vectors, threads=1)

    def add(self, number: int, vector: Any) -> None:
        self.index.add(number, vector)

    def nearest(self, vector: Any, k: int) -> list[int]:
        return [int(number) for number in self.index.search(vector, k).keys]


class SqliteVecVectors(Vectors):
    """Through apsw, since the SQLite of many Pythons loads no extensions."""

    def load(self, vectors: Any) -> None:
        import apsw
        import sqlite_vec

        self.connection = apsw.Connection(str(self.folder / "vectors.db"))
        self.connection.enable_load_extension(True)
        self.connection.load_extension(sqlite_vec.loadable_path())
        for statement in ("pragma journal_mode = wal", "pragma synchronous = normal"):
            self.connection.execute(statement)
        self.connection.execute(
            f"create virtual table items using vec0(embedding float[{self.dimensions}] distance_metric=cosine)"
        )
        with self.connection:
            for number, vector in enumerate(vectors):
                self.add(number, vector)

    def add(self, number: int, vector: Any) -> None:
        self.connection.execute("insert into items(rowid, embedding) values (?, ?)", (number, vector.tobytes()))

    def nearest(self, vector: Any, k: int) -> list[int]:
        query = "select rowid from items where embedding match ? and k = ? order by distance"
        return [number for (number,) in self.connection.execute(query, (vector.tobytes(), k))]

    def close(self) -> None:
        self.connection.close()


class ChromaVectors(Vectors):
    def load(self, vectors: Any) -> None:
        import chromadb

        settings = chromadb.config.Settings(anonymized_telemetry=False)
        client = chromadb.PersistentClient(str(self.folder / "chroma"), settings)
        hnsw = {"space": "cosine", "max_neighbors": CONNECTIVITY, "ef_construction": BUILD, "ef_search": LOOK}
        self.items = client.create_collection("items", configuration={"hnsw": hnsw}, embedding_function=None)
        for first in range(0, len(vectors), BATCH):
            batch = vectors[first : first + BATCH]
            self.items.add([str(first + n) for n in range(len(batch))], embeddings=batch)

    def add(self, number: int, vector: Any) -> None:
        self.items.add([str(number)], embeddings=vector[None])

    def nearest(self, vector: Any, k: int) -> list[int]:
        found = self.items.query(query_embeddings=vector[None], n_results=k, include=[])
        return [int(number) for number in found["ids"][0]]


class LanceVectors(Vectors):
    def load(self, vectors: Any) -> None:
        import lancedb
        import pyarrow
        from lancedb.index import HnswSq

        rows = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), self.dimensions)
        table = pyarrow.table({"number": pyarrow.array(range(len(vectors))), "vector": rows})
        self.items = lancedb.connect(self.folder / "lance").create_table("items", table)
        index = HnswSq(distance_type="cosine", m=CONNECTIVITY, ef_construction=BUILD)
        self.items.create_index("vector", config=index)

    def add(self, number: int, vector: Any) -> None:
        self.items.add([{"number": number, "vector": vector.tolist()}])

    def nearest(self, vector: Any, k: int) -> list[int]:
        query = self.items.search(vector).distance_type("cosine").ef(LOOK).select(["number"]).limit(k)
        return [int(number) for number in query.to_arrow()["number"].to_pylist()]
