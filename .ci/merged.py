"""Write down, right after a merge, which code of each chapter it holds; the next CI need not run that again."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    """Store the fingerprints of all notebooks that were executed on real data."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        made = json.loads(path.read_text(encoding="utf-8"))["metadata"]["looking_inside"]
        if made["data"] == "real":
            found[path.stem] = made["fingerprint"]
    (ROOT / ".ci" / "merged.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f".ci/merged.json: {', '.join(found)}")


if __name__ == "__main__":
    main()
