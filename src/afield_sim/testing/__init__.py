"""For tests: a simulator in this process or in one of its own, and a client for its admin service.

async with running_simulator(instances=2) as sim:
    await sim.admin.put_faults({sim.instances[0]: {"reply_lost": {"next": 1}}})
    ... talk to sim.amc.base_url with sim.amc.refresh_token ...
    await sim.admin.wait(what="created", at_least=1)

with SimulatorProcess(folder) as process:
    process.kill(); process.start()     # same port, same data
"""

from .amc import Admin, AmcAccess, read_access
from .analytics import Analytics, AnalyticsAccess, AnalyticsAdmin, read_analytics_access, running_analytics
from .arm import ArmAccess, ArmAdmin, VmAccess, read_arm_access
from .bigquery import BigQueryAccess, BigQueryAdmin, read_bigquery_access
from .caller import AdminError, Json, Plan
from .llm import LlmAccess, LlmAdmin, read_llm_access
from .process import SimulatorProcess
from .running import ManualClock, Simulator, running_simulator
from .sessions import PoolAccess, SessionsAccess, SessionsAdmin, read_sessions_access
from .websites import SiteAccess, WebsitesAccess, WebsitesAdmin, read_websites_access

__all__ = [
    "Admin",
    "AdminError",
    "AmcAccess",
    "Analytics",
    "AnalyticsAccess",
    "AnalyticsAdmin",
    "ArmAccess",
    "ArmAdmin",
    "BigQueryAccess",
    "BigQueryAdmin",
    "Json",
    "LlmAccess",
    "LlmAdmin",
    "ManualClock",
    "Plan",
    "PoolAccess",
    "SessionsAccess",
    "SessionsAdmin",
    "Simulator",
    "SimulatorProcess",
    "SiteAccess",
    "VmAccess",
    "WebsitesAccess",
    "WebsitesAdmin",
    "read_access",
    "read_analytics_access",
    "read_arm_access",
    "read_bigquery_access",
    "read_llm_access",
    "read_sessions_access",
    "read_websites_access",
    "running_analytics",
    "running_simulator",
]
