"""The code that speaks remote systems' languages: the contract (`base`), and a folder per remote system."""
