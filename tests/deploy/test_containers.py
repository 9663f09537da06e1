"""The image, the compose file and the cluster's configuration name what there is, and agree with each other."""

import fnmatch
import json
import re

import pytest
import yaml

from app.server import create_app
from app.settings import ROOT, Settings
from app.stopping import END_SECONDS

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVE = yaml.safe_load((DEPLOY / "serve.yaml").read_text("utf-8"))
KUBERAY = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text("utf-8"))
SETTINGS = {name.upper() for name in Settings.model_fields}
COPIED = sorted({
    source
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    for source in line.split()[:-1]
})  # fmt: skip


def allowed() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def test_everything_that_is_copied_is_there_and_not_ignored():
    assert COPIED
    for source in COPIED:
        assert (ROOT / source).exists(), source
        assert any(pattern == source or pattern.startswith(f"{source}/") for pattern in allowed()), source


def test_nothing_is_let_through_that_nobody_copies():
    for pattern in allowed():
        assert any(pattern == source or pattern.startswith(f"{source}/") for source in COPIED), pattern


def test_the_models_that_serve_are_in_the_image_and_those_to_train_on_are_not():
    weights = [path.relative_to(ROOT).as_posix() for path in (ROOT / "weights").rglob("*") if path.is_file()]
    shipped = {path for path in weights if any(fnmatch.fnmatch(path, pattern) for pattern in allowed())}
    assert {"weights/audio_bilstm.onnx", "weights/fer_resnet.onnx"} <= shipped
    assert not [path for path in shipped if path.endswith(".pt")]


def test_both_images_serve_as_somebody_who_is_not_root():
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    final = [stage for stage in stages if "CMD [" in stage]
    assert [stage.partition(" AS ")[2].split()[0] for stage in final] == ["cluster", "server"]
    for stage in final:
        assert stage.index("USER emotions") < stage.rindex("\nCMD [")


def test_images_install_nothing_but_what_a_lock_has_by_hash():
    installs = re.findall(r"\b((?:pip|npm) \S+)(.*)$", DOCKERFILE.partition("\nFROM ")[2], re.MULTILINE)
    assert sorted(installs) == [
        ("npm ci", " --omit=dev --ignore-scripts"),
        ("pip install", " --require-hashes -r requirements-cluster.lock"),
        ("pip install", " --require-hashes -r requirements-serve.lock"),
    ]


def test_every_image_that_is_built_on_can_be_named_by_its_digest():
    named = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    bases = re.findall(r"^FROM (\S+) AS (\w+)$", DOCKERFILE, re.MULTILINE)
    stages = {stage for _, stage in bases}
    assert {base for base, _ in bases} - stages == {f"${{{name}}}" for name in named}
    page = (ROOT / "docs" / "supply-chain.md").read_text("utf-8")
    for name, image in named.items():
        assert f"--build-arg {name}={image}@sha256:" in page


def test_names_in_capitals_that_the_image_and_the_configurations_set_are_settings():
    told = set(COMPOSE["services"]["server"]["environment"])
    told |= {name for application in SERVE["applications"] for name in application["runtime_env"]["env_vars"]}
    (line,) = re.findall(r"^ENV (HOST=.*)$", DOCKERFILE, re.MULTILINE)
    told |= set(re.findall(r"(\w+)=", line))
    assert told <= SETTINGS
    values = {name.lower(): value for application in SERVE["applications"]
              for name, value in application["runtime_env"]["env_vars"].items()}  # fmt: skip
    Settings(_env_file=None, **values)


def test_what_compose_mounts_is_there():
    mounts = [
        volume.split(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    ]
    assert "./grafana/provisioning" in mounts
    for mount in mounts:
        assert (DEPLOY / mount).exists(), mount


def test_prometheus_finds_the_server_and_grafana_finds_prometheus():
    alone = (DEPLOY / "prometheus.yml").read_text("utf-8")
    port = Settings(_env_file=None).port
    (static,) = yaml.safe_load(alone)["scrape_configs"][0]["static_configs"]
    assert static["targets"] == [f"localhost:{port}"]
    assert yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"]) == yaml.safe_load(
        alone.replace(f"localhost:{port}", f"server:{port}")
    )
    prometheus = COMPOSE["services"]["prometheus"]
    (config,) = prometheus["configs"]
    assert config["source"] == "prometheus"
    assert f"--config.file={config['target']}" in prometheus["command"]
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))[
        "datasources"
    ]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/emotions.yml").read_text("utf-8"))[
        "providers"
    ]
    (dashboard,) = (volume.split(":")[:2] for volume in COMPOSE["services"]["grafana"]["volumes"] if ".json:" in volume)
    assert dashboard[1].startswith(provider["options"]["path"] + "/")
    variables = json.loads((DEPLOY / dashboard[0]).read_text("utf-8"))["templating"]["list"]
    assert any(each["type"] == "datasource" and each["query"] == source["type"] for each in variables)


