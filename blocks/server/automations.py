"""The server's two reflexes: a flow run without a heartbeat is crashed, and after a run that ended badly somebody tidies up.

They look at the runs of flows whose name begins with :data:`FLOW_PREFIX`, and at no others. The flow that tidies up is named
otherwise, so that its own failure does not start it again; the first reflex looks at it too, lest a dead one keep others waiting.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.automations import AutomationCore, EventTrigger, Posture
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.events import ResourceSpecification

FLOW_PREFIX = "chiminey-"
SILENCE = 90  # seconds without a heartbeat after which a run counts as dead; heartbeats come every 30
_RUNS = ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]})
_OURS = ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": f"{FLOW_PREFIX}*"})
_OURS_AND_REAPER = ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": "chiminey*"})
_ENDED_BADLY = {f"prefect.flow-run.{state}" for state in ("Crashed", "Cancelled", "Failed", "TimedOut")}


def install(reaper_deployment_id: UUID) -> None:
    """See that both automations are on the server, as they should be. May be repeated; what is right is left alone."""
    with get_client(sync_client=True) as client:
        for automation in (_crash_the_silent(), _reap_after_bad_ends(reaper_deployment_id)):
            _install(client, automation)


def _crash_the_silent() -> AutomationCore:
    return AutomationCore(
        name="chiminey: crash runs without a heartbeat",
        description=f"A run that gave no sign of life for {SILENCE} seconds is dead: its machine or its worker went away.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=_RUNS,
            match_related=_OURS_AND_REAPER,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENCE),
        ),
        actions=[
            ChangeFlowRunState(name=None, state=StateType.CRASHED, message=f"no heartbeat for {SILENCE} seconds", force=False)
        ],
    )


def _reap_after_bad_ends(reaper_deployment_id: UUID) -> AutomationCore:
    return AutomationCore(
        name="chiminey: tidy up after runs that ended badly",
        description="Removes the machines, processes and folders that a crashed, cancelled or failed run may have left.",
        trigger=EventTrigger(
            expect=_ENDED_BADLY,
            match=_RUNS,
            match_related=_OURS,
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[RunDeployment(source="selected", deployment_id=reaper_deployment_id, parameters=None, job_variables=None)],
    )


def _install(client: SyncPrefectClient, automation: AutomationCore) -> None:
    present = client.read_automations_by_name(automation.name)
    for surplus in present[1:]:
        client.delete_automation(surplus.id)
    if not present:
        client.create_automation(automation)
    elif _substance(present[0]) != _substance(automation):  # an update forgets which runs it was watching
        client.update_automation(present[0].id, automation)


def _substance(automation: AutomationCore) -> object:
    return automation.model_dump(mode="json", include={"enabled", "description", "trigger", "actions"})
