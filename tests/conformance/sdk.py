"""Drives the emulator's Classic API with the vendor's SDK, and checks what comes back.

Where and as whom is told by the SDK's own variables (AMIGO_BASE_URL and so on). One line per check.
"""

import sys

from amigo_sdk import AmigoClient
from amigo_sdk.errors import BadRequestError, ConflictError, NotFoundError, ValidationError
from amigo_sdk.generated.model import (
    GetAgentsParametersQuery,
    GetAgentVersionsParametersQuery,
    GetServiceHierarchicalStateMachinesParametersQuery,
    GetServiceHierarchicalStateMachineVersionsParametersQuery,
    LLMConfigInput,
    LLMType,
    ServiceCreateServiceRequest,
    ServiceUpdateServiceRequest,
    ServiceUpsertServiceVersionSetRequest,
    VersionSetInput,
)
from amigo_sdk.models import (
    ConversationCreateConversationRequest,
    CreateConversationParametersQuery,
    GetConversationsParametersQuery,
    GetServicesParametersQuery,
)

AGENT = "aaaaaaaaaaaaaaaaaaaaaaa1"
GRAPH = "bbbbbbbbbbbbbbbbbbbbbbb1"
HEALTH_COACH = "ccccccccccccccccccccccc1"
MISSING = "eeeeeeeeeeeeeeeeeeeeeeee"

requests = 0
failures = []
checks = 0


def count(_request):
    global requests
    requests += 1


def check(what, found, expected):
    global checks
    checks += 1
    if found == expected:
        print(f"ok      {what}")
    else:
        failures.append(what)
        print(f"FAILED  {what}: {found!r} instead of {expected!r}")


def refused(what, kind, call):
    try:
        found = f"accepted: {call()!r}"
    except Exception as error:
        found = type(error).__name__
    check(what, found, kind.__name__)


def pins(agent, graph, llms=None):
    """A version set's body. The SDK leaves nulls out of it, so `latest` can't be said."""
    version_set = VersionSetInput(
        agent_version_number=agent,
        service_hierarchical_state_machine_version_number=graph,
        llm_model_preferences=llms or {},
    )
    return ServiceUpsertServiceVersionSetRequest(version_set=version_set)


def new(name, active=True):
    return ServiceCreateServiceRequest(
        service_hierarchical_state_machine_id=GRAPH,
        agent_id=AGENT,
        name=name,
        description=f"{name}, made by the SDK",
        is_active=active,
        keyterms=["blood pressure"],
        tags={},  # the SDK can't send any: it fails on its own type of keys
    )


def plain(text):
    """A text as it is: some of the SDK's models wrap one."""
    return getattr(text, "root", text)


def catalog(client):
    agents = client.agents.get_agents(GetAgentsParametersQuery(limit=2))
    check("agents: the first page", [agent.name for agent in agents.agents], ["Coach Maya", "Coach Noor"])
    rest = client.agents.get_agents(
        GetAgentsParametersQuery(limit=2, continuation_token=agents.continuation_token)
    )
    check("agents: the last page", ([a.name for a in rest.agents], rest.has_more), (["Old Coach"], False))
    versions = client.agents.get_agent_versions(
        AGENT, GetAgentVersionsParametersQuery(version="2-4", sort_by=["-version"])
    )
    check("versions of an agent", [version.version for version in versions.agent_versions], [4, 3, 2])
    graphs = client.context_graphs.get_context_graphs(
        GetServiceHierarchicalStateMachinesParametersQuery(limit=50)
    )
    names = [graph.name for graph in graphs.service_hierarchical_state_machines]
    check("context graphs", names, ["Coaching Flow", "Onboarding"])
    versions = client.context_graphs.get_context_graph_versions(
        GRAPH, GetServiceHierarchicalStateMachineVersionsParametersQuery(version="latest")
    )
    check("the latest version of a graph", [v.version for v in versions.state_machine_versions], [6])


