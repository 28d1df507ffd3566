"""Replicas: serves the same application several times behind the proxy of Ray Serve, on the machines of a Ray cluster.

Each replica has an application of its own (elq/serving/app.py): its own model, queue, limits and metrics. The proxy of Ray
Serve gives each request to one of the replicas. A replica gets requests only when its catalogues are open.
"""

import asyncio
import logging
import signal
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from elq.bulk.cluster import amounts, connected, cores_each, environment
from elq.bulk.job import Job
from elq.encoding.pretrained import GENERAL
from elq.errors import ElqError
from elq.serving.app import make_app
from elq.serving.catalogues import catalogues_of
from elq.serving.settings import Settings
from elq.serving.state import State
from elq.threads import set_threads

log = logging.getLogger(__name__)

NAME = "elq"  # of the application in Ray Serve
OPENING = 600.0  # seconds in which a replica must have opened its catalogues
MARK = "elq cannot serve: "  # in the traces of Ray, what follows on the line is the sentence for the user
_states: list[State] = []  # in the process of a replica: the state of its application


def replica_app(settings: Settings, threads: int) -> FastAPI:
    """The application of one replica. It is made in the process of the replica."""
    set_threads(threads)
    app = make_app(settings)
    _states.append(app.state.elq)
    return app


class Replica:
    """What Ray asks of a replica, besides its application."""

    async def check_health(self) -> None:
        """Wait until the catalogues are open, and say if they cannot be opened. Ray asks before the first request."""
        state, waited = _states[-1], 0.0
        while not state.ready and waited < OPENING:
            if state.failed is not None:
                raise RuntimeError(f"{MARK}{state.failed}")
            await asyncio.sleep(0.1)
            waited += 0.1


def checked(settings: Settings) -> Settings:
    """The settings with absolute paths, since a replica runs in another folder.

    Raises:
        ElqError: there is no such model or catalogue, or their names contradict each other.
    """
    models, catalogues = list[str](), list[str]()
    for served in catalogues_of(settings).values():
        job = Job(output=Path(), model=_absolute(served.model or GENERAL), catalogue=served.file and _absolute(served.file))
        job.plan()  # reads what a replica will open
        if served.file is not None:
            catalogues.append(f"{served.name}={job.catalogue}")
        elif served.model is not None:
            models.append(f"{served.name}={job.model}")
    feedback = str(Path(settings.feedback).resolve()) if settings.feedback else ""
    return replace(settings, model=tuple(models), catalogue=tuple(catalogues), feedback=feedback)


def _absolute(name: str) -> str:
    path = Path(name).expanduser()
    return str(path.resolve()) if path.exists() else name


def deployed(settings: Settings, replicas: int, ray: Any) -> Any:
    """The application of Ray Serve with a number of replicas."""
    from ray import serve

    cards = settings.device.startswith("cuda")
    threads = cores_each(amounts(ray, "CPU"), replicas)

    def build() -> FastAPI:
        return replica_app(settings, threads)

    deployment: Any = serve.deployment(
        serve.ingress(build)(Replica),
        name=NAME,
        num_replicas=replicas,
        ray_actor_options={"num_cpus": threads, "num_gpus": int(cards), "runtime_env": environment()},
        max_ongoing_requests=2 * settings.max_queue,  # above what the queue takes, so that the replica itself says 429
        health_check_timeout_s=OPENING,
        graceful_shutdown_timeout_s=settings.timeout + 1,
        graceful_shutdown_wait_loop_s=0.5,
    )
    return deployment.bind()


def start_replicas(settings: Settings, replicas: int, ray: Any) -> str:
    """Start the proxy and the replicas. Returns the address when all replicas answer.

    Args:
        settings: the settings of each replica, and the address of the proxy.
        replicas: the number of replicas.
        ray: the module, connected.

    Raises:
        ElqError: the address cannot be used, or the replicas cannot open their catalogues.
    """
    from ray import serve
    from ray.serve.schema import LoggingConfig

    port = settings.port or _free_port(settings.host)
    quiet = LoggingConfig(log_level="ERROR", enable_access_log=False)
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    options = {"host": settings.host, "port": port, "request_timeout_s": settings.timeout + 5}
    try:
        serve.start(http_options=options, proxy_location="EveryNode", logging_config=quiet)
        serve.run(deployed(settings, replicas, ray), name=NAME, route_prefix="/", logging_config=quiet)
    except RuntimeError as error:
        states = serve.status().applications
        text = "\n".join([str(error), *(one.message for each in states.values() for one in each.deployments.values())])
        said = text.partition(MARK)[2].splitlines()[:1]
        reason = said[0] if said else " ".join(text.split())[:300]
        raise ElqError(
            f"Ray Serve could not start {replicas} replicas ({reason}): correct this, or serve without them"
        ) from None
    return f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{port}"


def _free_port(host: str) -> int:
    """A port that is free now. The proxy of Ray Serve needs a number."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.bind((host, 0))
        return int(tried.getsockname()[1])


def serve_replicas(settings: Settings, replicas: int, address: str) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: the settings of each replica.
        replicas: the number of replicas.
        address: the address of the Ray cluster; "": see :func:`elq.bulk.cluster.connected`.

    Raises:
        ElqError: there is no cluster, or the replicas cannot start.
    """
    settings = checked(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with connected(address) as ray:
        from ray import serve

        try:
            place = start_replicas(settings, replicas, ray)
            log.info("elq serves at %s, replicas: %s", place, replicas)
            while not stop.wait(0.5):
                pass
        finally:
            if NAME in serve.status().applications:
                serve.delete(NAME)  # when it has answered what it took; the proxy belongs to the cluster, and stays
