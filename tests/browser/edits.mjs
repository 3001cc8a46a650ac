// Edits the quickstart's manifests after they were applied: a changed long text, a replacement, a retirement.
import { readFileSync, rmSync, writeFileSync } from "node:fs";

const [directory] = process.argv.slice(2);
const edit = (name, ...pairs) => {
  const path = `${directory}/services/${name}.yaml`;
  const text = readFileSync(path, "utf8");
  const edited = pairs.reduce((text, [from, to]) => text.replace(from, to), text);
  if (edited === text) throw new Error(`${path} is not what it was`);
  writeFileSync(path, edited);
};
const lines = Array.from({ length: 40 }, (_, number) => `  Rule ${number + 1}: say what it means.`).join("\n");

edit("health-coach", ["agent: Coach Maya", "agent: Coach Noor"]);
edit("customer-support", [/^description: .*$/m, `description: |\n  Answers questions on orders and bills.\n${lines}`],
  ["agent_version: 3", "agent_version: 4"]);
edit("meet-and-greet", ["what they need", "what they need and when"]);
rmSync(`${directory}/services/adaptive-support.yaml`);
