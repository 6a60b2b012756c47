"""The known vulnerabilities of what `constraints.txt` pins: any is a failure, and is listed.

Asks PyPI, through pip-audit. Where its advisories cannot be had, it says so and passes: a check
must work without a network, and must not look as if it had found nothing.
"""

import json
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parents[1] / "constraints.txt"


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps"]
    command += ["--progress-spinner", "off", "--format", "json", "--requirement", str(PINS)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if not answer.stdout.startswith("{"):
        reason = answer.stderr.strip().splitlines()[-1:] or ["no answer"]
        print(f"pip-audit: NOT audited, the advisories cannot be had here ({reason[0][:200]})")
        return 0
    packages = json.loads(answer.stdout)["dependencies"]
    skipped = [each for each in packages if "skip_reason" in each]
    vulnerable = [each for each in packages if each.get("vulns")]
    for each in vulnerable:
        ids = ", ".join(vulnerability["id"] for vulnerability in each["vulns"])
        print(f"{each['name']} {each['version']}: {ids}")
    print(
        f"pip-audit: {len(packages) - len(skipped)} packages audited, "
        f"{len(vulnerable)} with known vulnerabilities, {len(skipped)} NOT audited"
    )
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
