//! Tests of the number of requests of a plan: it reads pages of lists, and versions for changed pins, but never each
//! service by itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use amigops::model::Api;

use crate::harness::Lab;

/// Returns a seed with these numbers of services, agents and context graphs, and the manifests of the services.
fn project(services: usize, agents: usize, graphs: usize) -> (String, String) {
    let mut seed = "organizations:\n  acme:\n    agents:\n".to_owned();
    for n in 0..agents {
        writeln!(seed, "      - {{name: Agent {n}, versions: 3}}").unwrap();
    }
    seed.push_str("    context_graphs:\n");
    for n in 0..graphs {
        writeln!(seed, "      - {{name: Graph {n}, versions: 3}}").unwrap();
    }
    seed.push_str("    services:\n");
    let mut manifests = String::new();
    for n in 0..services {
        let (agent, graph) = (n % agents, n % graphs);
        let pins = "version_sets: {release: {agent_version: 2, context_graph_version: 2}}";
        writeln!(seed, "      - {{name: Desk {n}, description: x, agent: Agent {agent}, context_graph: Graph {graph}, tags: {{managed_by: amigops}}, {pins}}}").unwrap();
        write!(manifests, "---\nservice: Desk {n}\ndescription: x\nagent: Agent {agent}\ncontext_graph: Graph {graph}\n{pins}\n").unwrap();
    }
    (seed, manifests)
}

/// Runs a command and returns the number of its GET requests for each path. Ids and queries are removed from the paths.
fn gets(lab: &Lab, args: &[&str]) -> BTreeMap<String, usize> {
    let before = lab.server.requests().len();
    lab.run(args).expect(0);
    let mut gets = BTreeMap::new();
    for record in &lab.server.requests()[before..] {
        assert_eq!((record.method.as_str(), record.status), ("GET", Some(200)), "{}", record.path);
        let path: Vec<&str> = record.path.split('?').next().unwrap().split('/').skip(3).collect();
        let path = if path.len() > 1 { format!("{}/one", path[0]) } else { path[0].to_owned() };
        *gets.entry(path).or_default() += 1;
    }
    gets
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(path, count)| (path.to_owned(), count)).collect()
}

#[test]
fn a_plan_reads_only_pages_of_lists() {
    let (seed, manifests) = project(250, 45, 21);
    let lab = Lab::on(Api::Platform, &seed);
    lab.manifests(&manifests);
    let expected = counts([("services", 3), ("agents", 3), ("context-graphs", 2)]);
    assert_eq!(gets(&lab, &["plan"]), expected);
    // Every pin changes, but the lists already show which versions exist.
    lab.manifests(&manifests.replace("agent_version: 2", "agent_version: 3"));
    assert_eq!(gets(&lab, &["plan"]), expected);
}

#[test]
fn references_by_id_need_no_lists_and_pins_need_only_their_agents() {
    let (seed, mut manifests) = project(250, 25, 25);
    let lab = Lab::on(Api::Platform, &seed);
    for n in (0..25).rev() {
        manifests = manifests.replace(
            &format!("agent: Agent {n}\n"),
            &format!("agent: {{id: {}}}\n", lab.agent_id(&format!("Agent {n}"))),
        );
        let world = lab.server.world();
        let graph = world.workspace(crate::harness::WORKSPACE).unwrap().context_graph(&format!("Graph {n}"));
        manifests = manifests.replace(
            &format!("context_graph: Graph {n}\n"),
            &format!("context_graph: {{id: {}}}\n", graph.unwrap().id),
        );
    }
    lab.manifests(&manifests);
    assert_eq!(gets(&lab, &["plan"]), counts([("services", 3)]));
    // The pins of one agent change in all of its ten services.
    let changes = |agents: usize| {
        let mut changed = String::new();
        for manifest in manifests.split_inclusive("---\n") {
            let number = (0..agents).find(|n| manifest.contains(&lab.agent_id(&format!("Agent {n}"))));
            let version = if number.is_some() { "agent_version: 3" } else { "agent_version: 2" };
            changed.push_str(&manifest.replace("agent_version: 2", version));
        }
        changed
    };
    lab.manifests(&changes(1));
    assert_eq!(gets(&lab, &["plan"]), counts([("services", 3), ("agents/one", 1)]));
    lab.manifests(&changes(5));
    assert_eq!(gets(&lab, &["plan"]), counts([("services", 3), ("agents/one", 5)]));
    // If so many agents change, it takes fewer requests to read the whole list of agents.
    lab.manifests(&changes(6));
    assert_eq!(gets(&lab, &["plan"]), counts([("services", 3), ("agents", 2)]));
}

#[test]
fn a_server_with_a_smaller_page_limit_costs_one_extra_request() {
    let (seed, manifests) = project(45, 2, 2);
    let lab = Lab::on_with(Api::Platform, &seed, |options| options.platform.services_page_max = 20);
    lab.manifests(&manifests.replace("description: x", "description: y"));
    lab.apply().expect(0);
    let lists: Vec<_> =
        lab.server.requests().into_iter().filter(|record| record.path.contains("/services?")).collect();
    let refused = lists.iter().filter(|record| record.status == Some(422)).count();
    assert_eq!(refused, 1, "{lists:?}");
    assert!(lists.iter().skip(1).all(|record| record.path.contains("limit=20")), "{lists:?}");
    assert!(lists[1..4].iter().all(|record| record.status == Some(200)), "{lists:?}");
    assert!(lab.services().iter().all(|service| service.description == "y"));
    lab.expect_converged();
}
