// Adds many services to a project.
import { writeFileSync } from "node:fs";

const [directory, total] = process.argv.slice(2);
const service = number => `service: Service ${number}
description: Helps the members of group ${number % 97} with question ${number}.
agent: Coach Maya
context_graph: Coaching Flow
version_sets:
  release: {agent_version: 2, context_graph_version: 5}
  staging: {agent_version: latest, context_graph_version: 6}
`;
for (let from = 0; from < Number(total); from += 100) {
  const documents = Array.from({ length: 100 }, (_, offset) => service(from + offset));
  writeFileSync(`${directory}/services/many-${from}.yaml`, documents.join("---\n"));
}
