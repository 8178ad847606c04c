"""0Mind as it is installed: one task, everything else as it comes."""

import json
import os
import sys
from pathlib import Path

from session import FILE, NAME, PORT

if __name__ == "__main__":
    Path("pool.json").write_text(json.dumps({"port": PORT, "tasks": [{"id": NAME, "model_file": FILE, "threads": 1}]}))
    os.execv(sys.executable, [sys.executable, "-m", "zeromind", "serve", "-c", "pool.json"])
