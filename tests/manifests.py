"""Checks deploy/ against schemas: Kubernetes' own, of the oldest and the newest version that kubernetes-validate has,
and those of Istio and Envoy Gateway, from the CRDs in their Go modules. All are strict: an unknown field is a fault.
CEL rules of CRDs are not evaluated. Helm values must be keys of Envoy Gateway's chart."""

import functools
import pathlib
import sys

import chart
import jsonschema
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSIONS = [kubernetes_validate.utils.all_versions()[0], kubernetes_validate.latest_version()]

ISTIO = ("istio.io/api", "v1.31.4", "h1:AcnncYrlDj1PJkym7h88Gggkef4MAra8QpGaXRMsr+E=")
CRDS_OF_GATEWAY = f"{chart.CHART}/charts/crds/crds"
CRDS = {
    "EnvoyFilter": (ISTIO, "kubernetes/customresourcedefinitions.gen.yaml"),
    "BackendTrafficPolicy": (chart.GATEWAY, f"{CRDS_OF_GATEWAY}/generated/gateway.envoyproxy.io_backendtrafficpolicies.yaml"),
    "ClientTrafficPolicy": (chart.GATEWAY, f"{CRDS_OF_GATEWAY}/generated/gateway.envoyproxy.io_clienttrafficpolicies.yaml"),
    "EnvoyProxy": (chart.GATEWAY, f"{CRDS_OF_GATEWAY}/generated/gateway.envoyproxy.io_envoyproxies.yaml"),
    "HTTPRoute": (chart.GATEWAY, f"{CRDS_OF_GATEWAY}/gatewayapi-crds.yaml"),
}


def strict(schema):
    """The schema with unknown fields as faults, unless the CRD preserves them."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        schema["type"] = ["integer", "string"]
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


@functools.cache
def validator(kind, api_version):
    source, path = CRDS[kind]
    for crd in yaml.safe_load_all((chart.module(*source) / path).read_text()):
        if crd and crd["spec"]["names"]["kind"] == kind:
            for version in crd["spec"]["versions"]:
                if f"{crd['spec']['group']}/{version['name']}" == api_version:
                    schema = strict(version["schema"]["openAPIV3Schema"])
                    schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
                    return jsonschema.Draft202012Validator(schema)
    sys.exit(f"no CRD for {kind} of {api_version}")


def envoy_gateway(part):
    """EnvoyGateway has no CRD; its Deployment has the same type as EnvoyProxy's, for which there is one."""
    [deployment] = part["provider"]["kubernetes"].values()
    assert part == {"provider": {"kubernetes": {"rateLimitDeployment": deployment}}}, "nothing else may be merged"
    version = "gateway.envoyproxy.io/v1alpha1"
    provider = {"type": "Kubernetes", "kubernetes": {"envoyDeployment": deployment}}
    validator("EnvoyProxy", version).validate({"apiVersion": version, "kind": "EnvoyProxy", "spec": {"provider": provider}})


def unknown_values(ours, theirs, path=""):
    """Our values that the chart would ignore."""
    for key, value in ours.items():
        if not isinstance(theirs, dict) or key not in theirs:
            yield f"{path}{key}"
        elif isinstance(value, dict):
            yield from unknown_values(value, theirs[key], f"{path}{key}.")


def check(document):
    if document["kind"] in CRDS:
        validator(document["kind"], document["apiVersion"]).validate(document)
        return
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)


def main():
    checked = failed = 0
    for path in sorted((ROOT / "deploy").rglob("*.yaml")):
        if path.name == "values.yaml":
            unknown = list(unknown_values(yaml.safe_load(path.read_text()), yaml.safe_load(chart.values())))
            print(f"{'no such value' if unknown else 'ok'}: {path.relative_to(ROOT)} {' '.join(unknown)}")
            checked, failed = checked + 1, failed + bool(unknown)
            continue
        for document in yaml.safe_load_all(path.read_text()):
            checked += 1
            kind = document.get("kind")
            name = f"{path.relative_to(ROOT)}: " + (f"{kind} {document['metadata']['name']}" if kind else "of EnvoyGateway")
            try:
                check(document) if kind else envoy_gateway(document)
                print(f"ok: {name}")
            except jsonschema.ValidationError as fault:
                failed += 1
                print(f"{name}: {'.'.join(map(str, fault.absolute_path))}: {fault.message}", file=sys.stderr)
    print(f"{checked} manifests, {failed} faulty; Kubernetes {' and '.join(VERSIONS)}")
    sys.exit(failed > 0 or checked == 0)


if __name__ == "__main__":
    main()
