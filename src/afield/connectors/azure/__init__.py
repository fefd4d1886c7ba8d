"""Microsoft Azure: commands on virtual machines, over Azure Resource Manager and its Run Command features."""
