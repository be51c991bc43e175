"""Stands in for kubectl and a cluster: `python tests/how_to/cluster.py FOLDER …` with kubectl's arguments.

It holds manifests to the API's schemas, and pods to the Secrets and ConfigMaps that they name. A command in a pod is
run with the programs of the page. What it does not know ends with an error.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import kubernetes_validate
import yaml

VERSION = "1.37"


class Cluster:
    """Its objects by `kind/name`, in a file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "cluster.json"
        self.objects: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def put(self, name: str, manifest: object) -> None:
        before = self.objects.get(name)
        if name.startswith("job/") and before not in (None, manifest):
            stop(f"The Job {name!r} is invalid: spec.template: field is immutable")
        print(f"{name} {'created' if before is None else 'unchanged' if before == manifest else 'configured'}")
        self.objects[name] = manifest
        self._file.write_text(json.dumps(self.objects))

    def take(self, name: str) -> None:
        if self.objects.pop(name, None) is None:
            stop(f'{name} "not found"')
        self._file.write_text(json.dumps(self.objects))
        print(f"{name} deleted")

    def require(self, name: str) -> Any:
        if name not in self.objects:
            stop(f"{name} not found")
        return self.objects[name]


def stop(problem: str) -> NoReturn:
    sys.exit(f"error: {problem}")


def built(folder: Path) -> Iterator[dict[str, Any]]:
    """As `kubectl kustomize`, for resources, images, generated ConfigMaps and patches that name a file."""
    own = yaml.safe_load((folder / "kustomization.yaml").read_text())
    images = {image["name"]: f"{image['newName']}:{image['newTag']}" for image in own.get("images", [])}
    for resource in own.get("resources", []):
        path = folder / resource
        for found in built(path) if path.is_dir() else yaml.safe_load_all(path.read_text()):
            yield _with_images(found, images)
    for generated in own.get("configMapGenerator", []):
        data = dict(literal.split("=", 1) for literal in generated["literals"])
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generated["name"]}, "data": data}
    for patch in own.get("patches", []):
        yaml.safe_load((folder / patch["path"]).read_text())


def _with_images(manifest: dict[str, Any], images: dict[str, str]) -> dict[str, Any]:
    for container in containers(manifest):
        container["image"] = images.get(container["image"], container["image"])
    return manifest


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    if manifest["kind"] not in {"Deployment", "Job"}:
        return []
    pod = manifest["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def apply(cluster: Cluster, folder: Path) -> None:
    for manifest in built(folder):
        kubernetes_validate.validate(manifest, VERSION, strict=True)
        cluster.put(f"{manifest['kind'].lower()}/{manifest['metadata']['name']}", manifest)


def start(cluster: Cluster, name: str) -> None:
    """Its containers start where all that they take their environment from is there."""
    for container in containers(cluster.require(name)):
        for source in container["envFrom"]:
            kind, reference = next(iter(source.items()))
            cluster.require(f"{kind.removesuffix('Ref').lower()}/{reference['name']}")


def main(folder: Path, arguments: Sequence[str]) -> int:
    cluster = Cluster(folder)
    match [*arguments]:
        case ["create", "namespace", name]:
            cluster.put(f"namespace/{name}", None)
        case ["-n", namespace, *_] if f"namespace/{namespace}" not in cluster.objects:
            stop(f'namespaces "{namespace}" not found')
        case ["-n", _, "create", "secret", "generic" | "tls", name, *literals]:
            cluster.put(f"secret/{name}", sorted(literal.split("=")[1] for literal in literals))
        case ["apply", "-k", where]:
            apply(cluster, Path(where))
        case ["-n", _, "wait", "--for=condition=complete", name, _]:
            start(cluster, name)
            print(f"{name} condition met")
        case ["-n", _, "rollout", "status", name]:
            start(cluster, name)
            print(f"{name} successfully rolled out")
        case ["-n", _, "exec", "-i", name, "--", *command]:
            start(cluster, name.replace("deploy/", "deployment/"))
            return subprocess.run(command, check=False).returncode
        case ["-n", _, "delete", kind, name]:
            cluster.take(f"{kind}/{name}")
        case unknown:
            stop(f"unknown command {unknown!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
