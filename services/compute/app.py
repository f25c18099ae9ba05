"""Composition root of the compute service."""

from chassis.codec import Codec
from chassis.service import Application, Definition, Resources, assemble
from chassis.settings import ServiceSettings
from compute.domain import Analysis, analyses
from compute.handlers import listen
from compute.projections import ANALYSIS_VIEWS
from contracts.compute import ComputeCommand, ComputeEvent

COMPUTE = Definition[Analysis, ComputeCommand, ComputeEvent](
    name="compute",
    decider=analyses(frozenset()),
    codec=Codec(ComputeEvent),
    models=(ANALYSIS_VIEWS,),
)


def application(
    settings: ServiceSettings, resources: Resources
) -> Application[Analysis, ComputeCommand, ComputeEvent]:
    assembled = assemble(COMPUTE, settings, resources)
    listen(assembled)
    return assembled
