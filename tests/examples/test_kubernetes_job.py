"""The Kubernetes Job: parsed strictly, and its very command run against the real emulator."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bulkdelete.cli import exits
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.settings import Settings
from tests.examples.processes import BULKDELETE, HERE, KEY, TABLE_ID, code_of, ids, running, until_requests

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (HERE / "kubernetes-job.yaml").read_text()


class Strict(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping, as the API server does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - as its base class has it
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"a key stands twice in {keys}, {node.start_mark}"
        return super().construct_mapping(node, deep)


@pytest.fixture
def parts() -> dict[str, Any]:
    return {part["kind"]: part for part in yaml.load_all(TEXT, Strict)}


@pytest.fixture
def spec(parts) -> dict[str, Any]:
    return parts["Job"]["spec"]


@pytest.fixture
def container(spec) -> dict[str, Any]:
    [container] = spec["template"]["spec"]["containers"]
    return container


def action_after(spec: dict[str, Any], code: int) -> str:
    """Return what the Job does after a pod ended with *code*: ``Count`` is another pod, up to backoffLimit."""
    for rule in spec["podFailurePolicy"]["rules"]:
        if code in rule.get("onExitCodes", {"values": ()})["values"]:
            assert rule["onExitCodes"]["operator"] == "In"
            return rule["action"]
    return "Count"


def test_final_exit_codes_fail_the_job_and_every_other_one_makes_another_pod(spec, container):
    final = {exits.FAILED_ROWS, exits.REFUSED, exits.PERSON_NEEDED}
    assert {code for code in range(1, 256) if action_after(spec, code) == "FailJob"} == final
    [rule] = [rule for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never", "the API server takes a podFailurePolicy with no other"
    assert (spec["parallelism"], spec["completions"]) == (1, 1)


def test_a_pod_is_given_the_time_that_an_answer_may_take_and_every_volume_and_reference_is_there(
    parts, spec, container
):
    pod, http = spec["template"]["spec"], Settings().http
    assert pod["terminationGracePeriodSeconds"] > http.connect_timeout_seconds + http.answer_timeout_seconds
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    claim, config = pod["volumes"]
    assert claim["persistentVolumeClaim"]["claimName"] == parts["PersistentVolumeClaim"]["metadata"]["name"]
    assert config["configMap"]["name"] == parts["ConfigMap"]["metadata"]["name"]


async def test_its_command_ends_with_the_codes_that_it_acts_upon_and_is_done_in_the_end(
    parts, spec, container, tmp_path
):
    records, others = ids(20_000), ids(10, first=90_000)
    [variable] = container["env"]
    secret = variable["valueFrom"]["secretKeyRef"]
    assert f"kubectl create secret generic {secret['name']} --from-file={secret['key']}=key" in TEXT
    (tmp_path / "ids.csv").write_text("\n".join(["record_id", *records]) + "\n")
    async with Emulator(faults=Faults(latency_seconds=1)) as emulator:
        emulator.load(TABLE_ID, records + others)
        command = placed(container["command"], parts["ConfigMap"]["data"], tmp_path, emulator.base_url)
        env = {variable["name"]: f"{KEY}\n"}
        assert action_after(spec, await code_of(*command, **env)) == "FailJob", "the API refused the key"
        emulator.add_key(KEY)
        async with running(*command, **env) as pod:
            await until_requests(emulator, emulator.requests + 2)
            assert await code_of(*command, **env) == exits.RUN_AGAIN, "two pods ran at once"
            pod.process.terminate()
            code, _ = await pod.ended()
            assert (code, action_after(spec, 143)) == (143, "Count")
        assert len(others) < emulator.count(TABLE_ID) < len(records) + len(others)
        emulator.faults = Faults()
        assert await code_of(*command, **env) == 0
        assert list(emulator.remaining(TABLE_ID)) == others


def placed(command: list[str], config: dict[str, str], folder: Path, base_url: str) -> list[str]:
    """Return *command* for this machine, with what the pod mounts in *folder*."""
    [(name, text)] = config.items()
    assert f"/etc/bulkdelete/{name}" in command
    settings = Settings.from_mapping(tomllib.loads(text))
    (folder / name).write_text(text.replace(settings.base_url, base_url).replace('"/purge/', f'"{folder}/'))
    return [*BULKDELETE, *(word.replace("/etc/bulkdelete", str(folder)) for word in command[1:])]
