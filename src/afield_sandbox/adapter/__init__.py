"""The adapter: the jail as an HTTP service, what a session container or the local pool listens with.

Beside the standard library it needs aiohttp, orjson and pydantic.
"""
