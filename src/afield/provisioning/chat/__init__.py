"""The chat: questions in plain words, understood as typed queries, answered from the warehouse, message by message."""
