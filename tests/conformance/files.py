"""The examples' files against the schemas of schema/, as a validator of others reads both.

Arguments: the top of the repository, and the binary, which makes plans of the examples. Every document of every
example and every plan must be accepted, and every broken one below refused. The last line of the output tells how many there were.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CHECK = [sys.executable, "-m", "check_jsonschema"]

# One mistake each, in files that are good otherwise.
SERVICE = "service: A\nagent: B\ncontext_graph: C\n"
PROJECT = "version: 1\nmanifests: [a.yaml]\n"
SANDBOX = "environments: {sandbox: {api: embedded}}\n"
BROKEN = {
    "service": [
        "agent: B\ncontext_graph: C\n",
        "service: ' '\n",
        "service: 7\n",
        SERVICE + "name: A\n",
        SERVICE + "active: yes\n",
        SERVICE + "keyterms: metformin\n",
        SERVICE + "tags: {tier: 1}\n",
        SERVICE + "tags: [gold]\n",
        "service: A\nagent: {id: 123}\n",
        "service: A\nagent: {id: 6618791275530b73714e9d18, name: B}\n",
        SERVICE + "version_sets: {edge: {}}\n",
        SERVICE + "version_sets: {'my set': {}}\n",
        SERVICE + "version_sets: {release: {agent_version: 0}}\n",
        SERVICE + "version_sets: {release: {agent_version: '3'}}\n",
        SERVICE + "version_sets: {release: {agent_version: newest}}\n",
        SERVICE + "version_sets: {release: {llm_model_preferences: {E: {llm_name: m, temperature: 1}}}}\n",
        SERVICE
        + "version_sets: {release: {llm_model_preferences: {E: {llm_name: m, experience_controls: {top_p: 2}}}}}\n",
        SERVICE + "lifecycle: {retire: remove}\n",
        SERVICE + "lifecycle: {ignore: [version_sets.dev.pins]}\n",
        SERVICE + "smoke: [{says: Hello}]\n",
        SERVICE + "tool_capacity: 11\n",
        SERVICE + "channel_type: fax\n",
        SERVICE + "voice_config: {filler_style: loud}\n",
        SERVICE + "voice_config: {forwarding: {number: '+12025550100'}}\n",
        SERVICE + "environments: {staging: {service: B}}\n",
        SERVICE + "environments: {staging: {environments: {}}}\n",
        SERVICE + "environments: {staging: {tool_capacity: 0}}\n",
    ],
    "project": [
        "version: 1\nmanifests: [a.yaml]\n",
        "version: 2\nmanifests: [a.yaml]\n" + SANDBOX,
        "version: 1\nmanifests: []\n" + SANDBOX,
        PROJECT + "environments: {}\n",
        PROJECT + "environments: {sandbox: {}}\n",
        PROJECT + "environments: {sandbox: {api: embedded, organization: acme}}\n",
        PROJECT + "environments: {live: {api: platform, workspace: acme}}\n",
        PROJECT + "environments: {live: {api: classic, base_url: 'http://example.com'}}\n",
        PROJECT + "environments: {live: {api: classic, credentials: {api_key: sk-123}}}\n",
        PROJECT + SANDBOX + "defaults: {service: A}\n",
        PROJECT + SANDBOX + "defaults: {active: 1}\n",
        PROJECT + SANDBOX + "ownership: {tag: managed-by}\n",
        PROJECT + SANDBOX + "guardrails: {max_removals: 101%}\n",
        PROJECT + SANDBOX + "guardrails: ~\n",
    ],
    "seed": [
        "organisations: {}\n",
        "organizations: {acme: {agents: [{versions: 2}]}}\n",
        "organizations: {acme: {agents: [{name: A, versions: two}]}}\n",
        "organizations: {acme: {api_keys: [{id: a, key: b, user: c, permissions: [All]}]}}\n",
        "workspaces: {acme: {}}\n",
        "workspaces: {sandbox: {services: [{name: A, agent: B, context_graph: C, tool_capacity: 11}]}}\n",
    ],
    "faults": [
        "fault: refuse\n",
        "faults: [{nth: 2}]\n",
        "faults: [{fault: loose_answer}]\n",
        "faults: [{fault: delay}]\n",
        "faults: [{fault: close, millis: 5}]\n",
        "faults: [{fault: answer, status: 99}]\n",
        "faults: [{fault: refuse, method: get}]\n",
        "faults: [{fault: refuse, nth: 0}]\n",
    ],
}


def examples(root):
    """The examples' documents by schema."""
    top = root / "examples"
    services = [file for example in top.iterdir() for file in sorted(example.glob("services/**/*.yaml"))]
    documents = [text for file in services for text in re.split(r"(?m)^---$", file.read_text(encoding="utf-8"))]
    return {
        "service": documents,
        "project": [file.read_text(encoding="utf-8") for file in sorted(top.glob("*/amigops.yaml"))],
        "seed": [file.read_text(encoding="utf-8") for file in sorted(top.glob("*/*seed*.yaml"))],
        "faults": [file.read_text(encoding="utf-8") for file in sorted(top.glob("*faults*.yaml"))],
    }


