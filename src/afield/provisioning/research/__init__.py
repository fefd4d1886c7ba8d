"""The Research Agent: what a company's website says about it, each statement with its source."""
