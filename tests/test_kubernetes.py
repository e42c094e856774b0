# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes manifests: allowed by the schemas, and holding what they promise.

Kubernetes' own schemas come from `kubernetes-validate`, which `make cloud-test` installs. What a
FlinkDeployment may hold is checked by hand: `FLINK` is the part of its definition that is used
here (flink-kubernetes-operator, `v1beta1`); its pod templates are Kubernetes' own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

FOLDER = "infra/kubernetes"
KUBERNETES = "1.34"
needs_schemas = pytest.mark.skipif(
    importlib.util.find_spec("kubernetes_validate") is None,
    reason="needs kubernetes-validate: `make cloud-test`",
)

_RESOURCE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"memory": {"type": "string"}, "cpu": {"type": "number"}},
}
_PODS = {"podTemplate": {"type": "object"}, "resource": _RESOURCE, "replicas": {"type": "integer"}}
FLINK = {
    "type": "object",
    "required": ["image", "flinkVersion", "serviceAccount", "jobManager", "taskManager"],
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string"},
        "flinkVersion": {"enum": ["v1_19", "v1_20", "v2_0", "v2_1", "v2_2"]},
        "serviceAccount": {"type": "string"},
        "flinkConfiguration": {"type": "object", "additionalProperties": {"type": "string"}},
        "podTemplate": {"type": "object"},
        "jobManager": {"type": "object", "additionalProperties": False, "properties": _PODS},
        "taskManager": {"type": "object", "additionalProperties": False, "properties": _PODS},
    },
}


@pytest.fixture(scope="module")
def manifests(repository: Path) -> list[dict[str, Any]]:
    paths = sorted((repository / FOLDER).glob("*.yaml"))
    found = [item for path in paths for item in yaml.safe_load_all(path.read_text())]
    return [item for item in found if item["kind"] != "Kustomization"]


def pod_templates(manifests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in manifests:
        name, spec = f"{item['kind']}/{item['metadata']['name']}", item.get("spec", {})
        if item["kind"] in {"Deployment", "Job"}:
            yield name, spec["template"]
        if item["kind"] == "FlinkDeployment":
            for part in (spec, spec["jobManager"], spec["taskManager"]):
                if "podTemplate" in part:
                    yield name, part["podTemplate"]


def containers(manifests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, template in pod_templates(manifests):
        for kind in ("initContainers", "containers"):
            for item in template["spec"].get(kind, ()):
                yield f"{name}/{item['name']}", item


def by_kind(manifests: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in manifests if item["kind"] == kind]


def test_every_file_is_in_the_kustomization(repository):
    folder = repository / FOLDER
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert sorted([*listed, "kustomization.yaml"]) == sorted(p.name for p in folder.glob("*.yaml"))


@needs_schemas
def test_manifests_are_what_kubernetes_takes(manifests):
    import kubernetes_validate

    for item in manifests:
        if item["kind"] != "FlinkDeployment":
            kubernetes_validate.validate(item, KUBERNETES, strict=True)
    for name, template in pod_templates(manifests):
        # Flink's operator fills in the image of its own container.
        own = [{"image": "flink", **part} for part in template["spec"].get("containers", ())]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name.rpartition("/")[2].lower()},
            "spec": {**template["spec"], "containers": own},
        }
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_the_flink_deployment_is_what_its_operator_takes(manifests):
    (cluster,) = by_kind(manifests, "FlinkDeployment")
    assert cluster["apiVersion"] == "flink.apache.org/v1beta1"
    jsonschema.validate(cluster["spec"], FLINK)


def test_no_container_runs_as_root_writes_to_its_image_or_keeps_a_capability(manifests):
    names = set()
    for name, item in containers(manifests):
        context = item["securityContext"]
        assert context["readOnlyRootFilesystem"], name
        assert not context["allowPrivilegeEscalation"], name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
        assert "privileged" not in context, name
        names.add(item["name"])
    assert names == {
        *("flink-main-container", "beam-worker-pool", "job-folder", "job-server", "launcher"),
    }
    for name, template in pod_templates(manifests):
        spec = template["spec"]
        if "securityContext" in spec or not name.startswith("Flink"):
            assert spec["securityContext"]["runAsNonRoot"], name
            assert spec["securityContext"]["runAsUser"] > 0, name
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name


def test_what_is_mounted_exists_and_what_is_written_to_is_a_volume(manifests):
    (cluster,) = by_kind(manifests, "FlinkDeployment")
    shared = {item["name"] for item in cluster["spec"]["podTemplate"]["spec"]["volumes"]}
    for name, template in pod_templates(manifests):
        known = {item["name"] for item in template["spec"]["volumes"]} | shared
        for kind in ("initContainers", "containers"):
            for item in template["spec"].get(kind, ()):
                mounts = {mount["name"] for mount in item["volumeMounts"]}
                assert mounts <= known, name
                places = {mount["mountPath"] for mount in item["volumeMounts"]}
                assert "/tmp" in places or item["name"] == "job-folder", name


def test_the_key_comes_from_a_secret_and_is_readable_by_its_owner_only(manifests):
    users = []
    for name, template in pod_templates(manifests):
        for item in template["spec"].get("initContainers", ()):
            assert "install -m 0600 /secret/key /job/key" in item["command"][-1], name
            users.append(name)
    assert users == ["FlinkDeployment/muniment", "Job/muniment-run"]
    assert by_kind(manifests, "Secret") == []
    assert by_kind(manifests, "ConfigMap") == []


def test_nothing_may_talk_unless_a_policy_names_it_and_its_ports(manifests):
    policies = {
        item["metadata"]["name"]: item["spec"] for item in by_kind(manifests, "NetworkPolicy")
    }
    assert policies.pop("deny-all") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        for direction in ("ingress", "egress"):
            for rule in policy.get(direction, ()):
                assert rule["ports"], name
                assert rule.get("from") or rule.get("to") or name == "api-server", name


def test_only_flink_itself_gets_a_token_for_the_api_server(manifests):
    for name, template in pod_templates(manifests):
        if not name.startswith("FlinkDeployment"):
            assert template["spec"]["automountServiceAccountToken"] is False, name


def test_the_launcher_finds_the_job_server_the_cluster_and_the_pools(manifests):
    (job,) = by_kind(manifests, "Job")
    (cluster,) = by_kind(manifests, "FlinkDeployment")
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    flags = dict(item.removeprefix("--").split("=", 1) for item in arguments if "=" in item)
    services = {item["metadata"]["name"]: item["spec"] for item in by_kind(manifests, "Service")}
    host, _, port = flags["job_endpoint"].partition(":")
    assert int(port) in {item["port"] for item in services[host]["ports"]}
    assert flags["flink_master"] == f"{cluster['metadata']['name']}-rest:8081"
    sidecar = cluster["spec"]["taskManager"]["podTemplate"]["spec"]["containers"][0]
    assert f"--port={flags['environment_config'].partition(':')[2]}" in sidecar["command"]
    slots = int(cluster["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"])
    assert int(flags["parallelism"]) == slots * cluster["spec"]["taskManager"]["replicas"]