def plans(root, binary):
    """Plans of the examples: everything is to be made, then nothing, then a service is to be replaced."""
    made = []
    with tempfile.TemporaryDirectory() as directory:
        for example in ("quickstart", "clinic", "voice"):
            project = pathlib.Path(directory) / example
            shutil.copytree(root / "examples" / example, project, ignore=shutil.ignore_patterns(".amigops"))

            def run(*arguments, project=project):
                command = [binary, *arguments, "-C", str(project)]
                return subprocess.run(command, capture_output=True, text=True, check=True).stdout

            made.append(run("plan", "--format", "json"))
            if example == "quickstart":
                run("apply", "--auto-approve")
                made.append(run("plan", "--format", "json"))
                manifest = project / "services" / "health-coach.yaml"
                text = manifest.read_text(encoding="utf-8")
                assert "agent: Coach Maya" in text
                manifest.write_text(text.replace("agent: Coach Maya", "agent: Coach Noor"), encoding="utf-8")
                (project / "services" / "adaptive-support.yaml").unlink()
                made.append(run("plan", "--prune", "--format", "json"))
    actions = {step["action"] for text in made for step in json.loads(text)["steps"]}
    missing = {"create", "write_version_set", "hand_over", "retire"} - actions
    assert not missing, f"no plan has {missing}"
    return made


def broken_plans(good):
    """One mistake each."""
    def broken(change):
        plan = json.loads(good)
        change(plan)
        return json.dumps(plan)

    return [
        broken(lambda plan: plan.pop("format_version")),
        broken(lambda plan: plan.update(applied=True)),
        broken(lambda plan: plan["summary"].pop("adopt")),
        broken(lambda plan: plan["steps"][0].update(action="destroy")),
        broken(lambda plan: plan["steps"][0].pop("does")),
        broken(lambda plan: plan["steps"][0]["does"].pop("name")),
        broken(lambda plan: plan["steps"][0].update(risk="high")),
        broken(lambda plan: plan["steps"][0].update(changes=[{"path": "a", "before": 1, "after": 2, "cause": "you"}])),
        broken(lambda plan: plan.update(fingerprints=[{"of": {"agent": "a"}, "name": "A", "seen": {}}])),
    ]


def check(schema, documents, directory):
    """Which of the documents are refused, by number, each with the first reason."""
    files = []
    for number, text in enumerate(documents):
        files.append(directory / f"{number}.yaml")
        files[-1].write_text(text, encoding="utf-8")
    command = [*CHECK, "--output-format", "json", "--schemafile", str(schema), *map(str, files)]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    if answer.get("parse_errors"):
        raise SystemExit(f"unreadable: {answer['parse_errors']}")
    return {int(pathlib.Path(error["filename"]).stem): error["message"] for error in answer["errors"]}


def main():
    root = pathlib.Path(sys.argv[1])
    schemas = sorted((root / "schema").glob("*.schema.json"))
    subprocess.run([*CHECK, "--check-metaschema", *map(str, schemas)], check=True)
    good, wrong = examples(root), []
    good["plan"] = plans(root, sys.argv[2])
    BROKEN["plan"] = broken_plans(good["plan"][0])
    with tempfile.TemporaryDirectory() as directory:
        for name, broken in BROKEN.items():
            schema = root / "schema" / f"{name}.schema.json"
            if not good[name]:
                wrong.append(f"{name}: there is no example")
            for number, reason in check(schema, good[name], pathlib.Path(directory)).items():
                wrong.append(f"{name}: {reason}\n{good[name][number]}")
            refused = check(schema, broken, pathlib.Path(directory))
            wrong += [f"{name}: accepted\n{text}" for number, text in enumerate(broken) if number not in refused]
    print("\n".join(wrong))
    accepted, refused = (sum(map(len, lists.values())) for lists in (good, BROKEN))
    print(f"{accepted} documents accepted, {refused} broken ones refused" if not wrong else f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
