"""An emulated Azure Blob Storage, as far as append blobs need it."""
