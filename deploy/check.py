"""Looks whether the files that others read are in order: compose.yaml, kubernetes/, prometheus-alerts.yaml, Dockerfile.

Prints what they name, as JSON, for the test that knows what there is (crates/server/tests/binary/deployment.rs).
Ends with a complaint when one of them contradicts itself.
"""

import json
import pathlib
import re
import sys

import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).parent
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def check(holds, complaint):
    if not holds:
        sys.exit(f"deploy/check.py: {complaint}")


def compose():
    text = yaml.safe_load((HERE / "compose.yaml").read_text())
    services = text["services"]
    for name, service in services.items():
        check("image" in service, f"{name} has no image")
        check(service.get("read_only") is True, f"the root of {name} can be written to")
        check(service.get("cap_drop") == ["ALL"], f"{name} keeps capabilities")
        check("no-new-privileges:true" in service["security_opt"], f"{name} may gain privileges")
        for secret in service.get("secrets", []):
            check(secret in text["secrets"], f"{name} wants the secret {secret}, which there is not")
        for network in service.get("networks", []):
            check(network in text["networks"], f"{name} is in {network}, which there is not")
        for other, how in service.get("depends_on", {}).items():
            check(other in services, f"{name} waits for {other}, which there is not")
            condition = how["condition"]
            check(condition in CONDITIONS, f"{name} waits for {condition}")
            if condition == "service_healthy":
                # The image of the service has a check of its own.
                check("healthcheck" in services[other], f"{name} waits for the health of {other}, which has no check")
        for key, value in service.get("environment", {}).items():
            named = re.fullmatch(r"/run/secrets/(\w+)", str(value))
            if named:
                check(named[1] in service["secrets"], f"{name}: {key} names a secret that is not mounted")
            if key.endswith("__KEYS__FILE"):
                # A ring that is changed is another file: the mount of the file itself would not show it.
                folders = [volume.split(":")[1] for volume in service["volumes"]]
                check(str(pathlib.PurePath(value).parent) in folders, f"{name}: the folder of the key ring is not mounted")
    used = {secret for service in services.values() for secret in service.get("secrets", [])}
    check(used == set(text["secrets"]), f"secrets that nobody uses: {set(text['secrets']) - used}")
    for port in services["auth"]["ports"]:
        check(port.startswith("127.0.0.1:"), "the service is reachable from outside without TLS")
    auth = services["auth"]
    # The sum of docs/deployment.md, in MiB, with the largest hashes that an import brings.
    threads = int(re.search(r":-(\d+)}", auth["environment"]["FASHIONISTAR_AUTH__PASSWORDS__THREADS"])[1])
    check(30 + threads * 19 + 256 <= int(auth["mem_limit"].removesuffix("m")), "password hashes may take more than mem_limit")
    return auth["environment"]


def kubernetes():
    """Both manifests, by the schemas of the oldest release that is meant and of the newest that is known."""
    variables, kinds = {}, {}
    for file in sorted((HERE / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            for version in ("1.30", kubernetes_validate.latest_version()):
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    check(False, f"{file.name}, {document['kind']}, {version}: {error.message}")
            kinds[document["kind"]] = document
            variables |= document.get("data", {}) if document["kind"] == "ConfigMap" else {}
            pods = document.get("spec", {}).get("template", {}).get("spec")
            if pods:
                variables |= pod(document["kind"], pods)
    deployment, job = kinds["Deployment"]["spec"], kinds["Job"]["spec"]
    check(deployment["template"]["spec"]["containers"][0]["image"] == job["template"]["spec"]["containers"][0]["image"],
          "nodes and the migration are of two releases")
    labels = deployment["template"]["metadata"]["labels"].items()
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec = kinds[kind]["spec"]
        selector = spec.get("podSelector") or spec["selector"]
        check(selector.get("matchLabels", selector).items() <= labels, f"{kind} selects no pod")
    check(not job["template"]["metadata"]["labels"].items() >= kinds["Service"]["spec"]["selector"].items(),
          "the migration is behind the Service")
    limit = int(deployment["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"].removesuffix("Mi"))
    check(30 + int(variables["FASHIONISTAR_AUTH__PASSWORDS__THREADS"]) * 19 + 256 <= limit, "hashes may take more than the limit")
    return variables


def pod(kind, spec):
    """What every pod has to be like; gives the variables of its container."""
    container, volumes = spec["containers"][0], {it["name"]: it for it in spec["volumes"]}
    check(spec["securityContext"]["runAsNonRoot"], f"{kind} runs as root")
    check(spec["automountServiceAccountToken"] is False, f"{kind} gets a token that it does not need")
    rights = container["securityContext"]
    check(rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"], f"{kind} may write, or gain privileges")
    check(rights["capabilities"]["drop"] == ["ALL"], f"{kind} keeps capabilities")
    for mount in container["volumeMounts"]:
        check("subPath" not in mount, f"{kind} mounts by subPath")
        check(volumes[mount["name"]]["secret"]["defaultMode"] == 0o440, f"{kind}: secrets that everybody can read")
    return {it["name"]: it["value"] for it in container.get("env", [])}


def alerts():
    groups = yaml.safe_load((HERE / "prometheus-alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    names = [rule["alert"] for rule in rules]
    check(len(names) == len(set(names)), "two alerts have one name")
    runbooks, metrics = set(), set()
    for rule in rules:
        check(rule["labels"]["severity"] in {"page", "ticket"}, f"{rule['alert']}: severity")
        check(rule["annotations"]["summary"], f"{rule['alert']}: summary")
        expression = rule["expr"]
        check(expression.count("(") == expression.count(")"), f"{rule['alert']}: parentheses")
        check(expression.count("{") == expression.count("}"), f"{rule['alert']}: braces")
        runbooks.add(rule["annotations"]["runbook"])
        metrics |= set(re.findall(r"\b(?:auth|http|process|target)_\w+", re.sub(r"\{[^}]*\}", "", expression)))
    return sorted(metrics), sorted(runbooks)


def dockerfile():
    text = (HERE / "Dockerfile").read_text()
    lines = re.sub(r"\\\n", " ", text).splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    for line in lines:
        check(line.split()[0] in known, f"no instruction of a Dockerfile: {line}")
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM"))
    users = [line for line in lines[last:] if line.startswith("USER")]
    check(users and not re.match(r"USER (0|root)\b", users[-1]), "the image runs as root")
    for line in lines:
        if line.startswith("COPY --from="):
            stage = line.split("=")[1].split()[0]
            check(any(re.search(rf" AS {stage}$", it) for it in lines), f"there is no stage {stage}")
    return dict(re.findall(r"(FASHIONISTAR_AUTH__\w+)=(\S+)", text))


metrics, runbooks = alerts()
print(json.dumps({"compose": compose(), "kubernetes": kubernetes(), "dockerfile": dockerfile(), "metrics": metrics, "runbooks": runbooks}))