def test_kubernetes_is_told_the_same_as_serve_run():
    assert yaml.safe_load(KUBERAY["spec"]["serveConfigV2"]) == SERVE


def test_kubernetes_runs_the_ray_that_is_pinned_in_the_image_that_is_built():
    cluster = KUBERAY["spec"]["rayClusterConfig"]
    pin = f"ray[serve]=={cluster['rayVersion']}"
    for requirements in ("requirements-cluster.txt", "requirements-dev.txt"):
        assert pin in (ROOT / requirements).read_text("utf-8")
    assert f"\nray=={cluster['rayVersion']}\n" in (ROOT / ".ci" / "constraints.txt").read_text("utf-8")
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    (image,) = {container["image"] for pod in pods for container in pod["template"]["spec"]["containers"]}
    assert image.rpartition("/")[2].partition(":")[0] == "emotion-cluster"
    assert "emotion-cluster --target cluster" in DOCKERFILE


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_serve_takes_the_configuration_and_knows_every_deployment_in_it():
    from ray.serve.schema import ServeDeploySchema

    from app.inference.ray import APPLICATION, FACE, VOICE

    (application,) = ServeDeploySchema.model_validate(SERVE).applications
    assert (application.name, application.import_path) == (APPLICATION, "app.cluster:app")
    assert {deployment.name for deployment in application.deployments} == {"Ingress", VOICE, FACE}


def test_nginx_has_room_for_as_many_connections_and_requests_of_an_address_as_the_server():
    nginx = (DEPLOY / "nginx.conf").read_text("utf-8")
    settings = Settings(_env_file=None)
    assert f"limit_conn connections {settings.max_connections_per_address};" in nginx
    assert f"zone=requests:1m rate={settings.max_requests_per_address:g}r/s;" in nginx
    assert f"limit_req zone=requests burst={10 * settings.max_requests_per_address:g} nodelay;" in nginx


def test_the_server_in_containers_believes_the_network_by_which_a_proxy_comes():
    (network,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    assert COMPOSE["services"]["server"]["environment"]["TRUSTED_PROXIES"] == network["gateway"]


def test_a_balancer_in_front_of_ray_is_not_taken_for_everybody_who_comes_by_it():
    (application,) = SERVE["applications"]
    told = application["runtime_env"]["env_vars"]["TRUSTED_PROXIES"]
    assert Settings(_env_file=None, trusted_proxies=told).trusted_proxies == (told,)


def test_plain_kubernetes_runs_the_server_as_it_is():
    deployment, service, scaler = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    env = {each["name"]: each.get("value") for each in container["env"]}
    assert set(env) <= SETTINGS
    settings = Settings(_env_file=None, **{name.lower(): value for name, value in env.items() if value is not None})
    (port,) = container["ports"]
    assert port["containerPort"] == settings.port
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    labels = deployment["spec"]["selector"]["matchLabels"]
    assert labels == pod["metadata"]["labels"] == service["spec"]["selector"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert container["image"].rpartition("/")[2].partition(":")[0] == "emotion-server"
    assert f"--uid {pod['spec']['securityContext']['runAsUser']} " in DOCKERFILE
    probes = [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")]
    paths = set(create_app(settings).openapi()["paths"])
    assert set(probes) <= paths
    assert pod["spec"]["terminationGracePeriodSeconds"] > END_SECONDS + 5  # as long as it waits before it is told


def test_images_hold_the_licence_and_what_there_is_to_know_of_the_weights():
    for stage in ("cluster", "server"):
        lines = DOCKERFILE.split(f" AS {stage}\n")[1].split("\nFROM ")[0]
        assert "COPY LICENSE ./" in lines
    assert "!weights/*.md" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