def services(client):
    def show(id):
        return client.services.get_services(GetServicesParametersQuery(id=[id])).services[0]

    made = [client.services.create_service(new(f"Made {n:02}")).id for n in range(25)]
    check("25 services are made", len(set(made)), 25)
    seen, token = [], 0
    while token is not None:
        page = client.services.get_services(GetServicesParametersQuery(limit=10, continuation_token=token))
        check(f"page at {token}: filter values", page.filter_values is None, token > 0)
        seen += [service.id for service in page.services]
        token = page.continuation_token
    check("all pages together show each once", [id for id in seen if id in made], made)
    page = client.services.get_services(GetServicesParametersQuery(is_active=False))
    check("inactive services", [service.name for service in page.services], ["Draft"])
    page = client.services.get_services(GetServicesParametersQuery(tags=["team:care"]))
    check("services by tag", [service.id for service in page.services], [HEALTH_COACH])
    page = client.services.get_services(GetServicesParametersQuery(sort_by=["-name"], limit=1))
    check("services by name, the last first", page.services[0].name, "Made 24")
    born = show(made[0])
    check("born with", sorted(born.version_sets), ["edge", "release"])
    check("keyterms are kept", born.keyterms, ["blood pressure"])
    refused("a name that is taken", ConflictError, lambda: client.services.create_service(new("Made 00")))

    update = ServiceUpdateServiceRequest(name="Renamed", tags={}, keyterms=[])
    client.services.update_service(made[0], update)
    after = show(made[0])
    check("an update", (after.name, after.keyterms), ("Renamed", []))
    check("what wasn't sent stays", after.description, "Made 00, made by the SDK")
    client.services.update_service(made[0], ServiceUpdateServiceRequest(is_active=False))
    check("a service is deactivated", show(made[0]).is_active, False)
    refused(
        "an update of nothing",
        NotFoundError,
        lambda: client.services.update_service(MISSING, ServiceUpdateServiceRequest(name="x")),
    )

    def upsert(name, body):
        return client.services.upsert_version_set(made[1], name, body)

    llms = {"EngageUser": LLMConfigInput(llm_name=LLMType("openai_gpt-5.2-2025-12-11"), params={"top_p": 1})}
    upsert("preview", pins(2, 3, llms))
    found = show(made[1]).version_sets["preview"]
    numbers = (found.agent_version_number, found.service_hierarchical_state_machine_version_number)
    check("a version set is made", numbers, (2, 3))
    check("its LLM", plain(found.llm_model_preferences["EngageUser"].llm_name), "openai_gpt-5.2-2025-12-11")
    upsert("preview", pins(4, 6))
    found = show(made[1]).version_sets["preview"]
    check("a version set is replaced", (found.agent_version_number, found.llm_model_preferences), (4, {}))
    refused("an unknown version", BadRequestError, lambda: upsert("preview", pins(99, 1)))
    refused("a set named edge", BadRequestError, lambda: upsert("edge", pins(1, 1)))
    refused("a bad name", ValidationError, lambda: upsert("a.b", pins(1, 1)))
    refused("`latest`, which the SDK leaves out", ValidationError, lambda: upsert("x", pins(None, 1)))
    client.services.delete_version_set(made[1], "preview")
    check("a version set is deleted", sorted(show(made[1]).version_sets), ["edge", "release"])
    refused(
        "its second deletion", NotFoundError, lambda: client.services.delete_version_set(made[1], "preview")
    )
    refused(
        "the deletion of release",
        BadRequestError,
        lambda: client.services.delete_version_set(made[1], "release"),
    )


def conversations(client):
    body = ConversationCreateConversationRequest(service_id=HEALTH_COACH, initial_message="Good morning")
    every = CreateConversationParametersQuery(response_format="text")
    none = CreateConversationParametersQuery(response_format="text", current_agent_action_type="^$")

    def start(query=none):
        # The SDK refuses an event that the schema doesn't know.
        return [event.root for event in client.conversations.create_conversation(body, query)]

    events = start()
    kinds = [event.type for event in events]
    check("a conversation: its first event", kinds[0], "conversation-created")
    check("a conversation: its last event", kinds[-1], "interaction-complete")
    pieces = [event for event in events if event.type == "new-message"]
    check("the pieces are the message", "".join(p.message for p in pieces), events[-1].full_message)
    check("the last piece says so", [piece.stop for piece in pieces].index(True), len(pieces) - 1)
    id = events[0].conversation_id

    def listed():
        found = client.conversations.get_conversations(GetConversationsParametersQuery(id=[id]))
        return [(plain(c.id), c.is_finished) for c in found.conversations]

    check("it is listed as open", listed(), [(id, False)])
    refused("a second one with the service", BadRequestError, start)
    client.conversations.finish_conversation(id)
    check("it is listed as finished", listed(), [(id, True)])
    kinds = {event.type for event in start(every)}
    check("an agent's actions are told", "current-agent-action" in kinds, True)
    refused("its second end", ConflictError, lambda: client.conversations.finish_conversation(id))


def main():
    with AmigoClient(event_hooks={"request": [count]}) as client:
        for part in (catalog, services, conversations):
            try:
                part(client)
            except Exception as error:  # what the SDK can't read must not hide the other parts
                check(f"{part.__name__} run through", f"{type(error).__name__}: {error}", None)
    print(f"sdk: {requests} requests, {checks} checks, {len(failures)} failures")
    sys.exit(bool(failures))


main()
