"""Holds what `amigops validate --format sarif` writes against the schema of the standard.

    python sarif.py BINARY

The projects are the table of broken manifests (tests/broken), the examples, and a directory without any.
sarif-2.1.0.json is, unchanged, Schemata/sarif-schema-2.1.0.json of OASIS' repository oasis-tcs/sarif-spec.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import jsonschema_rs

HERE = pathlib.Path(__file__).resolve().parent
BROKEN = HERE.parent / "broken"
EXAMPLES = HERE.parent.parent / "examples"


def projects(top):
    """Directories with projects: each whole one, and one for the single manifests of each API."""
    for api in ("classic", "platform"):
        project = top / api
        (project / "services").mkdir(parents=True)
        shutil.copy(BROKEN / "projects" / f"{api}.yaml", project / "amigops.yaml")
        for manifest in sorted(BROKEN.glob("*.yaml")):
            if manifest.name.startswith("platform-") == (api == "platform"):
                shutil.copy(manifest, project / "services")
        yield project
    yield from sorted(path.parent for path in BROKEN.glob("*/amigops.yaml"))
    yield from sorted(path.parent for path in EXAMPLES.glob("*/amigops.yaml"))
    empty = top / "empty"
    empty.mkdir()
    yield empty


def main():
    binary = sys.argv[1]
    text = (HERE / "sarif-2.1.0.json").read_text(encoding="utf-8")
    # As published, the pattern of languages has a bracket too many, and is none to a strict reader.
    schema = json.loads(text.replace("{2}]?$", "{2}$"))
    validator = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
    documents = results = failures = 0
    with tempfile.TemporaryDirectory() as top:
        for project in projects(pathlib.Path(top)):
            command = [binary, "validate", "--format", "sarif", "-C", str(project)]
            run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
            document = json.loads(run.stdout)
            documents += 1
            results += len(document["runs"][0]["results"])
            for error in validator.iter_errors(document):
                failures += 1
                print(f"{project.name}: {error.message} at {error.instance_path}")
    if results < 90:
        failures += 1
        print(f"{results} results: these are not the projects")
    print(f"{documents} documents, {results} results, {failures} failures")
    return 1 if failures else 0


sys.exit(main())
