"""Making the data of a model: seeded, in arrays, table by table, to Parquet. docs/provisioning-data.md says how."""

from afield.provisioning.making.run import FEWEST_ROWS, make

__all__ = ["FEWEST_ROWS", "make"]
