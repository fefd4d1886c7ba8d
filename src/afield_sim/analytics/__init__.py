"""Google's Conversational Analytics API (v1) over REST: data agents, conversations, and a chat that streams."""
