"""Drives session pools with published clients; prints what they got as JSON.

Runs in an environment of its own, which has the clients and nothing of this project. Arguments: the client's name, and
a JSON object with `endpoint`, `token`, `ca_file`, `folder`.
"""

import asyncio
import json
import os
import sys
import warnings
from io import BytesIO
from pathlib import Path

warnings.filterwarnings("ignore")


def langchain_python(given: dict) -> dict:
    from langchain_azure_dynamic_sessions import SessionsPythonREPLTool

    tool = SessionsPythonREPLTool(
        pool_management_endpoint=given["endpoint"], access_token_provider=lambda: given["token"]
    )
    got = {
        "value": tool.execute("```python\nx = 6 * 7\nx\n```"),
        "kept": json.loads(tool.run("print(x)")),
        "failed": tool.execute("1 / 0"),
    }
    uploaded = tool.upload_file(data=BytesIO(b"some text\n"), remote_file_path="a b.txt")
    got["uploaded"] = [uploaded.filename, uploaded.size_in_bytes]
    got["read"] = tool.execute("print(open('/mnt/data/a b.txt').read())")["stdout"]
    tool.execute("open('/mnt/data/made.bin', 'wb').write(bytes(range(256)))")
    got["files"] = sorted(one.filename for one in tool.list_files())
    got["made"] = tool.download_file(remote_file_path="made.bin").read() == bytes(range(256))
    tool.delete_session()
    got["fresh"] = tool.execute("'x' in globals()")["result"]
    return got


def langchain_bash(given: dict) -> dict:
    from langchain_azure_dynamic_sessions import SessionsBashTool

    tool = SessionsBashTool(pool_management_endpoint=given["endpoint"], access_token_provider=lambda: given["token"])
    got = {"hello": json.loads(tool.run("echo hello; echo oops >&2")), "failed": json.loads(tool.run("exit 3"))}
    uploaded = tool.upload_file(data=BytesIO(b"some text\n"), remote_file_path="a.txt")
    got["uploaded"] = [uploaded.filename, uploaded.size_in_bytes]
    got["read"] = json.loads(tool.run("cat /mnt/data/a.txt"))["stdout"]
    got["files"] = [one.filename for one in tool.list_files()]
    got["downloaded"] = tool.download_file(remote_file_path="a.txt").read().decode()
    return got


def llama_index(given: dict) -> dict:
    from llama_index.tools.azure_code_interpreter import AzureCodeInterpreterToolSpec

    tool = AzureCodeInterpreterToolSpec(pool_management_endpoint=given["endpoint"], session_id="llama-1")
    tool.access_token_provider = lambda: given["token"]
    got = {"value": tool.code_interpreter("x = 6 * 7\nx"), "kept": tool.code_interpreter("print(x)")}
    local = Path(given["folder"]) / "a.txt"
    local.write_text("some text\n")
    got["uploaded"] = [one.filename for one in tool.upload_file(local_file_path=str(local))]
    got["files"] = [one.file_full_path for one in tool.list_files()]
    got["downloaded"] = tool.download_file_to_local("/mnt/data/a.txt").read().decode()
    return got


def autogen(given: dict) -> dict:
    from autogen_core import CancellationToken
    from autogen_core.code_executor import CodeBlock
    from autogen_ext.code_executors.azure import ACADynamicSessionsCodeExecutor

    class Credential:
        def __init__(self) -> None:
            self.scopes: list[str] = []

        def get_token(self, *scopes: str, **_: object) -> object:
            self.scopes.extend(scopes)
            return type("Token", (), {"token": given["token"]})

    async def drive() -> dict:
        folder, credential = Path(given["folder"]), Credential()
        executor = ACADynamicSessionsCodeExecutor(given["endpoint"], credential, work_dir=folder)
        cancel = CancellationToken()

        async def run(*codes: str) -> list:
            blocks = [CodeBlock(code=code, language="python") for code in codes]
            result = await executor.execute_code_blocks(blocks, cancel)
            return [result.exit_code, result.output]

        got = {
            "first": await run("x = 6 * 7", "print(x)"),
            "kept": await run("print(x + 1)"),
            "failed": await run("raise ValueError('no')"),
        }
        (folder / "a.txt").write_text("some text\n")
        await executor.upload_files(["a.txt"], cancel)
        got["read"] = await run("print(open('a.txt').read())")
        await run("open('made.txt', 'w').write('made')")
        got["files"] = sorted(await executor.get_file_list(cancel))
        await executor.download_files(["made.txt"], cancel)
        got["made"] = (folder / "made.txt").read_text()
        await executor.restart()
        got["fresh"] = await run("print('x' in globals())")
        got["scopes"] = sorted(set(credential.scopes))
        return got

    return asyncio.run(drive())


def semantic_kernel(given: dict) -> dict:
    import httpx
    from semantic_kernel.core_plugins.sessions_python_tool.sessions_python_plugin import SessionsPythonTool

    async def drive() -> dict:
        folder = Path(given["folder"])
        async with httpx.AsyncClient(verify=given["ca_file"], timeout=60) as http:
            tool = SessionsPythonTool(
                auth_callback=lambda: given["token"],
                pool_management_endpoint=given["endpoint"],
                http_client=http,
                enable_dangerous_file_uploads=True,
                allowed_upload_directories=[str(folder)],
            )
            got = {"value": await tool.execute_code("x = 6 * 7\nx"), "kept": await tool.execute_code("print(x)")}
            (folder / "a.txt").write_text("some text\n")
            uploaded = await tool.upload_file(local_file_path=str(folder / "a.txt"))
            got["uploaded"] = [uploaded.filename, uploaded.size_in_bytes]
            got["read"] = await tool.execute_code("print(open('/mnt/data/a.txt').read())")
            got["files"] = [one.full_path for one in await tool.list_files()]
            content = await tool.download_file(remote_file_name="a.txt")
            got["downloaded"] = content.read().decode()
            return got

    return asyncio.run(drive())


def piston(given: dict) -> dict:
    import piston_rspy

    def shown(answer: object) -> dict:
        told = {"language": answer.language, "error": answer.is_err(), "status": answer.status}
        return {**told, "stdout": answer.run.stdout, "stderr": answer.run.stderr, "code": answer.run.code}

    async def drive() -> dict:
        client = piston_rspy.Client.with_url_and_key(given["endpoint"], f"Bearer {given['token']}")
        runtimes = await client.fetch_runtimes()

        async def run(language: str, code: str, stdin: str = "") -> dict:
            executor = piston_rspy.Executor(
                language=language, version="*", stdin=stdin, files=[piston_rspy.File(name="main", content=code)]
            )
            return shown(await client.execute(executor))

        return {
            "languages": sorted({one.language for one in runtimes}),
            "python": await run("python", "print(int(input()) * 7)", "6"),
            "bash": await run("bash", "echo $((6 * 7)); exit 3"),
            "unknown": await run("no-such-language", "1"),
        }

    return asyncio.run(drive())


DRIVES = (langchain_python, langchain_bash, llama_index, autogen, semantic_kernel, piston)

if __name__ == "__main__":
    drive = {one.__name__: one for one in DRIVES}[sys.argv[1]]
    print("got", json.dumps(drive(json.loads(sys.argv[2])), default=str), flush=True)  # noqa: T201 - read by the test
    os._exit(0)  # the threads of the Rust client now and then crash an interpreter that is being taken down
