"""Google's Conversational Analytics API: data agents that answer questions about a dataset in BigQuery."""
