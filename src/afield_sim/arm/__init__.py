"""Azure Resource Manager and Azure Compute in a box: virtual machines that really run scripts."""
