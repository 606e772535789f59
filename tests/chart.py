"""Envoy Gateway's Helm chart, from its Go module, rendered by Helm's own library. It needs no cluster.

usage: chart.py [VALUES]...

Prints the ConfigMap with Envoy Gateway's configuration as rendered by the chart, with these files of values."""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import helm_python
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
GATEWAY = ("github.com/envoyproxy/gateway", "v1.9.1", "h1:vAVp6/AlBXJ1aOhp1mxL7fNEzVEfjADUguUhm2wzxQY=")
CHART = "charts/gateway-helm"


@functools.cache
def module(path, version, checksum):
    """The directory of a Go module on this machine; `go` downloads it if necessary."""
    # tests/run.sh installs Go there if the machine's is too old
    go = shutil.which("go", path=f"{ROOT}/target/parts/venv/bin:{os.environ['PATH']}")
    command = [go, "mod", "download", "-json", f"{path}@{version}"]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)
    if found["Sum"] != checksum:
        sys.exit(f"{path}@{version}: its checksum is {found['Sum']}, expected {checksum}")
    return pathlib.Path(found["Dir"])


def values():
    """The chart's own values as in a release: the source has placeholders for the image."""
    text = (module(*GATEWAY) / CHART / "values.tmpl.yaml").read_text()
    image = f"docker.io/envoyproxy/gateway:{GATEWAY[1]}"
    return text.replace("${GatewayImage}", image).replace("${GatewayImagePullPolicy}", "IfNotPresent")


def config_map(*overlays):
    """The manifest's text, for a release named `eg`."""
    with tempfile.TemporaryDirectory() as scratch:
        # the CRDs are most of the chart, and not needed
        leave_out = shutil.ignore_patterns("crds")
        chart = shutil.copytree(module(*GATEWAY) / CHART, f"{scratch}/chart", ignore=leave_out, copy_function=shutil.copyfile)
        # a module's directories are read-only
        os.chmod(chart, 0o755)
        pathlib.Path(chart, "values.yaml").write_text(values())
        with helm_python.Chart.load(chart) as loaded:
            rendered = loaded.render(functools.reduce(merged, overlays, {}), name="eg", namespace="envoy-gateway-system")
    return rendered["gateway-helm/templates/envoy-gateway-config.yaml"]


def merged(one, other):
    """Merges two files of values like Helm: maps are merged, and any other value is replaced."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return one | {key: merged(one.get(key), value) for key, value in other.items()}


if __name__ == "__main__":
    print(config_map(*(yaml.safe_load(pathlib.Path(path).read_text()) for path in sys.argv[1:])).strip())
