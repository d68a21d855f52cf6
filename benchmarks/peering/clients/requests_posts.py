"""requests with urllib3's Retry, as their documentation has it, in a loop or in threads: ``URL IDS THREADS``."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from benchmarks.peering.clients.batches import HEADERS, PATH, batch_failed, batches, ended, request


def main(url: str, path: str, threads: int) -> None:
    """Delete the ids of a file."""
    retry = Retry(total=5, backoff_factor=0.1, status_forcelist=(500, 502, 503, 504), allowed_methods=None)
    session = requests.Session()
    session.headers.update(HEADERS)
    session.mount("http://", HTTPAdapter(max_retries=retry, pool_maxsize=threads))

    def send(number: int, batch: list[str]) -> int:
        try:
            response = session.post(url + PATH, json=request(batch), timeout=60)
            response.raise_for_status()
            answer = response.json()
        except requests.RequestException as error:
            batch_failed(number, error)
            return 0
        if answer["code"] != 0:
            batch_failed(number, answer)
            return 0
        return len(batch)

    all_of_them = batches(path)
    if threads == 1:
        ended(sum(send(number, batch) for number, batch in enumerate(all_of_them)))
        return
    with ThreadPoolExecutor(threads) as pool:
        ended(sum(pool.map(send, range(len(all_of_them)), all_of_them)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
