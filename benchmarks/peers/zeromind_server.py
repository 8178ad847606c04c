"""0Mind as it is installed: one task, everything else as it comes."""

import json
import os
import sys
from pathlib import Path

from session import FILE, GRPC_PORT, NAME, PORT

if __name__ == "__main__":
    tasks = [{"id": NAME, "model_file": FILE, "threads": 1}]
    Path("pool.json").write_text(json.dumps({"port": PORT, "grpc_port": GRPC_PORT, "tasks": tasks}))
    os.execv(sys.executable, [sys.executable, "-m", "zeromind", "serve", "-c", "pool.json"])
