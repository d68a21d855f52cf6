"""boto3's delete_objects in threads, with its standard retries: ``URL IDS``."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.peering.clients.batches import AT_ONCE, batch_failed, batches, ended, record_failed


def main(url: str, path: str) -> None:
    """Delete the ids of a file."""
    config = Config(max_pool_connections=AT_ONCE, retries={"mode": "standard", "total_max_attempts": 5})
    client = boto3.client("s3", endpoint_url=url, config=config)

    def send(number: int, batch: list[str]) -> int:
        try:
            answer = client.delete_objects(Bucket="records", Delete={"Objects": [{"Key": key} for key in batch]})
        except (BotoCoreError, ClientError) as error:
            batch_failed(number, error)
            return 0
        for refused in answer.get("Errors", []):
            record_failed(refused["Key"], refused["Message"])
        return len(answer.get("Deleted", []))

    all_of_them = batches(path)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended(sum(pool.map(send, range(len(all_of_them)), all_of_them)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
