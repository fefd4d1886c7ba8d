"""Drives the simulator with a published client, `amazon-ads-mcp`; prints what each call answered as JSON.

Run as a process of its own, as the client keeps its settings in the process. The argument is a ready file.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit


def configure(amc: dict) -> None:
    os.chdir(tempfile.mkdtemp())
    os.environ.update(
        AUTH_METHOD="direct",
        AMAZON_AD_API_CLIENT_ID=amc["client_id"],
        AMAZON_AD_API_CLIENT_SECRET=amc["client_secret"],
        AMAZON_AD_API_REFRESH_TOKEN=amc["refresh_token"],
        AMAZON_AD_API_PACKAGES="amc-workflow,amc-administration",
        AMAZON_ADS_REGION="na",
        CODE_MODE_ENABLED="false",
        CODE_MODE="false",
    )
    from amazon_ads_mcp.utils.region_config import RegionConfig

    for region in ("na", "eu", "fe"):
        RegionConfig.API_ENDPOINTS[region] = amc["base_url"]
        RegionConfig.API_HOSTS[region] = urlsplit(amc["base_url"]).netloc
        RegionConfig.OAUTH_ENDPOINTS[region] = amc["lwa_token_url"]


async def drive(amc: dict) -> dict:
    from amazon_ads_mcp.server.server_builder import ServerBuilder
    from fastmcp import Client

    answers = {}
    address = {
        "instanceId": amc["instances"][0],
        "Amazon-Advertising-API-AdvertiserId": amc["entity_id"],
        "Amazon-Advertising-API-MarketplaceId": amc["marketplace_id"],
        "Amazon-Advertising-API-ClientId": amc["client_id"],
    }
    server = await ServerBuilder().build()
    async with Client(server) as client:
        names = {tool.name: tool for tool in await client.list_tools()}

        async def call(label: str, tool: str, **arguments):
            accepted = names[tool].inputSchema["properties"]
            given = {**{key: value for key, value in address.items() if key in accepted}, **arguments}
            result = await client.call_tool(tool, given, raise_on_error=False)
            content = result.structured_content or {"text": "".join(part.text for part in result.content)}
            answers[label] = {"error": result.is_error, "content": content}
            return content

        await call("accounts", "amc_AmcpLinkListAmcAccounts")
        await call("instances", "amc_listInstances")
        sql = "SELECT campaign, sum(impressions) AS n FROM dsp_impressions GROUP BY campaign"
        await call("save", "amc_createWorkflow", workflowId="outside", sqlQuery=sql)
        saved = await call("saved", "amc_createWorkflowExecution", workflowId="outside", timeWindowType="ALL")
        adhoc = await call(
            "adhoc", "amc_createWorkflowExecution", workflow={"sqlQuery": sql}, timeWindowType="MOST_RECENT_DAY"
        )
        one, other = saved["workflowExecutionId"], adhoc["workflowExecutionId"]
        await call("get", "amc_getWorkflowExecution", workflowExecutionId=one)
        await call("cancel", "amc_UpdateWorkflowExecution", workflowExecutionId__path=other, status="CANCELLED")
        since = "2020-01-01T00:00:00"
        await call("list", "amc_listWorkflowExecutions", minCreationTime=since)
        await call("list_all", "amc_listWorkflowExecutions", minCreationTime=since, includeCancelled=True)
        print("waiting", flush=True)  # noqa: T201 - read by the test
        sys.stdin.readline()
        await call("urls", "amc_getWorkflowExecutionDownloadUrls", workflowExecutionId=one)
    return answers


if __name__ == "__main__":
    access = json.loads(Path(sys.argv[1]).read_text())["amc"]
    configure(access)
    print("answers", json.dumps(asyncio.run(drive(access))), flush=True)  # noqa: T201 - read by the test
