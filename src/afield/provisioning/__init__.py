"""From a company's website to data one can talk to: seven agents, a dataset, a chat."""
