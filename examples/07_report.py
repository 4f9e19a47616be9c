"""Hash the files of a folder, slowly, and report it to a server elsewhere.

Run it with `python examples/07_report.py [SERVER [FOLDER]]`.
"""

import hashlib
import os
import sys
import time
from pathlib import Path

import progress


def main(server: str = "http://127.0.0.1:8000", folder: str = ".") -> None:
    """Whether anybody takes the reports or not."""
    print(f"see {server}")  # noqa: T201
    lease = float(os.environ.get("LEASE", "60"))
    with progress.remote(server, f"hashing {folder} with Python", lease=lease) as report:
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        report.update(unit="files")
        digest = hashlib.sha256()
        for path in report.track(files):
            report.update(message=path.name)
            digest.update(path.read_bytes())
            time.sleep(0.05)
        report.result = digest.hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
