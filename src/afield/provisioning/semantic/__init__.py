"""From a typed query to SQL and an answer: what can be asked of a data model, and how it is computed."""
